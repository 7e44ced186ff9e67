"""The verbs around generation: files appear under their names, and can be made again."""

from pathlib import Path

import pytest
import torch

from kineograph.cli.decode import Decode
from kineograph.cli.generate import LATENTS, Generate
from kineograph.cli.replay import Replay
from kineograph.errors import ConfigError
from kineograph.generation import generator as making
from kineograph.generation.draft import info
from kineograph.generation.pairs import pair
from kineograph.media.decode import read_video
from kineograph.media.encode import read_metadata, write_image

FAST = {"device": "cpu", "frames": 5, "size": "16x16", "steps": 2}
PICTURE = {**FAST, "frames": 1}


def test_generate_decode_and_replay_agree(folder, tmp_path, capsys):
    image = tmp_path / "first.png"
    write_image(image, torch.full((20, 30, 3), 200, dtype=torch.uint8))
    out = tmp_path / "out.mp4"
    options = {**FAST, "model": str(folder), "image": image, "out": out, "seed": 5}
    Generate(prompt="a red ball", keep_latents=True, **options).run()
    assert "5 frames of 16x16" in capsys.readouterr().out
    Decode(latents=out.with_name(out.name + LATENTS), out=tmp_path / "decoded.mp4").run()
    Replay(video=out, out=tmp_path / "replayed.mp4").run()
    frames = [
        read_video(tmp_path / f"{name}.mp4").frames for name in ("out", "decoded", "replayed")
    ]
    assert frames[0].shape == (5, 32, 32, 3)  # the recipe enlarges twice
    assert torch.equal(frames[0], frames[1]) and torch.equal(frames[0], frames[2])
    assert '"seed": 5' in read_metadata(out)["kineograph"]


def test_a_list_of_prompts_makes_numbered_videos_and_leaves_nothing_else(folder, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a ball\na red cube\n")
    folder_out = tmp_path / "videos"
    options = {**FAST, "model": str(folder), "out": folder_out / "v.mp4", "native": True}
    Generate(prompts=prompts, count=2, batch=3, **options).run()
    made = sorted(path.name for path in folder_out.iterdir())
    assert made == ["v-0.mp4", "v-1.mp4", "v-2.mp4", "v-3.mp4", "v.ledger.jsonl"]
    made.pop()
    told = [info(read_metadata(folder_out / name), folder_out / name) for name in made]
    assert [one.seed for one in told] == [0, 1, 2, 3]
    assert [one.prompt for one in told] == ["a ball"] * 2 + ["a red cube"] * 2


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        ({}, "no prompt"),
        ({"prompt": "a", "prompts": Path("p.csv")}, "expected one of them"),
        ({"prompt": "a", "count": 0}, "--count 0: expected 1 or more"),
        ({"prompt": "a", "size": "64"}, "expected two numbers, e.g. --size 64x64"),
    ],
)
def test_wrong_usage_is_explained_before_anything_loads(wishes, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Generate(**wishes).run()


def test_pairs_are_read_plainly():
    assert pair("64X48", "x", "") == (64, 48)


def test_a_second_run_makes_only_what_is_missing_and_a_bad_row_stops_no_other(
    folder, tmp_path, capsys
):
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("prompt,image\na ball,\na cube,none.png\n")
    options = {**PICTURE, "model": str(folder), "out": tmp_path / "v.png", "prompts": prompts}
    assert Generate(**options).run() == 1
    assert "none.png" in capsys.readouterr().err
    write_image(tmp_path / "none.png", torch.full((16, 16, 3), 9, dtype=torch.uint8))
    assert Generate(**options).run() is None
    said = capsys.readouterr().out
    assert "1 of 2 are there already" in said and "v-1.png: 1 frames" in said
    assert "v-0.png: 1 frames" not in said


def test_a_video_of_a_batch_is_replayed_to_the_pixel(folder, tmp_path, capsys):
    prompts = tmp_path / "p.txt"
    prompts.write_text("a ball\na red cube\na cube\n")
    Generate(prompts=prompts, out=tmp_path / "v.mp4", model=str(folder), **FAST).run()
    assert Replay(video=tmp_path / "v-1.mp4", out=tmp_path / "again.mp4").run() is None
    assert "every decoded frame is equal" in capsys.readouterr().out


def test_replay_asks_for_an_input_by_its_content(folder, tmp_path):
    image = tmp_path / "first.png"
    write_image(image, torch.full((16, 16, 3), 200, dtype=torch.uint8))
    options = {**PICTURE, "model": str(folder), "out": tmp_path / "v.png", "image": image}
    Generate(prompt="a ball", **options).run()
    moved = image.rename(tmp_path / "moved.png")
    replay = {"video": tmp_path / "v.png", "out": tmp_path / "again.png"}
    with pytest.raises(
        ConfigError, match=r"image: .*first\.png is gone; expected a file whose SHA"
    ):
        Replay(**replay).run()
    write_image(image, torch.full((16, 16, 3), 100, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="has changed: its SHA-256 begins with"):
        Replay(**replay).run()
    assert Replay(**replay, input=(moved,)).run() is None


def test_a_replay_that_cannot_be_equal_says_what_is_different(
    folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(making, "__version__", "0.0.1")
    Generate(prompt="a ball", model=str(folder), out=tmp_path / "v.png", **PICTURE).run()
    Replay(video=tmp_path / "v.png", out=tmp_path / "again.png").run()
    assert "version: was 0.0.1, is" in capsys.readouterr().out
    assert Replay(video=tmp_path / "v.png", out=tmp_path / "n.png", native=True).run() == 1
    assert "different sizes" in capsys.readouterr().out
