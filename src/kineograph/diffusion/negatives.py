"""Guidance away from two negatives: without the words, and without what is given as well.

Open-Sora 2.0 (2503.09642), image-to-video: after the first steps both scales swing between
their value and 1, and the scale of the given frames grows along the video.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.types import Condition, Known, Step, TextEmbedding


@dataclass(frozen=True, kw_only=True)
class Steady:
    """The same scale at every step."""

    kind: Literal["steady"] = "steady"
    value: float

    def at(self, index: int) -> float:
        """The scale of a step, counted from 0."""
        return self.value


@dataclass(frozen=True, kw_only=True)
class Swinging:
    """The scale at the first `settle` steps and at every even step, 1 at the others."""

    kind: Literal["swinging"] = "swinging"
    value: float
    settle: int = 10

    def at(self, index: int) -> float:
        """The scale of a step, counted from 0."""
        return self.value if index < self.settle or index % 2 == 0 else 1.0


Scale: TypeAlias = Steady | Swinging


@dataclass(frozen=True, kw_only=True)
class TwoNegatives:
    """Words and given frames have a scale each.

    text: away from the negative caption. given: away from nothing being given. rising: whether
    the latter rises along the frames, from 1 to a top that falls with the steps, in samples
    that have at most their first and last latent frame given. Where nothing is given, this is
    classifier-free guidance.
    """

    kind: Literal["two_negatives"] = "two_negatives"
    text: Scale = field(default_factory=lambda: Swinging(value=7.5))
    given: Scale = field(default_factory=lambda: Swinging(value=3.0))
    rising: bool = True

    @property
    def scale(self) -> float:
        """The scale that one number from outside stands for: that of the text."""
        return self.text.value

    @property
    def disturbs(self) -> int:
        """How many of the denoiser's blocks it can disturb."""
        return 0

    def scaled(self, scale: float) -> "TwoNegatives":
        """The same with another scale of the text, steady or swinging as it was."""
        return replace(self, text=replace(self.text, value=scale))

    def branches(
        self, condition: Condition, empty: TextEmbedding, step: Step
    ) -> tuple[Condition, ...]:
        """The condition, the negative caption, and the negative caption with nothing given.

        The last two are left out at steps where their scales are 1: they would not count.
        """
        negative = replace(condition, text=empty)
        if _some(condition.known) and self.given.at(step.index) != 1.0:
            return condition, negative, replace(negative, known=None)
        return (condition,) if self.text.at(step.index) == 1.0 else (condition, negative)

    def combine(self, outputs: Sequence[Tensor], step: Step, condition: Condition) -> Tensor:
        """(B, C, F, H, W) per branch -> one."""
        wanted, *negatives = outputs
        if not negatives:
            return wanted
        negative = negatives[0]
        guided = negative + self.text.at(step.index) * (wanted - negative)
        if condition.known is None or len(negatives) == 1:
            return guided
        scale = self.frames(step, condition.known).to(negative)
        return guided + (scale - 1.0) * (negative - negatives[1])

    def frames(self, step: Step, known: Known) -> Tensor:
        """The scale of the given frames at a step, (B, 1, F, 1, 1)."""
        given = (known.strength > 0).flatten(3).any(3).any(1)  # per sample and latent frame
        scale = self.given.at(step.index)
        even = torch.full((given.shape[1],), scale, device=given.device)
        if not self.rising or scale <= 1.0:
            return even.view(1, 1, -1, 1, 1)
        few = given.sum(1, keepdim=True) <= 2
        along = rising(scale, step, given.shape[1]).to(even)
        return torch.where(few, along, even)[:, None, :, None, None]


def _some(known: Known | None) -> bool:
    """Whether something is given in any sample."""
    return known is not None and bool(known.strength.any())


def rising(scale: float, step: Step, frames: int) -> Tensor:
    """A scale per latent frame, (F,): from 1 to a top that begins at `scale` and nears 1."""
    top = scale + (1.0 - scale) * step.index / step.count
    return torch.linspace(1.0, top, frames)
