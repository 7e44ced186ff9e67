"""Several equal processes, which train one model or share other work.

On a CPU, two processes of one thread each are faster than one of two threads. The same
code joins an outer `torchrun`.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing import _prctl_pr_set_pdeathsig  # type: ignore[attr-defined]
from torch.multiprocessing.spawn import (
    ProcessExitedException,
    ProcessRaisedException,
    spawn,
)

from kineograph.errors import KineographError


@dataclass(frozen=True)
class Replicas:
    """This process's place among `count` equal ones."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Replace every gradient by its mean over the processes, exchanged in bfloat16."""
        if self.count == 1:
            return
        tensors = list(gradients)
        flat = torch.cat([tensor.flatten().to(torch.bfloat16) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        pieces = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))

    def collect(self, number: float) -> list[float]:
        """This process's number -> the numbers of all, by rank; every process must call it."""
        if self.count == 1:
            return [number]
        own = torch.tensor([number], dtype=torch.float64)
        numbers = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(numbers, own)
        return [float(one) for one in numbers]

    def wait(self) -> None:
        """Let all processes come to this point."""
        if self.count > 1:
            dist.barrier()


ALONE = Replicas()


def run(worker: Callable[..., None], processes: int, *arguments: Any) -> None:
    """Call `worker(replicas, *arguments)` in each of several processes.

    Args:
        worker: a function at the top of a module, so that a new process can find it.
        processes: how many to start; inside an outer `torchrun` its own count is used.
        arguments: passed on; they must be picklable.

    Raises:
        KineographError: what a worker raised of this kind, or that a worker died.
    """
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
        try:
            worker(Replicas(dist.get_rank(), dist.get_world_size()), *arguments)
        finally:
            dist.destroy_process_group()
        return
    if processes == 1:
        worker(Replicas(), *arguments)
        return
    told = get_context("spawn").SimpleQueue()
    start = Start(processes, _free_port(), told)
    try:
        spawn(_join, (start, worker, arguments), nprocs=processes)  # type: ignore[no-untyped-call]
    except (ProcessRaisedException, ProcessExitedException) as error:
        if not told.empty():  # a message for the user, not a traceback; the others only lost it
            kind, message = told.get()
            raise kind(message) from None
        if isinstance(error, ProcessExitedException) and error.exit_code < 0:
            raise KineographError(
                f"process {error.error_index + 1} of {processes} was killed by signal "
                f"{-error.exit_code}; where nobody did that, the machine had too little memory"
            ) from None
        raise


@dataclass(frozen=True)
class Start:
    """What a new process needs to find the others. told: takes errors that a user can mend."""

    count: int
    port: int
    told: Any


def _join(rank: int, start: Start, worker: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Where the one that started this is killed, this must not go on alone. torch asks for an
    # interrupt then, which is ignored where a shell started it in the background.
    _prctl_pr_set_pdeathsig(signal.SIGKILL)
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{start.port}", rank=rank, world_size=start.count
    )
    try:
        worker(Replicas(rank, start.count), *arguments)
    except KeyboardInterrupt:
        sys.exit(130)  # the process that started this one says so
    except KineographError as error:
        start.told.put((type(error), str(error)))
        sys.exit(1)
    finally:
        dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
