"""The verbs of data: two words, one line for each row, exit codes that say what happened."""

import json
from pathlib import Path

import pytest
import torch

from kineograph import recipes
from kineograph.cli import app
from kineograph.data import latents
from kineograph.data.clip import Clip
from kineograph.data.layouts.table import read
from kineograph.media.encode import write_video
from kineograph.training.weights import digest


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two videos with captions, one that is none, and an empty caption."""
    for name, frames in (("a", 20), ("b", 5)):
        levels = torch.arange(frames, dtype=torch.uint8).view(-1, 1, 1, 1) * 8
        write_video(tmp_path / f"in/{name}.mp4", levels.expand(frames, 32, 48, 3), 8)
        (tmp_path / f"in/{name}.txt").write_text(f"clip {name}")
    (tmp_path / "in/c.mp4").write_text("no video")
    (tmp_path / "in/d.mp4").write_text("no video")
    (tmp_path / "in/d.txt").touch()
    return tmp_path / "in"


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        app.main([str(one) for one in arguments])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_verb_of_two_words_may_be_written_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("data", "check", "--help") == 0 == call("data-check", "--help")
    assert call("data") == 2 and call("data", "chek", "x") == 2
    said = capsys.readouterr().err.splitlines()
    assert said == ["kineograph: no verb 'data'; there is: data check, data stats, data import, "
                    "data export"] * 2  # fmt: skip


def test_check_prints_each_row_and_writes_a_ledger(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = tmp_path / "out/clips.parquet"
    assert call("data", "check", place, "--out", ledger, "--format", "json") == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(Path(row["row"]).name, row["outcome"]) for row in rows] == [
        ("a.mp4", "ok"), ("b.mp4", "ok"), ("c.mp4", "refused"), ("d.txt", "refused"),
    ]  # fmt: skip
    clips = [clip for clip in read(ledger) if isinstance(clip, Clip)]
    assert (
        [clip.facts.frames for clip in clips]
        == [20, 5]
        == [row["clip"]["facts"]["frames"] for row in rows[:2]]
    )
    assert call("data", "check", place / "a.mp4") == 0
    assert "20 x 32 x 48, 8 fps" in capsys.readouterr().out


def test_stats_show_the_funnel_before_any_training(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("data", "stats", place, "--set", "cache.frames=17") == 0
    text = capsys.readouterr().out
    assert "17 x 128 x 128" in text and f"left out: {place}/b.mp4: too short" in text
    assert call("data", "stats", place / "a.mp4", "--buckets", "open-sora-1-stage-4") == 1
    assert "did you mean 'open-sora-1-stage-" in capsys.readouterr().err


def test_import_and_export_say_what_was_left_behind(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("data", "import", place, tmp_path / "clips.parquet") == 3
    said = capsys.readouterr()
    assert "3 clips; 1 rows could not be read" in said.out
    assert "d.txt: is empty; write a caption there, or delete the file" in said.err
    for to in ("metadata", "webdataset"):
        assert call("data", "export", tmp_path / "clips.parquet", tmp_path / to, "--to", to) == 0
        clips = [clip for clip in read(tmp_path / to) if isinstance(clip, Clip)]
        assert [clip.texts for clip in clips] == [("clip a",), ("clip b",), ()]


def test_a_place_without_rows_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("data", "check", tmp_path) == 1
    assert "has no layout that is known" in capsys.readouterr().err


def test_cache_encodes_a_dataset_and_says_what_it_could_not(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = recipes.weights("toybox")
    words = ["cache", "--data", place, "--autoencoder", weights, "--out", tmp_path / "latents"]
    words += ["--set", "cache.frames=17", "--set", "cache.size=32"]
    assert call(*words) == 3 == call(*words)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"encoded  {place}/a.mp4" and said[5] == f"cached   {place}/a.mp4"
    assert "has 5 frames at 8 a second, expected 17" in said[1]
    assert said[4].endswith("latents: 1 encoded, 0 cached, 3 refused")
    found = latents.read(tmp_path / "latents", digest(weights, "autoencoder"))
    assert found.records[0]["captions"] == ["clip a"]
