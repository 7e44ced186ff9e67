"""Frame masks: which latent frames a sample of training knows.

Zheng et al., "Open-Sora" (2412.20404), 3.3: a sample keeps a few frames clean, in one of several
patterns, so that one model learns to begin, continue, connect and fill in.

Letters: B samples, C channels, F x H x W latent cells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor

from kineograph.types import Draws, Known

# --- chance ---------------------------------------------------------------------------


class Dice(Protocol):
    """Where a pattern's choices come from."""

    def number(self) -> float:
        """A number in [0, 1)."""
        ...

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        ...

    def numbers(self, count: int) -> Tensor:
        """Numbers in [0, 1), (count,)."""
        ...


@dataclass(frozen=True, eq=False)
class Row:
    """Choices from a row of numbers in [0, 1), in their order."""

    left: Iterator[float]

    def number(self) -> float:
        """The next number."""
        return next(self.left)

    def integer(self, low: int, high: int) -> int:
        """The next number's share of the integers."""
        return min(low + int(next(self.left) * (high - low + 1)), high)

    def numbers(self, count: int) -> Tensor:
        """The next few numbers, (count,)."""
        return torch.tensor([next(self.left) for _ in range(count)])


# --- lengths ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class One:
    """A single frame."""

    kind: Literal["one"] = "one"

    def count(self, frames: int, dice: Dice) -> int:
        """1."""
        return 1


@dataclass(frozen=True, kw_only=True)
class Quarter:
    """Up to a quarter of the frames, at least one."""

    kind: Literal["quarter"] = "quarter"

    def count(self, frames: int, dice: Dice) -> int:
        """Any number is as likely as any other."""
        return dice.integer(1, max(frames // 4, 1))


@dataclass(frozen=True, kw_only=True)
class UpTo:
    """Up to `most` frames, at least one, and never all of them."""

    kind: Literal["up_to"] = "up_to"
    most: int = 2

    def count(self, frames: int, dice: Dice) -> int:
        """Any number is as likely as any other."""
        return dice.integer(1, max(1, min(self.most, frames - 1)))


Length: TypeAlias = One | Quarter | UpTo
ONE = One()

# --- patterns: true where a frame is given, (F,) ------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No frame."""

    kind: Literal["nothing"] = "nothing"

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(F,), all false."""
        return torch.zeros(frames, dtype=torch.bool)


@dataclass(frozen=True, kw_only=True)
class Anywhere:
    """A run of frames somewhere."""

    kind: Literal["anywhere"] = "anywhere"
    length: Length = ONE

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(F,), true in the run."""
        count = self.length.count(frames, dice)
        return _run(frames, dice.integer(0, frames - count), count)


@dataclass(frozen=True, kw_only=True)
class Head:
    """The first frames."""

    kind: Literal["head"] = "head"
    length: Length = ONE

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(F,), true at the start."""
        return _run(frames, 0, self.length.count(frames, dice))


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The last frames."""

    kind: Literal["tail"] = "tail"
    length: Length = ONE

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(F,), true at the end."""
        count = self.length.count(frames, dice)
        return _run(frames, frames - count, count)


@dataclass(frozen=True, kw_only=True)
class HeadAndTail:
    """As many first as last frames."""

    kind: Literal["head_and_tail"] = "head_and_tail"
    length: Length = ONE

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(F,), true at both ends."""
        count = self.length.count(frames, dice)
        return _run(frames, 0, count) | _run(frames, frames - count, count)


@dataclass(frozen=True, kw_only=True)
class EverySecond:
    """Every second frame, from the first or the second one on."""

    kind: Literal["every_second"] = "every_second"

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(F,), in turn true and false."""
        return torch.arange(frames) % 2 == dice.integer(0, 1)


@dataclass(frozen=True, kw_only=True)
class Scattered:
    """Each frame by itself, with a share between 0.1 and 0.9; never all of them."""

    kind: Literal["scattered"] = "scattered"

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(F,), true here and there."""
        share = 0.1 + 0.8 * dice.number()
        found = dice.numbers(frames) <= share
        if found.all():
            found[-1] = False
        return found


Pattern: TypeAlias = Nothing | Anywhere | Head | Tail | HeadAndTail | EverySecond | Scattered


def _run(frames: int, start: int, count: int) -> Tensor:
    index = torch.arange(frames)
    return (index >= start) & (index < start + count)


# --- the choice ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """A pattern and how often it is chosen."""

    pattern: Pattern
    probability: float


STAGE_3 = (  # Open-Sora 1.2's last stage
    Weighted(pattern=Scattered(), probability=0.01),
    Weighted(pattern=EverySecond(), probability=0.002),
    Weighted(pattern=Anywhere(length=Quarter()), probability=0.002),
    Weighted(pattern=Head(length=Quarter()), probability=0.002),
    Weighted(pattern=Tail(length=Quarter()), probability=0.002),
    Weighted(pattern=HeadAndTail(length=Quarter()), probability=0.002),
    Weighted(pattern=Head(), probability=0.22),
    Weighted(pattern=Tail(), probability=0.005),
    Weighted(pattern=HeadAndTail(), probability=0.005),
)


EVERY_TASK = (  # a picture, a clip to continue, both ends, key frames, a loop's tail
    Weighted(pattern=Head(), probability=0.15),
    Weighted(pattern=Head(length=UpTo(most=3)), probability=0.15),
    Weighted(pattern=HeadAndTail(length=UpTo(most=2)), probability=0.12),
    Weighted(pattern=Tail(), probability=0.02),
    Weighted(pattern=EverySecond(), probability=0.03),
    Weighted(pattern=Scattered(), probability=0.08),
)


@dataclass(frozen=True, kw_only=True)
class FrameMasks:
    """Some samples know some of their latent frames; single frames stay unknown.

    patterns: tried in their order; what is left of the probability gives nothing.
    noisiest: up to which time, in [0, 1], the known frames of half of the samples are noised,
    each sample to a uniformly random one, so that frames may be known softly; 0: they are clean.
    """

    kind: Literal["frame_masks"] = "frame_masks"
    patterns: tuple[Weighted, ...] = STAGE_3
    noisiest: float = 0.0

    def __call__(self, latents: Tensor, draws: Draws) -> Known:
        """Clean latents (B, C, F, H, W) -> what is known of them."""
        samples, _, frames, height, width = latents.shape
        table = torch.special.ndtr(draws((samples, frames + 3))).tolist()
        given = torch.stack([self.given(frames, Row(iter(row))) for row in table])
        strength = given.to(latents)[:, None, :, None, None].expand(-1, -1, -1, height, width)
        known = latents * strength
        if self.noisiest > 0.0:
            place = torch.special.ndtr(draws((samples,))).to(latents)
            time = self.noisiest * (2.0 * place - 1.0).clamp_min(0.0)
            strength = strength * (1.0 - time).view(-1, 1, 1, 1, 1)
        return Known(known, strength)

    def given(self, frames: int, dice: Dice) -> Tensor:
        """Which frames of one sample are given, (F,)."""
        chosen, reached = dice.number(), 0.0
        for weighted in self.patterns if frames > 1 else ():
            reached += weighted.probability
            if chosen < reached:
                return weighted.pattern.given(frames, dice)
        return Nothing().given(frames, dice)


def led(known: Known, latents: Tensor, counts: Sequence[int]) -> Known:
    """Samples that also know their first latent frames, because a video goes on with them.

    Args:
        known: what is known of them anyway.
        latents: clean, (B, C, F, H, W).
        counts: how many first frames of each sample; empty: none of any.
    """
    if not any(counts):
        return known
    index = torch.arange(latents.shape[2], device=latents.device)
    first = index < torch.tensor(counts, device=latents.device)[:, None]
    where = first[:, None, :, None, None]
    strength = torch.where(where, torch.ones_like(known.strength), known.strength)
    return replace(known, latents=torch.where(where, latents, known.latents), strength=strength)
