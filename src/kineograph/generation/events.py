"""What a generation reports on its way, and the guard that stops it when numbers go bad.

Letters: B videos, C latent channels, F x H x W latent cells.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from kineograph.errors import KineographError, NumericsError


@dataclass(frozen=True)
class Event:
    """`step` of `total` of a stage is done.

    note: something the user should know. left: seconds until the stage is done, None: unknown.
    memory: the most bytes that were in use so far, on the device or, on a CPU, by the process.
    preview: makes a small picture of how far the videos are, uint8 (B, F, H, W, 3); None: there
    is nothing to see.
    """

    stage: str
    step: int
    total: int
    note: str = ""
    left: float | None = None
    memory: int = 0
    preview: Callable[[], Tensor] | None = field(default=None, compare=False)


Watch = Callable[[Event], None]
"""Is told of every step; what it raises ends the work, and `Cancelled` keeps the latents."""


class Cancelled(KineographError):
    """A watcher wants no more; what has been made so far is kept."""


def silent(event: Event) -> None:
    """Report nothing."""


class Reporter:
    """Turns steps into events with the time that is left and the memory in use."""

    def __init__(self, watch: Watch, memory: Callable[[], int] = int) -> None:
        self.watch = watch
        self.memory = memory
        self.begun: dict[str, tuple[float, int]] = {}

    def begin(self, stage: str, step: int = 0) -> None:
        """A stage begins, or goes on, with so many steps already done."""
        self.begun.setdefault(stage, (time.monotonic(), step))

    def note(self, stage: str, text: str) -> None:
        """Something the user should know."""
        self.watch(Event(stage, 0, 1, text, memory=self.memory()))

    def step(
        self, stage: str, step: int, total: int, preview: Callable[[], Tensor] | None = None
    ) -> None:
        """A step is done."""
        left = None
        if stage in self.begun:
            since, first = self.begun[stage]
            left = (time.monotonic() - since) / max(step - first, 1) * (total - step)
        self.watch(Event(stage, step, total, "", left, self.memory(), preview))


def check(values: Tensor, stage: str, step: int, total: int) -> None:
    """Stop at once when something is not a number.

    Raises:
        NumericsError: naming the stage, the step and how much is wrong.
    """
    bad = int((~values.isfinite()).sum())
    if bad:
        raise NumericsError(
            f"{stage}, step {step} of {total}: {bad} of {values.numel()} values are not finite; "
            "expected all to be; the weights are damaged, or a setting (guidance, steps) is "
            "far outside of what the model was trained for"
        )
