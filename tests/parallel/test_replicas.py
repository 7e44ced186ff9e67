"""Two processes learn what one would from their joined batches, and end alike."""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from kineograph.errors import KineographError, NumericsError
from kineograph.parallel import replicas
from kineograph.parallel.replicas import Replicas

WORKER = """
    from pathlib import Path

    import torch
    from torch import nn

    from kineograph.parallel.replicas import Replicas


    def model() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))


    def gradients(parts: nn.Sequential, rows: slice) -> list[torch.Tensor]:
        draw = torch.Generator().manual_seed(1)
        x = torch.randn(8, 5, generator=draw)[rows]
        parts(x).square().mean().backward()
        return [parameter.grad for parameter in parts.parameters()]


    def work(place: Replicas, folder: Path) -> None:
        found = gradients(model(), slice(4 * place.rank, 4 * place.rank + 4))
        place.average(found)
        norms = place.collect((1.0, float("nan"))[place.rank])
        torch.save(found, folder / f"{place.rank}.pt")
        place.wait()
        seen = sorted(path.name for path in folder.glob("*.pt"))
        (folder / f"{place.rank}.txt").write_text(f"{place.first} {place.count} {seen} {norms}")
"""


def test_two_processes_average_as_one_with_the_joined_batch_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "averaging.py").write_text(dedent(WORKER))
    monkeypatch.syspath_prepend(str(tmp_path))
    worker = importlib.import_module("averaging")
    replicas.run(worker.work, 2, tmp_path)
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    joined = worker.gradients(worker.model(), slice(0, 8))
    for mine, theirs, expected in zip(one, other, joined, strict=True):
        assert torch.equal(mine, theirs)
        scale = float(expected.abs().max())
        assert torch.allclose(mine, expected, rtol=2**-7, atol=2**-7 * scale)
    said = [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)]
    assert said == [f"{first} 2 ['0.pt', '1.pt'] [1.0, nan]" for first in (True, False)], (
        "nobody goes ahead"
    )


def test_one_process_keeps_its_gradients_exactly() -> None:
    gradient = torch.tensor([1.0 + 2**-20])
    Replicas().average([gradient])
    Replicas().wait()
    assert Replicas().collect(0.5) == [0.5]
    assert gradient.item() == 1.0 + 2**-20


def test_one_process_is_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    seen: list[tuple[Replicas, int]] = []
    replicas.run(lambda place, *rest: seen.append((place, os.getpid())), 1, "unused")
    assert seen == [(Replicas(rank=0, count=1), os.getpid())]


def test_an_outer_torchrun_decides_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    outer = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    for name, value in (outer | {"MASTER_PORT": str(replicas._free_port())}).items():
        monkeypatch.setenv(name, value)
    seen: list[Replicas] = []
    replicas.run(lambda place: seen.append(place), 5)
    assert seen == [Replicas(0, 1)] and not torch.distributed.is_initialized()


FAILING = """
    import os
    import signal

    from kineograph.errors import NumericsError
    from kineograph.parallel.replicas import Replicas


    def complain(place: Replicas) -> None:
        if place.rank == 1:
            raise NumericsError("step 3: the loss is nan; of clips row 7")
        place.wait()


    def die(place: Replicas) -> None:
        if place.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        place.wait()
"""


@pytest.mark.parametrize(
    ("worker", "kind", "message"),
    [
        ("complain", NumericsError, r"^step 3: the loss is nan; of clips row 7$"),
        ("die", KineographError, r"process 2 of 2 was killed by signal 9; where nobody did"),
    ],
)
def test_what_ends_one_of_several_processes_is_told_in_one_line(
    worker: str,
    kind: type[KineographError],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "failing.py").write_text(dedent(FAILING))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(kind, match=message):
        replicas.run(vars(importlib.import_module("failing"))[worker], 2)


LASTING = """
    import os
    import signal
    import time
    from pathlib import Path

    from kineograph.parallel import replicas


    def last(place, folder):
        (folder / f"{place.rank}.pid").write_text(str(os.getpid()))
        time.sleep(100)


    if __name__ == "__main__":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        replicas.run(last, 2, Path(__file__).parent)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent")
def test_no_process_goes_on_alone_when_the_one_that_started_it_is_killed(tmp_path: Path) -> None:
    """Not even where interrupts are ignored, as for jobs in the background of a script."""
    script = tmp_path / "lasting.py"
    script.write_text(dedent(LASTING))
    process = subprocess.Popen([sys.executable, str(script)])
    told = [tmp_path / "0.pid", tmp_path / "1.pid"]
    end = time.monotonic() + 120
    while not all(path.exists() and path.read_text() for path in told):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(Path("/proc", path.read_text()).exists() for path in told):
        assert time.monotonic() < end
        time.sleep(0.05)
