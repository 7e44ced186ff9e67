"""A dataset is complete, reproducible, and goes on where it was stopped."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kineograph.cli.toybox import Toybox
from kineograph.errors import DataError
from kineograph.media.decode import read_video
from kineograph.toybox import dataset
from kineograph.toybox.captions import attributes, parse
from kineograph.toybox.dataset import EXTRAS, Plan, write
from kineograph.toybox.render import render, times
from kineograph.toybox.scene import from_json
from kineograph.toybox.world import is_held_out

TINY = Plan(clips=5, frames=3, size=(32, 32), format="npz", shard=2)


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar}
        return {name: file.read() for name, file in files.items() if file is not None}


def array(packed: bytes, name: str) -> np.ndarray[Any, Any]:
    with np.load(io.BytesIO(packed)) as arrays:
        found: np.ndarray[Any, Any] = arrays[name]
        return found


def test_a_shard_holds_clip_caption_and_scene(tmp_path: Path) -> None:
    paths = write(TINY, tmp_path, workers=1)
    assert [path.name for path in paths] == [f"toybox-{n:06d}.tar" for n in range(3)]
    files = contents(paths[1])
    keys = [f"{n:09d}" for n in (2, 3)]
    assert sorted(files) == sorted(f"{key}.{end}" for key in keys for end in ("json", "npz", "txt"))
    for key in keys:
        record = json.loads(files[f"{key}.json"])
        scene = from_json(record["scene"])
        drawn = render([scene], times(3, 8), (32, 32))
        assert torch.equal(torch.from_numpy(array(files[f"{key}.npz"], "video")), drawn.video[0])
        assert torch.equal(torch.from_numpy(array(files[f"{key}.npz"], "masks")), drawn.masks[0])
        said = parse(files[f"{key}.txt"].decode())
        assert said.items() <= attributes(scene).items()
        assert record["attributes"] == attributes(scene)


def test_what_was_stopped_goes_on(tmp_path: Path) -> None:
    paths = write(TINY, tmp_path, workers=1)
    before = [path.read_bytes() for path in paths]
    kept = paths[0].stat().st_mtime_ns
    paths[1].unlink()
    paths[1].with_name(paths[1].name + ".part").write_bytes(b"half a shard")
    calls: list[tuple[int, int]] = []
    assert write(TINY, tmp_path, workers=1, watch=lambda *done: calls.append(done)) == paths
    assert [path.read_bytes() for path in paths] == before
    assert paths[0].stat().st_mtime_ns == kept
    assert calls == [(5, 5)]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".tar", ".tar", ".tar"]


def test_a_failure_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dataset.sample

    def fails(plan: Plan, number: int) -> dict[str, bytes]:
        if number == 3:
            raise KeyboardInterrupt
        return whole(plan, number)

    monkeypatch.setattr(dataset, "sample", fails)
    with pytest.raises(KeyboardInterrupt):
        write(TINY, tmp_path, workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "toybox-000000.tar"]


def test_another_plan_is_not_mixed_in(tmp_path: Path) -> None:
    write(replace(TINY, clips=1), tmp_path, workers=1)
    with pytest.raises(DataError, match="seed is 0 there and 1 now"):
        write(replace(TINY, clips=1, seed=1), tmp_path, workers=1)


def test_mp4_clips_look_like_the_scene(tmp_path: Path) -> None:
    plan = replace(TINY, clips=1, size=(64, 64), format="mp4")
    files = contents(write(plan, tmp_path / "data", workers=1)[0])
    (tmp_path / "clip.mp4").write_bytes(files["000000000.mp4"])
    shown = read_video(tmp_path / "clip.mp4")
    scene = from_json(json.loads(files["000000000.json"])["scene"])
    drawn = render([scene], times(3, 8), (64, 64)).video[0]
    assert shown.frames.shape == drawn.shape
    assert (shown.frames.float() - drawn.float()).abs().mean() < 4


def test_everything_can_be_asked_for(tmp_path: Path) -> None:
    plan = replace(TINY, clips=1, level=2, format="mp4", extras=EXTRAS)
    files = contents(write(plan, tmp_path, workers=1)[0])
    shapes = {
        "masks": (3, 32, 32),
        "depth": (3, 32, 32),
        "flow": (2, 32, 32, 2),
        "canny": (3, 32, 32),
        "sketch": (3, 32, 32),
    }
    for name, shape in shapes.items():
        assert array(files[f"000000000.{name}.npz"], name).shape == shape
    views = files["000000000.views.npz"]
    assert array(views, "video").shape == (5, 32, 32, 3)
    assert array(views, "world_to_camera").shape == (5, 4, 4)
    record = json.loads(files["000000000.json"])
    assert np.array(record["world_to_camera"]).shape == (3, 4, 4)
    assert np.array(record["positions"]).shape == (3, 1, 3)


def test_held_out_combinations_come_only_when_asked_for() -> None:
    for held_out in (False, True):
        plan = replace(TINY, held_out=held_out)
        for number in range(4):
            scene = json.loads(dataset.sample(plan, number)["json"])["scene"]
            assert is_held_out(from_json(scene)) == held_out


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (replace(TINY, level=4), "level 4: expected one of 1, 2, 3"),
        (replace(TINY, extras=("dept",)), "extra 'dept' is not known; did you mean 'depth'"),
        (replace(TINY, clips=0), "clips 0: expected more than 0"),
        (replace(TINY, size=(8, 64)), "size 64x8: expected 16 to 2048"),
    ],
)
def test_what_cannot_be_written_is_named(plan: Plan, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        write(plan, tmp_path / "none", workers=1)
    assert not (tmp_path / "none").exists()


def test_the_verb_writes_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "world"
    verb = Toybox(
        out=out, clips=2, frames=2, size="48x32", workers=1, format="npz", extra=("depth",)
    )
    verb.run()
    files = contents(out / "toybox-000000.tar")
    assert array(files["000000001.npz"], "video").shape == (2, 32, 48, 3)
    assert array(files["000000001.depth.npz"], "depth").shape == (2, 32, 48)
    assert "2 clips in 1 shards" in capsys.readouterr().out
