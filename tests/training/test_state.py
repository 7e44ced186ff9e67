"""A state is there whole or not at all; a damaged one says so and the one before takes over."""

import json
import pickle
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from kineograph.errors import CheckpointError
from kineograph.training import state as states

STATE = {
    "step": 7,
    "rate": 1e-4,
    "name": None,
    "model": {"weight": torch.arange(1000.0), "half": torch.ones(2, 3).bfloat16()},
    "optimisers": [{"state": {0: {"seen": torch.tensor(3.0)}}, "betas": (0.9, 0.99)}],
    "empty": torch.zeros(0, 4),
}


def folders(run: Path) -> list[str]:
    return sorted(path.name for path in (run / states.FOLDER).iterdir())


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_state_comes_back(tmp_path):
    states.save(tmp_path / "new", STATE)
    found = states.load(tmp_path / "new")
    assert found["step"] == 7 and found["rate"] == 1e-4 and found["name"] is None
    assert torch.equal(found["model"]["weight"], torch.arange(1000.0))
    assert found["model"]["half"].dtype == torch.bfloat16 and found["empty"].shape == (0, 4)
    optimiser = found["optimisers"][0]
    assert optimiser["state"][0]["seen"] == 3.0 and optimiser["betas"] == (0.9, 0.99)


def test_where_nothing_was_saved_there_is_none(tmp_path):
    assert states.load(tmp_path) is None
    assert states.load(tmp_path / "no folder") is None


def test_the_last_two_states_stay(tmp_path):
    for step in range(4):
        states.save(tmp_path, {"step": step})
    assert states.load(tmp_path) == {"step": 3}
    assert folders(tmp_path) == ["00000003", "00000004"]


def test_a_full_disk_keeps_the_old_state(tmp_path):
    states.save(tmp_path, {"step": 1})
    with full_disk(900), pytest.raises(CheckpointError) as error:
        states.save(tmp_path, STATE)
    assert "00000002: the state cannot be written: File too large" in str(error.value)
    assert f"the last good one is {tmp_path}" in str(error.value)
    assert states.load(tmp_path) == {"step": 1} and folders(tmp_path) == ["00000001"]


def test_what_torch_says_of_a_full_disk_becomes_plain():
    said = "[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"
    assert states._reason(RuntimeError(said)).endswith("as when the disk is full")


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match="cannot be"):
        states.save(tmp_path / "run", STATE)


def test_a_state_that_was_cut_off_while_it_was_written_is_not_seen(tmp_path):
    place = states.save(tmp_path, {"step": 1})
    shutil.copytree(place, place.with_name("00000002.part"))
    assert states.load(tmp_path) == {"step": 1}
    states.save(tmp_path, {"step": 2})
    assert states.load(tmp_path) == {"step": 2} and folders(tmp_path) == ["00000001", "00000002"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
@pytest.mark.parametrize("name", ["__0_0.distcp", ".metadata", "state.json", "digests.json"])
def test_a_truncated_state_is_passed_over(tmp_path, name, share):
    states.save(tmp_path, {"step": 1})
    path = states.save(tmp_path, STATE) / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    said = []
    assert states.load(tmp_path, said.append) == {"step": 1}
    assert len(said) == 1
    assert "00000002: the state cannot be read" in said[0] and "going back to" in said[0]


def test_one_flipped_bit_is_noticed(tmp_path):
    path = states.save(tmp_path, STATE) / "__0_0.distcp"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"__0_0.distcp is damaged.*Put back a good copy"):
        states.load(tmp_path)


class Mischief:
    """Something that runs when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def test_loading_runs_nothing_that_is_in_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = states.save(tmp_path, STATE)
    (place / ".metadata").write_bytes(pickle.dumps(Mischief()))
    digests = json.loads((place / "digests.json").read_text())
    digests[".metadata"] = states._digest(place / ".metadata")
    (place / "digests.json").write_text(json.dumps(digests))
    with pytest.raises(CheckpointError, match="which is no part of one"):
        states.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_what_cannot_stand_in_a_state_is_named(tmp_path):
    with pytest.raises(TypeError, match="/a/1: set cannot stand in a state"):
        states.save(tmp_path, {"a": [1, {2}]})
