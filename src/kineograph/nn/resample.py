"""Twice as many rows and columns, twice as many frames.

Letters: B clips, C channels, T frames of Y x X.

Linear interpolation by 2 with half-pixel centres mixes every sample with its left or
right neighbour, 3 to 1; a border sample is its own neighbour.
"""

from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.conv import Cache


def fold_frames(x: Tensor) -> Tensor:
    """(B, C, T, Y, X) -> (B T, C, Y, X); a view where channels are last in memory."""
    return rearrange(x, "b c t y x -> (b t) c y x")


def unfold_frames(x: Tensor, batch: int) -> Tensor:
    """The inverse of `fold_frames`."""
    return rearrange(x, "(b t) c y x -> b c t y x", b=batch)


def double_space_linear(x: Tensor) -> Tensor:
    """(B, C, T, Y, X) -> (B, C, T, 2 Y, 2 X)."""
    frames = functional.interpolate(fold_frames(x), scale_factor=2, mode="bilinear")
    return unfold_frames(frames, x.shape[0])


def double_space_nearest(x: Tensor) -> Tensor:
    """(B, C, T, Y, X) -> (B, C, T, 2 Y, 2 X), each pixel four times."""
    frames = functional.interpolate(fold_frames(x), scale_factor=2, mode="nearest")
    return unfold_frames(frames, x.shape[0])


def interleave(early: Tensor, late: Tensor) -> Tensor:
    """Two clips (B, C, T, Y, X) frame by frame in turn, (B, C, 2 T, Y, X)."""
    frames = torch.stack((early.movedim(1, -1), late.movedim(1, -1)), dim=2)
    return rearrange(frames, "b t i y x c -> b c (t i) y x")


class DoubleTime(Protocol):
    """T frames -> 2 T - 1: the first stays single, so that an image stays an image."""

    def __call__(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C, 2 T - 1, Y, X)."""
        ...


class DoubleTimeNearest(nn.Module):
    """Every frame but the first twice."""

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C, 2 T - 1, Y, X); later chunks: 2 T."""
        twice = interleave(x, x)
        return twice[:, :, 1:] if cache is None or cache.first else twice


class DoubleTimeLinear(nn.Module):
    """Linear interpolation among all frames but the first.

    The second half of a frame needs the next frame. In a chunk it is therefore held back
    until the next chunk comes, so that chunks give exactly what the whole clip gives: T
    frames of a later chunk become 2 T, beginning with the half that was held back.
    """

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C, 2 T - 1, Y, X), see above for chunks."""
        begins = cache is None or cache.first
        ends = cache is None or cache.last
        past = None if cache is None else cache.recall(self)
        parts = []
        if begins:
            parts.append(x[:, :, :1])
            x = x[:, :, 1:]
        elif past is not None:
            x = torch.cat((past, x), dim=2)
        if cache is not None:
            cache.keep(self, x[:, :, -1:])
        if x.shape[2]:
            parts.append(self._double(x, held=past is not None and past.shape[2] > 0, ends=ends))
        return torch.cat(parts, dim=2)

    def _double(self, x: Tensor, *, held: bool, ends: bool) -> Tensor:
        left = torch.cat((x[:, :, :1], x[:, :, :-1]), dim=2)
        right = torch.cat((x[:, :, 1:], x[:, :, -1:]), dim=2)
        frames = interleave(torch.lerp(x, left, 0.25), torch.lerp(x, right, 0.25))
        return frames[:, :, 1 if held else 0 : None if ends else -1]
