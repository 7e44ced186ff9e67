"""Which pixel frames a training clip knows, as a mix of tasks (Open-Sora Plan, 2.4.2).

Letters: B samples; T frames of Y x X pixels.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.conditioning.frame_masks import Dice, Head, HeadAndTail, Nothing, Row
from kineograph.conditioning.masked_video import GivenNoise
from kineograph.errors import ConfigError
from kineograph.types import Draws, Given


@dataclass(frozen=True, kw_only=True)
class Everything:
    """The whole clip, which is then only to be repeated."""

    kind: Literal["everything"] = "everything"

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(T,), all true."""
        return torch.ones(frames, dtype=torch.bool)


@dataclass(frozen=True, kw_only=True)
class Leading:
    """Continuation of a random number of frames; least, most: in shares of the clip."""

    kind: Literal["leading"] = "leading"
    least: float = 0.0
    most: float = 1.0

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(T,), true at the start."""
        return torch.arange(frames) < _number(frames, self.least, self.most, dice)


@dataclass(frozen=True, kw_only=True)
class Few:
    """A random number of frames anywhere; least, most: in shares of the clip."""

    kind: Literal["few"] = "few"
    least: float = 0.0
    most: float = 1.0

    def given(self, frames: int, dice: Dice) -> Tensor:
        """(T,), true here and there."""
        number = _number(frames, self.least, self.most, dice)
        return dice.numbers(frames).argsort().argsort() < number


def _number(frames: int, least: float, most: float, dice: Dice) -> int:
    """An integer from floor(least * T) to ceil(most * T), each as likely."""
    return dice.integer(math.floor(frames * least), math.ceil(frames * most))


Task: TypeAlias = Nothing | Head | HeadAndTail | Everything | Leading | Few


@dataclass(frozen=True, kw_only=True)
class MaskMix:
    """One task for each clip, drawn by weight.

    tasks: what there is. weights: how often, in any unit; all 0: all alike.
    """

    kind: Literal["mask_mix"] = "mask_mix"
    tasks: tuple[Task, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.tasks) != len(self.weights) or min(self.weights, default=-1.0) < 0:
            raise ConfigError(
                f"weights = {self.weights}: expected {len(self.tasks)} numbers, one for each "
                "task, none of them negative"
            )

    def shares(self) -> Tensor:
        """How often each task is drawn, together 1: (tasks,) in float64."""
        weights = torch.tensor(self.weights, dtype=torch.float64)
        if not bool(weights.any()):
            weights = torch.ones_like(weights)
        return weights / weights.sum()

    def given(self, frames: int, dice: Dice) -> Tensor:
        """Which frames of one clip are given, (T,)."""
        chosen = int((self.shares().cumsum(0) <= dice.number()).sum())
        return self.tasks[min(chosen, len(self.tasks) - 1)].given(frames, dice)

    def __call__(self, samples: int, frames: int, draws: Draws) -> Tensor:
        """Which frames of B clips are given, (B, T); `draws` gives (B, T + 2)."""
        table = torch.special.ndtr(draws((samples, frames + 2))).tolist()
        return torch.stack([self.given(frames, Row(iter(row))) for row in table])


SHIPPED = MaskMix(
    tasks=(Nothing(), Head(), HeadAndTail(), Leading(), Few()), weights=(1.0, 8.0, 8.0, 2.0, 1.0)
)
ALL_OR_NOTHING = MaskMix(tasks=(Nothing(), Everything()), weights=(1.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class MaskedClips:
    """Which pixel frames a sample knows; its clip is then encoded once more, with its holes.

    videos, pictures: tasks of clips, and of clips of one frame; the defaults are the code's
    last ones. noise: on what is given; None: none.
    """

    kind: Literal["masked_clips"] = "masked_clips"
    videos: MaskMix = SHIPPED
    pictures: MaskMix = ALL_OR_NOTHING
    noise: GivenNoise | None = None

    def __call__(self, video: Tensor, draws: Draws) -> Given:
        """Clips (B, 3, T, Y, X) in [-1, 1] -> what is given of them."""
        samples, _, frames, height, width = video.shape
        mix = self.videos if frames > 1 else self.pictures
        whole = mix(samples, frames, draws).to(video)[:, None, :, None, None]
        given = Given(video, whole.expand(-1, -1, -1, height, width))
        return given if self.noise is None else self.noise(given, draws)
