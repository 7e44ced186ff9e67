"""Prompts become rows of ids; what is cut off is told, and what is missing is named."""

import builtins
import shutil
from pathlib import Path

import pytest
import torch

from kineograph.errors import CheckpointError, ConfigError
from kineograph.text.pieces import Frame, Prompts, read_tokeniser

T5 = Frame(vocabulary=100, length=8, end=1, pad=0)


def test_a_row_is_the_prompt_its_end_and_padding(sentence_pieces):
    tokeniser = read_tokeniser(sentence_pieces)
    found = T5.rows(["", "a red"], tokeniser)
    ids = tokeniser.ids("a red")
    assert found.ids.tolist() == [[1] + [0] * 7, [*ids, 1] + [0] * (7 - len(ids))]
    assert found.mask.sum(1).tolist() == [1, len(ids) + 1]
    assert found.cut == ("", "")


def test_what_does_not_fit_is_cut_off_before_the_end_and_told(sentence_pieces):
    tokeniser = read_tokeniser(sentence_pieces)
    prompt = "the blue cube jumps"
    found = T5.rows([prompt], tokeniser)
    ids = tokeniser.ids(prompt)
    assert len(ids) > 7 and found.ids[0].tolist() == [*ids[:7], 1]
    assert bool(found.mask.all())
    kept = T5.rows([prompt.removesuffix(found.cut[0])], tokeniser)
    assert found.cut[0] and kept.cut == ("",)
    exact = Frame(vocabulary=100, length=len(ids) + 1, end=1, pad=0)
    assert exact.rows([prompt], tokeniser).cut == ("",)


def test_clip_reads_lower_case_words_between_a_start_and_an_end(byte_pairs):
    frame = Frame(vocabulary=519, length=6, start=(517,), end=518, pad=518)
    found = frame.rows(["A  RED\nball", "red ball red ball red"], read_tokeniser(byte_pairs))
    a, red, ball = 256 + sorted_bytes().index("a"), 513, 516
    assert found.ids.tolist() == [[517, a, red, ball, 518, 518], [517, red, ball, red, ball, 518]]
    assert found.mask.sum(1).tolist() == [5, 6]
    assert found.cut == ("", "red")


def sorted_bytes() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def test_one_file_and_two_files_of_clip_say_the_same(byte_pairs, tmp_path):
    two = read_tokeniser(byte_pairs)
    two._model.enable_padding(length=40)  # some published files pad and cut by themselves
    two._model.enable_truncation(3)
    two._model.save(str(tmp_path / "tokenizer.json"))
    two._model.no_padding()
    two._model.no_truncation()
    one = read_tokeniser(tmp_path)
    for prompt in ("It's a RED ball, 42 times!", "été 中 🎬", ""):
        assert one.ids(prompt) == two.ids(prompt)
    assert len(one.ids("red ball red ball")) == 4


def test_a_folder_without_a_tokenizer_says_what_it_holds(tmp_path):
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"it holds vocab.json; expected spiece.model, "):
        read_tokeniser(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder"):
        read_tokeniser(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["spiece.model", "tokenizer.json"])
def test_a_damaged_tokenizer_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00not a tokenizer")
    with pytest.raises(CheckpointError, match=name):
        read_tokeniser(tmp_path)


def test_a_tokenizer_of_another_encoder_is_refused(sentence_pieces):
    small = Frame(vocabulary=5, length=8, end=1, pad=0)
    with pytest.raises(CheckpointError, match="below 5, the encoder's vocabulary"):
        small.rows(["the blue cube"], read_tokeniser(sentence_pieces))


def test_the_files_are_read_with_the_first_prompt_only(sentence_pieces, tmp_path):
    shutil.copytree(sentence_pieces, tmp_path / "once")
    prompts = Prompts(str(tmp_path / "once"), T5)
    first = prompts(["a red"]).ids
    shutil.rmtree(tmp_path / "once")
    assert torch.equal(prompts(["a red"]).ids, first)


def test_without_a_folder_the_flag_is_named():
    with pytest.raises(ConfigError, match=r"--set text\.tokenizer=FOLDER"):
        Prompts("", T5)(["a"])


def test_one_string_is_not_a_list_of_letters(sentence_pieces):
    with pytest.raises(TypeError, match="list of sentences"):
        Prompts(str(sentence_pieces), T5)("a red ball")


@pytest.mark.parametrize("package", ["sentencepiece", "tokenizers"])
def test_a_missing_package_names_the_extra(package, tmp_path: Path, monkeypatch):
    def without(name, *rest):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    (tmp_path / {"sentencepiece": "spiece.model"}.get(package, "tokenizer.json")).touch()
    with pytest.raises(ConfigError, match=rf"{package}: pip install 'kineograph\[models\]'"):
        read_tokeniser(tmp_path)


def test_a_row_has_room_for_its_ends():
    with pytest.raises(ConfigError, match="length = 1: expected 2 or more"):
        Frame(vocabulary=9, length=1, start=(7,), end=8, pad=8)
