"""Tokenizers of a few words, made as the published ones are."""

import io
import json
from pathlib import Path

import pytest

SENTENCES = ["a red ball rolls slowly over the grey floor", "the blue cube jumps", "a heron lands"]


@pytest.fixture(scope="session")
def sentence_pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SentencePiece model whose ids are T5's: padding 0, end 1, unknown 2."""
    library = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 5),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "spiece.model").write_bytes(model.getvalue())
    return folder


@pytest.fixture(scope="session")
def byte_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with CLIP's two files: bytes, `re`, `red` and `ball`, start 517, end 518."""
    library = pytest.importorskip("tokenizers")
    letters = sorted(library.pre_tokenizers.ByteLevel.alphabet())
    merges = [("r", "e"), ("re", "d</w>"), ("b", "a"), ("l", "l</w>"), ("ba", "ll</w>")]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(m) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    return folder
