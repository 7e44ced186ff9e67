"""Progress is silent for short jobs and says how long the others last."""

import itertools
import time

import pytest

from kineograph.cli.progress import Lines, Progress, track


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by one second at every look."""
    seconds = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))


def test_a_short_job_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(range(3), 3, "count")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("clock")
def test_a_long_job_prints_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(Lines(patience=2.0, pause=5.0)) as progress:
        for done in range(1, 13):
            progress.show("denoise", done, 20)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "denoise 2/20",
        "denoise 7/20",
        "denoise 12/20",
    ]


@pytest.mark.usefixtures("clock")
def test_the_time_that_is_left_follows_from_the_time_that_passed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines(patience=3.0)
    lines.show("encode", 0, 8)  # one second in
    lines.show("encode", 1, 8)  # two
    lines.show("encode", 2, 8)  # three: 2 of 8 done in 2 seconds
    assert capsys.readouterr().err == "encode 2/8, 6 s left\n"


@pytest.mark.usefixtures("clock")
def test_each_job_has_its_own_clock(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(patience=0.0, pause=0.0)
    lines.show("first", 1, 2)
    lines.show("first", 2, 2)
    lines.show("second", 0, 9)
    lines.show("second", 1, 9)
    assert capsys.readouterr().err.splitlines()[-1] == "second 1/9, 8 s left"
