"""Rates that rise at the beginning of a stage."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class LinearWarmup:
    """From a first rate in even steps; step `steps` is the first one at the full rate.

    So the first step is already above `initial` (Open-Sora 1.2 and 2.0, their code).
    """

    kind: Literal["linear_warmup"] = "linear_warmup"
    steps: int = 1000
    initial: float = 0.0

    def __call__(self, rate: float, index: int) -> float:
        """The rate of step `index` (from 0) on the way to `rate`."""
        if index >= self.steps:
            return rate
        return self.initial + (index + 1) / (self.steps + 1) * (rate - self.initial)
