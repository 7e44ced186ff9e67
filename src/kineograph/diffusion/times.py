"""Which times are trained on, and through which times a sample is drawn.

Time is in [0, 1] and 1 is pure noise. A *shift* moves times towards noise, because a larger
clip needs more of it to be destroyed; a *distribution* gives the times of training; a
*schedule* gives the steps + 1 times of sampling, from 1 down to 0.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.diffusion.clip_shift import ClipShift
from kineograph.diffusion.noise_table import Leading, Stratified, Trailing
from kineograph.errors import ConfigError
from kineograph.types import Draws, Grid

# --- shifts -------------------------------------------------------------------------


def shifted(time: Tensor, factor: float | Tensor) -> Tensor:
    """Multiply the odds t / (1 - t) by `factor`; the shape stays, 0 and 1 stay.

    Every published shift is this map (Esser et al., 2024, eq. 23); they differ in how the
    factor depends on the clip. Its logarithm is the "mu" of LTX-Video and FLUX.
    """
    return factor * time / (1.0 + (factor - 1.0) * time)


@dataclass(frozen=True, kw_only=True)
class ConstantShift:
    """The same factor for every clip; 1 leaves times alone."""

    kind: Literal["constant"] = "constant"
    factor: float = 1.0

    def of(self, grid: Grid) -> float:
        """The factor for latents of F x H x W cells."""
        return self.factor


@dataclass(frozen=True, kw_only=True)
class TokenShift:
    """The factor's logarithm is a straight line in the number of latent cells.

    The line goes through the two (cells, logarithm) points and on beyond them: LTX-Video
    2.2 clamps nothing.
    """

    kind: Literal["tokens"] = "tokens"
    low: tuple[int, float] = (1024, 0.95)
    high: tuple[int, float] = (4096, 2.05)

    def of(self, grid: Grid) -> float:
        """The factor for latents of F x H x W cells."""
        (cells, start), (more, end) = self.low, self.high
        slope = (end - start) / (more - cells)
        return math.exp(start + (grid.size - cells) * slope)


@dataclass(frozen=True, kw_only=True)
class RatioShift:
    """The factor is the number of latent cells over `base` (simple diffusion, 2.1)."""

    kind: Literal["ratio"] = "ratio"
    base: int = 1024

    def of(self, grid: Grid) -> float:
        """The factor for latents of F x H x W cells."""
        return grid.size / self.base


@dataclass(frozen=True, kw_only=True)
class AreaShift:
    """A straight line in the tokens of one frame, times the root of the latent frames.

    The line goes through the two (tokens, factor) points and on beyond them (Open-Sora 2.0's
    code; its paper says only that the factor grows with the clip). cells: latent cells of a
    token; a remainder is dropped.
    """

    kind: Literal["area"] = "area"
    low: tuple[int, float] = (256, 1.0)
    high: tuple[int, float] = (4096, 3.0)
    cells: int = 4

    def of(self, grid: Grid) -> float:
        """The factor for latents of F x H x W cells."""
        (tokens, start), (more, end) = self.low, self.high
        area = grid.rows * grid.columns // self.cells
        line = start + (area - tokens) * (end - start) / (more - tokens)
        return line * math.sqrt(grid.frames)


Shift: TypeAlias = ConstantShift | TokenShift | RatioShift | AreaShift | ClipShift

# --- times of training ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LogitNormal:
    """The logistic function of a normal number (Esser et al., 2024, eq. 19)."""

    kind: Literal["logit_normal"] = "logit_normal"
    mean: float = 0.0
    std: float = 1.0
    shift: Shift = field(default_factory=ConstantShift)

    def sample(self, count: int, draws: Draws, grid: Grid) -> Tensor:
        """Times (count,) for clips whose latents have the size `grid`."""
        time = torch.sigmoid(self.mean + self.std * draws((count,)))
        return shifted(time, self.shift.of(grid))


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Every time is as likely as any other, before the shift."""

    kind: Literal["uniform"] = "uniform"
    shift: Shift = field(default_factory=ConstantShift)

    def sample(self, count: int, draws: Draws, grid: Grid) -> Tensor:
        """Times (count,) for clips whose latents have the size `grid`."""
        time = torch.special.ndtr(draws((count,)))  # the normal's own distribution function
        return shifted(time, self.shift.of(grid))


@dataclass(frozen=True, kw_only=True)
class HeldTails:
    """A shifted logit-normal whose density is held beyond two percentiles (LTX-Video, 2.5.2).

    Below the lower percentile the density keeps the value that it has there, and so it does
    above the upper one: no time is left out. low, high: in standard deviations; these are the
    percentiles 0.5 and 99.9. std: of the normal number before the logistic function.
    """

    kind: Literal["held_tails"] = "held_tails"
    low: float = -2.5758
    high: float = 3.0902
    std: float = 1.0
    shift: Shift = field(default_factory=TokenShift)

    def sample(self, count: int, draws: Draws, grid: Grid) -> Tensor:
        """Times (count,) for clips whose latents have the size `grid`."""
        mean, low, high = self._places(grid)
        ends = torch.special.ndtr(torch.tensor([self.low, self.high], dtype=torch.float64))
        below = self.density(low, grid) * low
        above = self.density(high, grid) * (1.0 - high)
        middle = ends[1] - ends[0]
        rank = torch.special.ndtr(draws((count,)).double()).cpu() * (below + middle + above)
        inside = (ends[0] + rank - below).clamp(ends[0], ends[1])
        time = torch.sigmoid(mean + self.std * torch.special.ndtri(inside))
        time = torch.where(rank < below, low * rank / below, time)
        beyond = (rank - below - middle) / above
        return torch.where(beyond > 0, high + (1.0 - high) * beyond, time).float()

    def density(self, time: Tensor, grid: Grid) -> Tensor:
        """How likely times are, any shape; its integral is a little more than 1."""
        mean, low, high = self._places(grid)
        return _logit_normal(time.double().clamp(low, high), mean, self.std)

    def _places(self, grid: Grid) -> tuple[float, Tensor, Tensor]:
        """The mean before the logistic function, and both ends of the free part."""
        mean = math.log(self.shift.of(grid))
        ends = torch.tensor([self.low, self.high], dtype=torch.float64)
        low, high = torch.sigmoid(mean + self.std * ends)
        return mean, low, high


def _logit_normal(time: Tensor, mean: float, std: float) -> Tensor:
    """The density of sigmoid(std * z + mean) for a standard normal z."""
    z = (torch.logit(time) - mean) / std
    return torch.exp(-0.5 * z.square()) / (math.sqrt(2 * math.pi) * std * time * (1.0 - time))


@dataclass(frozen=True, kw_only=True)
class Stretched:
    """A shifted logit-normal, stretched until two percentiles are 0 and 1.

    As the public trainer of LTX-Video does. What falls below `least` is mirrored there, what
    exceeds 1 is 1; `uniform`: the share of times that are uniform instead. std: of the normal
    number before the logistic function.
    """

    kind: Literal["stretched"] = "stretched"
    low: float = -2.5758
    high: float = 3.0902
    std: float = 1.0
    least: float = 1e-3
    uniform: float = 0.1
    shift: Shift = field(default_factory=TokenShift)

    def sample(self, count: int, draws: Draws, grid: Grid) -> Tensor:
        """Times (count,) for clips whose latents have the size `grid`."""
        mean = math.log(self.shift.of(grid))
        ends = torch.tensor([self.low, self.high])
        low, high = torch.sigmoid(mean + self.std * ends).tolist()
        time = (torch.sigmoid(mean + self.std * draws((count,))) - low) / (high - low)
        time = torch.where(time >= self.least, time, 2 * self.least - time).clamp(0.0, 1.0)
        if self.uniform == 0.0:
            return time
        even = (1.0 - self.least) * torch.special.ndtr(draws((count,))) + self.least
        return torch.where(torch.special.ndtr(draws((count,))) <= self.uniform, even, time)


Times: TypeAlias = LogitNormal | Uniform | HeldTails | Stretched | Stratified

# --- times of sampling ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Even:
    """Evenly spaced times, shifted.

    `terminal`: the last time before 0; the others are stretched to meet it (LTX-Video).
    """

    kind: Literal["even"] = "even"
    shift: Shift = field(default_factory=ConstantShift)
    terminal: float | None = None

    def __call__(self, steps: int, grid: Grid) -> Tensor:
        """Falling times (steps + 1,) from 1 to 0."""
        time = torch.linspace(1.0, 1.0 / steps, steps, dtype=torch.float64)
        return _finish(time, self.shift.of(grid), self.terminal)


@dataclass(frozen=True, kw_only=True)
class LinearQuadratic:
    """Half of the steps creep evenly down to 1 - `threshold`, the rest bends to 0.

    (Movie Gen, 3.4.2; LTX-Video from 0.9.5 on.)
    """

    kind: Literal["linear_quadratic"] = "linear_quadratic"
    threshold: float = 0.025
    shift: Shift = field(default_factory=ConstantShift)
    terminal: float | None = None

    def __call__(self, steps: int, grid: Grid) -> Tensor:
        """Falling times (steps + 1,) from 1 to 0."""
        index = torch.arange(steps, dtype=torch.float64)
        if steps == 1:
            return _finish(1.0 - index, self.shift.of(grid), self.terminal)
        linear = steps // 2
        rest = steps - linear
        slope = self.threshold / linear
        beyond = index - linear
        # The parabola leaves the line at its slope and reaches 1 after the last step.
        bend = (1.0 - self.threshold - slope * rest) / rest**2
        done = slope * index + torch.where(beyond > 0, bend * beyond.square(), 0.0)
        return _finish(1.0 - done, self.shift.of(grid), self.terminal)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Times given one by one, without the final 0, as distilled models want them."""

    kind: Literal["listed"] = "listed"
    times: tuple[float, ...]

    def __call__(self, steps: int, grid: Grid) -> Tensor:
        """The list and a final 0; `steps` must be its length.

        Raises:
            ConfigError: another number of steps is asked for.
        """
        if steps != len(self.times):
            raise ConfigError(
                f"{steps} steps: expected {len(self.times)}, as this model lists its times"
            )
        return torch.tensor((*self.times, 0.0))


@dataclass(frozen=True, kw_only=True)
class Geometric:
    """Every time is the same share of the one before it."""

    kind: Literal["geometric"] = "geometric"

    def __call__(self, first: Tensor, last: Tensor, count: int) -> Tensor:
        """Times (count,) from the first to the last."""
        return torch.linspace(float(first.log()), float(last.log()), count).exp()


@dataclass(frozen=True, kw_only=True)
class Powers:
    """Roots of times are evenly spaced (Karras et al., 2022, eq. 5)."""

    kind: Literal["powers"] = "powers"
    rho: float = 7.0

    def __call__(self, first: Tensor, last: Tensor, count: int) -> Tensor:
        """Times (count,) from the first to the last."""
        root = 1.0 / self.rho
        return torch.linspace(float(first**root), float(last**root), count) ** self.rho


@dataclass(frozen=True, kw_only=True)
class Respaced:
    """Times between the first and the last one of another schedule, then 0."""

    kind: Literal["respaced"] = "respaced"
    between: Even | LinearQuadratic = field(default_factory=Even)
    rule: Geometric | Powers = field(default_factory=Geometric)

    def __call__(self, steps: int, grid: Grid) -> Tensor:
        """Falling times (steps + 1,) from 1 to 0."""
        times = self.between(steps, grid)
        return torch.cat([self.rule(times[0], times[-2], steps), times[-1:]])


Schedule: TypeAlias = Even | LinearQuadratic | Listed | Trailing | Leading | Respaced


def stretched(time: Tensor, terminal: float) -> Tensor:
    """Falling times (S,), stretched around 1 so that the last one is `terminal`.

    A list of one time has no length to stretch and comes back unchanged.
    """
    return time if len(time) == 1 else 1.0 - (1.0 - time) * (1.0 - terminal) / (1.0 - time[-1])


def _finish(time: Tensor, factor: float, terminal: float | None) -> Tensor:
    time = shifted(time, factor)
    if terminal is not None:
        time = stretched(time, terminal)
    return torch.cat([time, time.new_zeros(1)]).float()


def next_level(time: Tensor, levels: Tensor) -> Tensor:
    """Where times that need not lie on a schedule go next (LTX-Video, per-token steps).

    Args:
        time: any shape.
        levels: the falling times of a schedule, (S,), with or without the final 0.

    Returns:
        For each time the largest level below it, or 0; time 0 stays. In the shape of `time`.
    """
    rising = torch.cat([levels.new_zeros(1), levels.flip(0)])
    below = torch.searchsorted(rising, (time - 1e-6).contiguous())  # levels strictly below
    return rising[(below - 1).clamp_min(0)]
