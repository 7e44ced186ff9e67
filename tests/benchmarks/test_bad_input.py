"""Damaged and odd files have one outcome each, in everything that reads videos of others."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from kineograph.cli import app
from kineograph.cli.reconstruct import Coder
from kineograph.data.check import check
from kineograph.data.layouts.table import read
from kineograph.data.reading import Encoding, Reader
from kineograph.media.encode import write_video
from kineograph.media.workers import Limits
from kineograph.training.clip_cache import Coding, rows

COUNT = 32  # two of every kind, four of those with damaged bytes
LIMITS = Limits(seconds=20.0)
ENCODING = Encoding(frames=5, size=16, fps=8.0, autoencoder="none")


class Anything:
    """Stands for an autoencoder."""

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        return video[:, :, ::4, ::8, ::8]


SCRIPT = "bad_input"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two small films of noise."""
    folder = tmp_path_factory.mktemp("clips")
    draw = torch.Generator().manual_seed(0)
    for name in ("a.mp4", "b.mov"):
        frames = torch.randint(0, 256, (8, 32, 48, 3), generator=draw, dtype=torch.uint8)
        write_video(folder / "film.mp4", frames, 8)
        (folder / "film.mp4").rename(folder / name)
    return [folder / "a.mp4", folder / "b.mov"]


@pytest.fixture(scope="module")
def spoilt(
    bench: Any, clips: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, ...]:
    return tuple(bench.make_all(clips, COUNT, tmp_path_factory.mktemp("spoilt")))


@pytest.fixture
def listing(bench: Any, spoilt: tuple[Any, ...], tmp_path: Path) -> Path:
    listed: Path = bench.write_list(spoilt, tmp_path / "metadata.jsonl")
    return listed


def test_the_same_seed_spoils_in_the_same_way(
    bench: Any, clips: list[Path], tmp_path: Path
) -> None:
    data = clips[0].read_bytes()
    for damage in bench.BYTES.values():
        one, two = (damage(data, random.Random(3)) for _ in range(2))
        assert one == two != data
    kinds = {one.kind for one in bench.make_all(clips, 16, tmp_path)}
    assert kinds == {*bench.BYTES, *bench.OTHERS}


def test_check_has_one_finding_for_each(spoilt: tuple[Any, ...], listing: Path) -> None:
    found = list(check(read(listing), LIMITS))
    assert len(found) == COUNT and all(one.remarks for one in found if one.clip is None)
    fine = {one.kind for one, finding in zip(spoilt, found, strict=True) if finding.clip}
    assert {"odd name", "wrong extension"} <= fine
    assert not {"zero length", "folder", "rubbish"} & fine


def test_cache_has_one_row_for_each(listing: Path, tmp_path: Path) -> None:
    reader = Reader(encoding=ENCODING, folder=tmp_path)
    found = list(rows(read(listing), Coding(Anything()), reader, LIMITS))  # type: ignore[arg-type]
    assert len(found) == COUNT
    assert {row.outcome for row in found} == {"encoded", "refused"}
    assert all(row.reason for row in found if row.outcome == "refused")


def test_reconstruct_has_one_line_for_each(
    spoilt: tuple[Any, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The autoencoder sees frames and no files.
    monkeypatch.setattr(Coder, "through", lambda self, frames: frames)
    some = spoilt[: COUNT // 2]
    with pytest.raises(SystemExit) as stopped:
        app.main(["reconstruct", "--frames", "1", "--limit", "20", "--format", "json", "--out",
                  str(tmp_path), "--", *(str(one.path) for one in some)])  # fmt: skip
    assert stopped.value.code == 1
    said = capsys.readouterr()
    done = [score["video"] for score in json.loads(said.out)]
    for one in some:
        refused = said.err.count(f"kineograph: {one.path}: ")
        assert refused + done.count(str(one.path)) == 1, one
    assert done


def test_names_are_only_names(bench: Any, clips: list[Path], tmp_path: Path) -> None:
    """Quotes, line breaks, leading dashes and other scripts change nothing."""
    numbers = range(len(bench.NAMES))
    made = [bench.make("odd name", number, clips[0], tmp_path) for number in numbers]
    assert len({one.path.name for one in made}) == len(bench.NAMES)
    found = list(check(read(bench.write_list(made, tmp_path / "list.jsonl")), LIMITS))
    assert [one.clip is not None for one in found] == [True] * len(made)
    assert all(str(one).split("\n")[0].isprintable() for one in found)
    inside = list(read(tmp_path, "folder"))
    assert len(inside) == len(made)
