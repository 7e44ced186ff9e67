"""The journal is lines of JSON, each the averages since the line before."""

import json
from pathlib import Path
from typing import Any

import pytest

from kineograph.errors import DataError
from kineograph.training.journal import Journal


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_every_so_often_the_averages_are_written(tmp_path: Path) -> None:
    said: list[str] = []
    journal = Journal(tmp_path / "new", said.append, every=3)
    for index in range(6):
        journal.step("images", index, 100, {"loss": float(index)})
    first, second = lines(tmp_path / "new")
    assert (first["stage"], first["step"], first["of"]) == ("images", 3, 100)
    assert (first["loss"], second["loss"], second["step"]) == (1.0, 4.0, 6)
    assert first["seconds_per_step"] > 0 and first["time"] > 1.7e9
    assert len(said) == 2 and said[0].startswith("images 3/100  loss 1  ")


def test_a_number_that_is_not_always_there_is_averaged_over_where_it_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda _: None, every=3)
    for index, numbers in enumerate([{"low": 1.0}, {"high": 5.0}, {"low": 3.0}]):
        journal.step("images", index, 100, numbers)
    assert (lines(tmp_path)[0]["low"], lines(tmp_path)[0]["high"]) == (2.0, 5.0)


def test_the_last_step_of_a_stage_is_always_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda _: None, every=20)
    for index in range(2):
        journal.step("short", index, 2, {"loss": 1.0})
    journal.step("next", 0, 1, {"loss": 9.0})
    assert [(line["stage"], line["loss"]) for line in lines(tmp_path)] == [
        ("short", 1.0),
        ("next", 9.0),
    ]


def test_a_note_stands_outside_the_averages_and_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    said: list[str] = []

    def slow(line: str) -> None:
        now[0] += 50.0
        said.append(line)

    journal = Journal(tmp_path, slow, every=2)
    now[0] = 1.0
    journal.step("images", 0, 9, {"loss": 1.0})
    journal.note({"evaluation": "held-out", "psnr": 31.41592})
    now[0] += 1.0
    with journal.paused():
        now[0] += 7.0
        journal.note({"evaluation": "another"})
    journal.step("images", 1, 9, {"loss": 3.0})
    note, _, record = lines(tmp_path)
    assert note["psnr"] == 31.41592 and said[0] == "evaluation held-out  psnr 31.42"
    assert (record["loss"], record["seconds_per_step"]) == (2.0, 1.0)


def test_a_second_journal_of_a_folder_goes_on_where_the_first_one_ended(tmp_path: Path) -> None:
    for loss in (1.0, 2.0):
        Journal(tmp_path, lambda _: None).step("images", 0, 1, {"loss": loss})
    assert [line["loss"] for line in lines(tmp_path)] == [1.0, 2.0]


def test_a_line_that_a_full_disk_cut_off_is_taken_back(tmp_path: Path) -> None:
    Journal(tmp_path, lambda _: None).write({"step": 1})
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    Journal(tmp_path, lambda _: None).write({"step": 2})
    assert [line["step"] for line in lines(tmp_path)] == [1, 2]
    (tmp_path / "journal.jsonl").write_text('{"ste')
    Journal(tmp_path, lambda _: None).write({"step": 3})
    assert [line["step"] for line in lines(tmp_path)] == [3]


def test_a_journal_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"journal\.jsonl: cannot be written: Not a directory"):
        Journal(tmp_path / "file" / "run", lambda _: None)
    journal = Journal(tmp_path, lambda _: None)
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(DataError, match="Is a directory; the last state beside it is as it was"):
        journal.write({"step": 1})
