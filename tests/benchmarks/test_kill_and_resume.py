"""The report of the killed runs says where each kill fell, and compares what does not tell time."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def bench(root: Path) -> Iterator[ModuleType]:
    """The script as a module."""
    path = root / "benchmarks/kill_and_resume.py"
    spec = importlib.util.spec_from_file_location("kill_and_resume", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def run(folder: Path, clock: float, loss: float) -> Path:
    """What a run leaves: a journal, a state in its second stage, and weights."""
    state = folder / "states" / "00000007"
    state.mkdir(parents=True)
    (state / "state.json").write_text(json.dumps({"table": [["stage", 1], ["step", 3]]}))
    (state / "digests.json").write_text("{}")
    record = {"time": clock, "seconds_per_step": clock, "step": 20, "loss": loss}
    (folder / "journal.jsonl").write_text(json.dumps(record) + "\n")
    (folder / "weights").mkdir()
    (folder / "weights" / "a.safetensors").write_bytes(b"weights")
    return folder


def test_runs_are_compared_but_for_their_clocks(bench: ModuleType, tmp_path: Path) -> None:
    run(tmp_path / "peace", 1.0, 0.5)
    run(tmp_path / "killed", 2.0, 0.5)
    run(tmp_path / "other", 1.0, 0.4)
    assert bench.same(tmp_path, "killed") == "equal, equal"
    assert bench.same(tmp_path, "other") == "equal, DIFFERENT"
    (tmp_path / "killed" / "weights" / "a.safetensors").write_bytes(b"others")
    assert bench.same(tmp_path, "killed") == "DIFFERENT, equal"


def test_a_kill_says_where_it_fell(bench: ModuleType, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", 1.0, 0.5)
    assert bench.reached(folder) == (1, 3) and bench.newest(folder) == "00000007"
    assert bench.reached(tmp_path) == (0, 0)
    found = bench.Kill(True, 0.0, "none", "00000007", bench.reached(folder), True, False)
    told = "| 1 | while a state is written | none | 00000007 | 2, 3 | yes | no |"
    assert found.row(1) == told


def test_an_obstacle_is_told_and_states_that_change_are_seen(
    bench: ModuleType, tmp_path: Path
) -> None:
    folder = run(tmp_path / "run", 1.0, 0.5)
    says = [sys.executable, "-S", "-c", "import sys; sys.exit('kineograph: the disk is full')"]
    told = bench.obstructed(says, folder, lambda: None, lambda: None)
    assert told == "exit 1, states as before: kineograph: the disk is full"
    spoils = f"open({str(folder / 'states/00000007/digests.json')!r}, 'w'); print(1 / 0)"
    told = bench.obstructed(
        [sys.executable, "-S", "-c", spoils], folder, lambda: None, lambda: None
    )
    assert told.startswith("exit 1, STATES CHANGED") and told.endswith("(MORE LINES)")
