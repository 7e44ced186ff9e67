"""Progress of what takes longer than two seconds, with the time that is left.

On a terminal it is a bar; anywhere else a line every few seconds. Library code knows
nothing of it: it gets a plain callback, for instance `Progress.show`.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import rich.progress

T = TypeVar("T")
PATIENCE = 2.0
"""Seconds before anything is shown."""
PAUSE = 5.0
"""Seconds between two lines where there is no terminal."""


class Display(Protocol):
    """Where progress is shown."""

    def show(self, label: str, done: int, total: int) -> None:
        """`done` of `total` steps of the job `label` are made."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Progress:
    """A context that shows how far one or several jobs are, on standard error.

    with Progress() as progress:
        progress.show("denoise", 3, 40)
    """

    def __init__(self, display: Display | None = None) -> None:
        self._display = display or (Bars() if sys.stderr.isatty() else Lines())

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.close()

    def show(self, label: str, done: int, total: int) -> None:
        """`done` of `total` steps of the job `label` are made."""
        self._display.show(label, done, total)


def track(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items, while showing how many of `total` are worked off."""
    with Progress() as progress:
        for done, item in enumerate(items, start=1):
            yield item
            progress.show(label, done, total)


class Lines:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, patience: float = PATIENCE, pause: float = PAUSE) -> None:
        self._pause = pause
        self._begun: dict[str, float] = {}
        self._due = time.monotonic() + patience

    def show(self, label: str, done: int, total: int) -> None:
        """Print a line if the last one is long enough ago."""
        now = time.monotonic()
        begun = self._begun.setdefault(label, now)
        if now < self._due:
            return
        self._due = now + self._pause
        left = (now - begun) / done * (total - done) if done else 0.0
        print(f"{label} {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to tidy."""


class Bars:
    """One bar for each job, on a terminal; they vanish when all is done."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._bars: rich.progress.Progress | None = None
        self._jobs: dict[str, rich.progress.TaskID] = {}

    def show(self, label: str, done: int, total: int) -> None:
        """Move a job's bar; the first appears when patience ends."""
        if self._bars is None:
            if time.monotonic() - self._begun < PATIENCE:
                return
            self._bars = _bars()
            self._bars.start()
        if label not in self._jobs:
            self._jobs[label] = self._bars.add_task(label, total=total)
        self._bars.update(self._jobs[label], completed=done, total=total)

    def close(self) -> None:
        """Take the bars off the screen."""
        if self._bars is not None:
            self._bars.stop()


def _bars() -> "rich.progress.Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
