"""The verbs around generation: files appear under their names, and can be made again."""

from pathlib import Path

import pytest
import torch

from kineograph.cli.decode import Decode
from kineograph.cli.generate import LATENTS, Generate, numbered, pair
from kineograph.cli.replay import Replay
from kineograph.errors import ConfigError
from kineograph.media.decode import read_video
from kineograph.media.encode import read_metadata, write_image

FAST = {"device": "cpu", "frames": 5, "size": "16x16", "steps": 2}


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
    assert made == ["v-0.mp4", "v-1.mp4", "v-2.mp4", "v-3.mp4"]
    told = [read_metadata(folder_out / name)["kineograph"] for name in made]
    assert [f'"seed": {i}' in one for i, one in enumerate(told)] == [True] * 4
    assert "red cube" in told[2] and "red cube" not in told[1]


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


def test_pairs_and_numbers_are_read_and_written_plainly():
    assert pair("64X48", "x", "") == (64, 48)
    assert numbered(Path("a/b.mp4"), 1) == [Path("a/b.mp4")]
    assert [path.name for path in numbered(Path("b.mp4"), 11)][::10] == ["b-00.mp4", "b-10.mp4"]
