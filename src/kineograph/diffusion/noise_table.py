"""The noise table of DDPM as a path, its times of training and its steps of sampling.

Entry n of a table of S entries is time (n + 1) / S, and time 0 is the data itself, so that the
pure noise of a table without terminal signal is time 1.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from kineograph.types import Coefficients, Draws, Grid

LEAST_SLOPE = 1e-6  # what derivatives are divided by at least, where a root has none


@dataclass(frozen=True, kw_only=True)
class Straight:
    """Betas grow in a straight line (Ho et al., 2020, 4)."""

    kind: Literal["straight"] = "straight"

    def __call__(self, first: float, last: float, steps: int) -> Tensor:
        """Betas (S,) in float32."""
        return torch.linspace(first, last, steps)


@dataclass(frozen=True, kw_only=True)
class Squares:
    """The roots of betas grow in a straight line, as in latent diffusion's code."""

    kind: Literal["squares"] = "squares"

    def __call__(self, first: float, last: float, steps: int) -> Tensor:
        """Betas (S,) in float32."""
        return torch.linspace(first**0.5, last**0.5, steps).square()


@dataclass(frozen=True, kw_only=True)
class NoiseTable:
    """Variance-preserving: alpha^2 + sigma^2 = 1, where alpha^2 is a product of 1 - beta.

    steps: S, the number of entries. first, last: their betas; growth: how those between them
    lie. Stable Diffusion 1.5 has 0.00085, 0.012 and squares. terminal: whether some signal is
    left in the last entry; without it alpha is stretched to end in 0 (Lin et al., 2023, 3.1).
    least: alpha^2 of the last entry is at least this. Between entries alpha^2 and sigma^2 are
    interpolated.
    """

    kind: Literal["noise_table"] = "noise_table"
    steps: int = 1000
    first: float = 1e-4
    last: float = 0.02
    growth: Straight | Squares = field(default_factory=Straight)
    terminal: bool = False
    least: float = 0.0

    def signal(self) -> Tensor:
        """alpha^2 of all entries, (S,) in float64."""
        return _signal(self).clone()

    def betas(self) -> Tensor:
        """Noise added by each entry, (S,) in float64."""
        signal = _signal(self)
        before = torch.cat((signal.new_ones(1), signal[:-1]))
        return 1.0 - signal / before

    def at(self, time: Tensor) -> Coefficients:
        """The coefficients at `time`, any shape, in [0, 1].

        A derivative that is infinite, of alpha at no signal and of sigma at no noise, is a
        large number.
        """
        signal = torch.cat((torch.ones(1, dtype=torch.float64), _signal(self)))
        place = time * self.steps
        below = place.floor().clamp(0, self.steps - 1)
        index = below.long()
        share = place - below
        tables = [table.to(time) for table in (signal, 1.0 - signal)]  # exact in float64 only
        alpha, sigma = (
            torch.lerp(table[index], table[index + 1], share).clamp_min(0.0).sqrt()
            for table in tables
        )
        slope = self.steps * (tables[0][index + 1] - tables[0][index])
        return Coefficients(
            alpha=alpha,
            sigma=sigma,
            d_alpha=0.5 * slope / alpha.clamp_min(LEAST_SLOPE),
            d_sigma=-0.5 * slope / sigma.clamp_min(LEAST_SLOPE),
        )


@cache
def _signal(table: NoiseTable) -> Tensor:
    """In float32 up to here, as models are trained: SNR at little noise depends on it."""
    signal = (1.0 - table.growth(table.first, table.last, table.steps)).cumprod(0)
    if not table.terminal:
        alpha = signal.sqrt()
        signal = ((alpha - alpha[-1]) * (alpha[0] / (alpha[0] - alpha[-1]))).square()
    signal[-1].clamp_(min=table.least)
    return signal.double()


@dataclass(frozen=True, kw_only=True)
class Stratified:
    """Entries of the table, every one as likely, each process in its own share of them.

    steps: entries of the table. share, shares: which of how many shares, so that processes that
    train together cover all times at every step (Open-Sora Plan 1.3, its code).
    """

    kind: Literal["stratified"] = "stratified"
    steps: int = 1000
    share: int = 0
    shares: int = 1

    def sample(self, count: int, draws: Draws, grid: Grid) -> Tensor:
        """Times (count,) for clips of any size."""
        uniform: Tensor = torch.special.ndtr(draws((count,)))
        width = self.steps / self.shares
        entry = (width * (self.share + uniform) - 0.5).round().clamp(0, self.steps - 1)
        return (entry + 1) / self.steps


@dataclass(frozen=True, kw_only=True)
class Trailing:
    """Entries at even distances down from the last one (Lin et al., 2023, 3.3).

    table: its number of entries.
    """

    kind: Literal["trailing"] = "trailing"
    table: int = 1000

    def __call__(self, steps: int, grid: Grid) -> Tensor:
        """Falling times (steps + 1,) from 1 to 0."""
        index = torch.arange(steps + 1, dtype=torch.float64)
        return ((self.table - index * (self.table / steps)).round() / self.table).float()


@dataclass(frozen=True, kw_only=True)
class Leading:
    """Entries at even distances up from the first one, so that the last ones are never seen.

    table: its number of entries. The usual steps of DDIM, for tables with terminal signal.
    """

    kind: Literal["leading"] = "leading"
    table: int = 1000

    def __call__(self, steps: int, grid: Grid) -> Tensor:
        """Falling times (steps + 1,) to 0, from below 1."""
        entries = torch.arange(steps, dtype=torch.float64).flip(0) * (self.table // steps)
        return torch.cat(((entries + 1) / self.table, entries.new_zeros(1))).float()
