"""A state is there whole or not at all, and a damaged one says so."""

from pathlib import Path

import pytest
import torch

from kineograph.errors import CheckpointError
from kineograph.training import state as states

STATE = {"step": 7, "model": {"weight": torch.arange(1000.0)}, "optimisers": [{"a": [1, 2]}]}


def test_a_state_comes_back(tmp_path: Path) -> None:
    states.save(tmp_path / "new", STATE)
    found = states.load(tmp_path / "new")
    assert found is not None and found["step"] == 7 and found["optimisers"] == [{"a": [1, 2]}]
    assert torch.equal(found["model"]["weight"], torch.arange(1000.0))


def test_where_nothing_was_saved_there_is_none(tmp_path: Path) -> None:
    assert states.load(tmp_path) is None
    assert states.load(tmp_path / "no folder") is None


def test_a_new_state_replaces_the_old_one_and_leaves_nothing_behind(tmp_path: Path) -> None:
    states.save(tmp_path, {"step": 1})
    states.save(tmp_path, {"step": 2})
    assert states.load(tmp_path) == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_keeps_the_old_state(tmp_path: Path) -> None:
    states.save(tmp_path, {"step": 1})
    (tmp_path / "state.pt.part").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"state\.pt: cannot be written: .*No space"):
        states.save(tmp_path, STATE)
    assert states.load(tmp_path) == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_state_that_was_cut_off_while_it_was_written_is_not_seen(tmp_path: Path) -> None:
    states.save(tmp_path, {"step": 1})
    (tmp_path / "state.pt.part").write_bytes(b"half of it")
    assert states.load(tmp_path) == {"step": 1}
    states.save(tmp_path, {"step": 2})
    assert states.load(tmp_path) == {"step": 2}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_truncated_state_is_named(tmp_path: Path, share: float) -> None:
    states.save(tmp_path, STATE)
    path = tmp_path / "state.pt"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"state\.pt: cannot be read"):
        states.load(tmp_path)


def test_something_else_under_the_name_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="expected a training state, found list"):
        states.load(tmp_path)


def test_loading_runs_nothing_that_is_in_the_file(tmp_path: Path) -> None:
    torch.save({"step": Path("anything that is no plain data")}, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        states.load(tmp_path)
