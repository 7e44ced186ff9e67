"""Latent frames of which only some pixel frames are given: unknown, or filled in and softly known.

Letters: B samples; T frames of Y x X pixels; F x H x W latent cells.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor

from kineograph.types import Given


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Only latent frames of which every pixel is given are known, and they lead the clip."""

    kind: Literal["whole"] = "whole"
    anywhere: ClassVar[bool] = False
    share: ClassVar[float] = 0.0

    def clip(self, given: Given, gap: int) -> Tensor:
        """(B, 3, T, Y, X), as it is."""
        return given.frames


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Given frames may lie anywhere.

    What lies between them is filled in before encoding: frames of a gap that is shorter than a
    latent frame are blended from both sides, others repeat the nearest given one. A latent
    frame of which all is given is known exactly. One of which something is given is known
    with `strength`, so that its other frames may still move; afterwards the given pixels are
    put back into it.
    """

    kind: Literal["filled"] = "filled"
    anywhere: ClassVar[bool] = True
    strength: float = 0.6

    @property
    def share(self) -> float:
        """What the strength of given frames is multiplied by where others lie beside them."""
        return self.strength

    def clip(self, given: Given, gap: int) -> Tensor:
        """(B, 3, T, Y, X), without holes; gap: pixel frames of a latent frame."""
        return filled(given, gap)


Filling: TypeAlias = Whole | Filled


def filled(given: Given, gap: int) -> Tensor:
    """A clip without holes.

    Args:
        given: frames (B, 3, T, Y, X) and strength (B, 1, T, Y, X); a frame counts where each of
            its pixels is given. A sample without any stays as it is.
        gap: given frames that lie at most so far apart are blended.

    Returns:
        (B, 3, T, Y, X), equal to the given frames where there are any.
    """
    there = given.strength.amin((1, 3, 4)) > 0  # (B, T)
    count = there.shape[1]
    index = torch.arange(count, device=there.device).expand_as(there)
    before = torch.where(there, index, -1).cummax(1).values
    after = torch.where(there, index, count).flip(1).cummin(1).values.flip(1)
    first, last = before < 0, after == count
    start = torch.where(first & last, index, torch.where(first, after, before))
    end = torch.where(first & last, index, torch.where(last, before, after))
    span = end - start
    weight = (index - start) / span.clamp_min(1)
    weight = torch.where(span <= gap, weight, (weight > 0.5).to(weight))
    one, other = _frames(given.frames, start), _frames(given.frames, end)
    return torch.lerp(one, other, weight.to(one)[:, None, :, None, None])


def _frames(video: Tensor, index: Tensor) -> Tensor:
    """(B, 3, T, Y, X) and indices (B, T) -> the frames that they name."""
    rows = torch.arange(len(video), device=video.device)[:, None]
    return video.transpose(1, 2)[rows, index].transpose(1, 2)
