"""Trackers hear what the journal writes; a missing one is an error of one line."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.training import trackers
from kineograph.training.journal import Journal, Tally


class Heard:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.numbers: list[tuple[int, dict[str, float]]] = []
        self.ended = False

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self.numbers.append((step, dict(scalars)))

    def video(self, step: int, name: str, frames: Tensor, fps: float) -> None:
        pass

    def text(self, step: int, name: str, text: str) -> None:
        pass

    def finish(self) -> None:
        self.ended = True


class Library:
    """Stands for wandb and trackio: what of their interface is used."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def init(self, project: str, name: str) -> "Library":
        self.said.append((project, name))
        return self

    def log(self, values: dict[str, Any], step: int) -> None:
        self.said.append((step, values))

    def Video(self, path: str, format: str) -> bytes:
        return Path(path).read_bytes()

    def Table(self, columns: list[str], data: list[list[str]]) -> list[list[str]]:
        return data

    def finish(self) -> None:
        self.said.append("end")


def test_trackers_count_the_steps_of_the_whole_run(tmp_path: Path) -> None:
    heard = Heard()
    journal = Journal(tmp_path, lambda _: None, every=2, trackers=[heard])
    journal.before = 100
    for index in range(4):
        tally = Tally(tokens=50, waited=0.0, samples={"5x64x64": 3, "1x64x64": index % 2})
        journal.step("videos", index, 9, {"loss": float(index)}, tally)
    journal.note({"validation": "videos", "loss": 7.0}, step=4)
    journal.finish()
    (first, one), (second, other), (third, note) = heard.numbers
    assert (first, second, third) == (102, 104, 104) and heard.ended
    assert (one["loss"], other["loss"], note) == (0.5, 2.5, {"loss": 7.0})
    assert (one["samples/5x64x64"], one["samples/1x64x64"]) == (6.0, 1.0)
    assert one["tokens_per_second"] * one["seconds_per_step"] == pytest.approx(50)
    assert one["memory_peak_gib"] > 0.01 and one["data_wait_share"] == 0.0


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_tracker_that_is_not_installed_names_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ConfigError, match=rf"'{name}' is not installed.*kineograph\[track"
    ) as found:
        trackers.build([name], tmp_path)
    assert "\n" not in str(found.value)


def test_an_unknown_tracker_is_refused_before_any_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'wanb'; did you mean 'wandb'"):
        trackers.build(["trackio", "wanb"], tmp_path)


def test_libraries_of_one_interface_get_numbers_texts_and_videos(tmp_path: Path) -> None:
    library = Library()
    one = trackers.Logged(library, tmp_path / "run")
    one.log(3, {"loss": 0.5})
    one.video(4, "samples/heron", torch.zeros(5, 6, 8, 3, dtype=torch.uint8), 8.0)
    one.text(5, "recipe", "a: 1")
    one.finish()
    start, numbers, (step, video), text, end = library.said
    assert start == ("kineograph", "run") and numbers == (3, {"loss": 0.5}) and end == "end"
    assert step == 4 and video["samples/heron"].startswith(b"GIF89a")
    assert text == (5, {"recipe": [["a: 1"]]})


def test_a_gif_shows_every_frame_at_the_rate_of_the_video() -> None:
    frames = torch.arange(5).view(5, 1, 1, 1).expand(5, 6, 8, 3).to(torch.uint8) * 40
    picture = Image.open(io.BytesIO(trackers.gif(frames, 8.0)))
    assert (picture.n_frames, picture.size) == (5, (8, 6))
    assert picture.info["duration"] == pytest.approx(125, abs=5)
