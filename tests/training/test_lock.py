"""Two runs never write to one folder; whoever is killed holds nothing."""

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from kineograph.errors import ConfigError, DataError
from kineograph.training.lock import Lock


def hold(folder: Path, held: Event, enough: Event) -> None:
    """What another process does."""
    kept = Lock(folder)
    held.set()
    enough.wait(60)
    kept.close()


def test_a_folder_has_one_run_and_is_free_when_that_is_killed(tmp_path: Path) -> None:
    forked = multiprocessing.get_context("fork")
    held, enough = forked.Event(), forked.Event()
    other = forked.Process(target=hold, args=(tmp_path / "run", held, enough))
    other.start()
    assert held.wait(60)
    with pytest.raises(ConfigError, match=r"run: another process trains there; expected a folder"):
        Lock(tmp_path / "run", patience=0.0)
    Lock(tmp_path / "another", patience=0.0)
    other.kill()
    other.join()
    Lock(tmp_path / "run", patience=0.0)


def test_a_process_does_not_wait_for_itself(tmp_path: Path) -> None:
    first = Lock(tmp_path)
    Lock(tmp_path, patience=0.0)
    first.close()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="run: cannot be written: Not a directory"):
        Lock(tmp_path / "file" / "run")
