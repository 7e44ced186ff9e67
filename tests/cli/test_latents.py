"""`latents` says what latents are like, for people and for programs."""

import json
from pathlib import Path

import pytest

from kineograph.cli.app import main


def say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    with pytest.raises(SystemExit) as end:
        main(["latents", *words])
    told = capsys.readouterr()
    return int(end.value.code or 0), told.out, told.err


def test_the_latents_of_the_shipped_model_are_alive(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "--clips", "2", "--device", "cpu", "--format", "json")
    found = json.loads(out)
    assert code == 0 and len(found["mean"]) == len(found["variance"]) == len(found["kl"]) == 24
    assert found["collapsed"] == []
    assert 1 <= found["effective_rank"] <= 24 and abs(found["correlation"]) <= 1


def test_the_table_has_a_line_for_each_channel(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = say(capsys, "--clips", "1", "--device", "cpu")
    assert code == 0 and len(out.splitlines()) == 1 + 24 + 3
    assert "effective rank" in out and "largest correlation" in out


def test_nothing_to_look_at_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, error = say(capsys, "--clips", "0")
    assert code == 1 and "--clips 0: expected 1 or more" in error
    code, _, error = say(capsys, "--data", str(tmp_path / "none"), "--device", "cpu")
    assert code == 1 and "no such file or folder" in error
