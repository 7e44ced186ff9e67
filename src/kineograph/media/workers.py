"""Jobs on untrusted files, in processes that may hang or die: each takes only its own file.

A worker gets one item at a time. One that is slower than its limit is killed, one that dies is
replaced, and both leave a line that says so. No torch here, so that workers start quickly.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from kineograph.errors import KineographError, MediaError

Item = TypeVar("Item")
Value = TypeVar("Value")

_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
_AHEAD = 4  # items per worker that may be done before the first one that is not
_START = 120.0  # seconds until a new worker must be ready


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an item may cost.

    seconds: until its worker is killed; memory: bytes that a worker may take on top of what it
    has when it begins, where the system can hold it to that; workers: how many at one time;
    items: after so many a worker is replaced, so that what a library leaks is bounded.
    """

    seconds: float = 60.0
    memory: int = 3 * 2**30
    workers: int = 2
    items: int = 200

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.memory < 2**20 or self.workers < 1 or self.items < 1:
            raise MediaError(
                f"{self}: expected more than 0 seconds, at least 1 MiB, 1 worker and 1 item"
            )


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """What became of item number `index`: a value, or the reason why there is none."""

    index: int
    value: Value | None
    failure: str | None = None


def each(
    job: Callable[[Item], Value], items: Iterable[Item], limits: Limits
) -> Iterator[Outcome[Value]]:
    """Do a job for every item, in workers; outcomes come in the order of the items.

    Args:
        job: a function at the top of a module, or a picklable object that can be called.
        items: picklable; they are taken as workers become free, so there may be any number.
        limits: of each item.
    """
    waiting = enumerate(items)
    done: dict[int, Outcome[Value]] = {}
    crew: list[_Worker] = []
    head, exhausted = 0, False
    try:
        while True:
            while head in done:
                yield done.pop(head)
                head += 1
            while not exhausted and len(done) < _AHEAD * limits.workers:
                if sum(worker.index is not None for worker in crew) == limits.workers:
                    break
                numbered = next(waiting, None)
                if numbered is None:
                    exhausted = True
                else:
                    _free(crew, job, limits).give(*numbered)
            busy = [worker for worker in crew if worker.index is not None]
            if not busy:
                assert exhausted and not done
                return
            done.update((outcome.index, outcome) for outcome in _finished(busy))
    finally:
        for worker in crew:
            worker.end()


def _free(crew: list["_Worker"], job: Callable[[Any], Any], limits: Limits) -> "_Worker":
    """A worker without an item, a new one if need be; those who cannot go on leave the crew."""
    for worker in [one for one in crew if one.index is None]:
        if worker.can_go_on:
            return worker
        worker.end()
        crew.remove(worker)
    crew.append(_Worker(job, limits))
    return crew[-1]


class _Worker:
    """A process that does one item after another.

    index: of the item that it does now; deadline: when it is killed.
    """

    def __init__(self, job: Callable[[Any], Any], limits: Limits) -> None:
        context = multiprocessing.get_context(_METHOD)
        if _METHOD == "forkserver":  # the job's imports are made once, not in every worker
            context.set_forkserver_preload([__name__, job.__module__ or __name__])
        self.pipe, theirs = context.Pipe()
        # mypy knows only of contexts without processes.
        self._process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=_work, args=(theirs, job, limits.memory), daemon=True
        )
        self._process.start()
        theirs.close()
        self._limits = limits
        self._item: Any = None
        self.index: int | None = None
        self.deadline = time.monotonic() + _START
        self.count = 0

    @property
    def can_go_on(self) -> bool:
        """Whether it is alive and not yet worn out."""
        return self._process.is_alive() and self.count < self._limits.items

    def give(self, index: int, item: Any) -> None:
        """Hand over an item; the limit begins when the worker has it."""
        fresh, self.index, self._item = self.count == 0 and self._item is None, index, (item,)
        if not fresh:
            self._send()

    def hear(self) -> list[Outcome[Any]]:
        """What it says, or that it has died; nothing where it only got ready."""
        assert self.index is not None
        try:
            said: tuple[Any, str | None] | None = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join(1.0)  # its pipe closes a moment before it is gone
            code = self.end()
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            return [self._over(None, f"the process that read it died ({how})")]
        if said is None:
            self._send()
            return []
        self.count += 1
        return [self._over(*said)]

    def stop(self) -> list[Outcome[Any]]:
        """Kill it in the middle of an item, which took too long."""
        self.end()
        seconds = f"{self._limits.seconds:g} seconds"
        return [self._over(None, f"took more than {seconds} and was stopped")]

    def end(self) -> int | None:
        """Kill it and return its exit code; it has nothing to tidy."""
        self._process.kill()
        self._process.join()
        self.pipe.close()
        return self._process.exitcode

    def _send(self) -> None:
        self.deadline = time.monotonic() + self._limits.seconds
        with suppress(OSError):  # it died meanwhile: reading its pipe says so
            self.pipe.send(self._item)

    def _over(self, value: Any, failure: str | None) -> Outcome[Any]:
        assert self.index is not None
        outcome = Outcome(self.index, value, failure)
        self.index = None
        return outcome


def _finished(busy: list[_Worker]) -> Iterator[Outcome[Any]]:
    """Wait until something happens, at most until the first deadline; what is over by then."""
    first = min(worker.deadline for worker in busy)
    heard = wait([worker.pipe for worker in busy], max(0.0, first - time.monotonic()))
    for worker in busy:
        if worker.pipe in heard:
            yield from worker.hear()
        elif time.monotonic() > worker.deadline:
            yield from worker.stop()


def _work(pipe: "Connection[Any, Any]", job: Callable[[Any], Any], memory: int) -> None:
    """The life of a worker: say that it is ready, then answer every item."""
    _bound(memory)
    # FFmpeg writes what it thinks of damaged files to standard error, from C.
    with open(os.devnull, "w") as silence, suppress(EOFError, KeyboardInterrupt):
        os.dup2(silence.fileno(), sys.__stderr__.fileno() if sys.__stderr__ else 2)
        pipe.send(None)
        while True:
            (item,) = pipe.recv()
            pipe.send(_answer(job, item, memory))


def _answer(job: Callable[[Any], Any], item: Any, memory: int) -> tuple[Any, str | None]:
    try:
        return job(item), None
    except KineographError as error:
        return None, str(error)
    except MemoryError:
        return None, f"needs more than {memory / 2**30:.1f} GiB of memory"
    except Exception as error:  # whatever a damaged file brings about is about this file only
        return None, f"{type(error).__name__}: {error}"


def _bound(memory: int) -> None:
    """Hold this process to what it has plus `memory` bytes, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    pages = Path("/proc/self/statm")
    if pages.exists():
        # Data, not address space: memory that threads only reserve does not count.
        has = int(pages.read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (has + memory, has + memory))
