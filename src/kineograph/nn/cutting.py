"""Clips cut into pieces, each with what stands around it, for convolutions.

A piece is written to one small buffer, on the way through what stands before the convolution, and
every piece uses that buffer again.

Letters: B clips, C channels, T frames of Y x X.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Sizes = tuple[int, int, int]
Write = Callable[[Tensor, Tensor], None]


class Entrance(Protocol):
    """What stands before a convolution: a norm and an activation, or nothing."""

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same, for training."""
        ...

    def measured(self, clip: Tensor, index: int) -> Write:
        """Look at the whole clip number `index`, points (T, Y, X, C).

        Returns:
            What writes points (t, y, x, C) of it, as the convolution reads them, into others.
        """
        ...


@dataclass(frozen=True)
class Plain:
    """Nothing stands before it."""

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        return x

    def measured(self, clip: Tensor, index: int) -> Write:
        """(T, Y, X, C) -> a copy."""
        return _copy


NOTHING = Plain()
POINT: tuple[Sizes, Sizes] = ((1, 1, 1), (1, 1, 1))  # kernel and stride that see one point


@dataclass(frozen=True)
class Window:
    """What a convolution reads: its kernel, its stride, and what stands around the clip.

    before, behind: frames, rows and columns that are put around.
    repeat: whether these are the clip's outermost ones in time, and in the plane; else zeros.
    """

    kernel: Sizes
    stride: Sizes = (1, 1, 1)
    before: Sizes = (0, 0, 0)
    behind: Sizes = (0, 0, 0)
    repeat: tuple[bool, bool] = (True, True)

    def sizes(self, inside: Sizes) -> Sizes:
        """How large the output is for T, Y, X of input."""
        frames, rows, columns = (
            (size + before + behind - kernel) // stride + 1
            for size, before, behind, kernel, stride in zip(
                inside, self.before, self.behind, self.kernel, self.stride, strict=True
            )
        )
        return frames, rows, columns


class Piece(NamedTuple):
    """Of clip number `number` the output frames and rows, and all that they are made of.

    points: (t, y, x, C), valid until the next piece.
    """

    number: int
    frames: slice
    rows: slice
    points: Tensor


@dataclass(frozen=True)
class Cut:
    """How clips are cut.

    points: of a piece's output, at most, but for whole rows. dtype: of the points it is made of.
    frames, rows: of output that pieces begin at multiples of.
    """

    points: int
    dtype: torch.dtype
    frames: int = 1
    rows: int = 1


def pieces(x: Tensor, entrance: Entrance, window: Window, cut: Cut) -> Iterator[Piece]:
    """All pieces of clips (B, C, T, Y, X)."""
    inside = (x.shape[2], x.shape[3], x.shape[4])
    frames, rows, columns = window.sizes(inside)
    if 0 in (frames, rows, columns):
        return
    # Pieces about as long as high: then the least of them is read twice.
    area = max(1, cut.points // columns)
    long = min(frames, _multiple(area // min(rows, isqrt(area)), cut.frames))
    high = min(rows, _multiple(area // long, cut.rows))
    buffer = x.new_empty(
        (long - 1) * window.stride[0] + window.kernel[0],
        (high - 1) * window.stride[1] + window.kernel[1],
        (columns - 1) * window.stride[2] + window.kernel[2],
        x.shape[1],
        dtype=cut.dtype,
    )
    for index, clip in enumerate(x.movedim(1, -1)):
        write = entrance.measured(clip, index)
        for first in range(0, frames, long):
            when = slice(first, min(first + long, frames))
            for top in range(0, rows, high):
                where = slice(top, min(top + high, rows))
                spans = (when, where, slice(0, columns))
                yield Piece(index, when, where, _fill(buffer, clip, write, window, spans))


def _fill(
    buffer: Tensor, clip: Tensor, write: Write, window: Window, spans: tuple[slice, slice, slice]
) -> Tensor:
    """Write what output `spans` are made of to the buffer's beginning."""
    reads, inner = [], []
    for axis, span in enumerate(spans):
        start = span.start * window.stride[axis] - window.before[axis]
        length = (span.stop - span.start - 1) * window.stride[axis] + window.kernel[axis]
        low, high = max(start, 0), min(start + length, clip.shape[axis])
        reads.append(slice(low, high))
        inner.append((low - start, high - start, length))
    points = buffer[: inner[0][2], : inner[1][2], : inner[2][2]]
    write(clip[tuple(reads)], points[tuple(slice(low, high) for low, high, _ in inner)])
    for axis in (2, 1, 0):  # an axis covers what later ones have filled, corners included
        low, high, length = inner[axis]
        for edge, missing in ((low, slice(0, low)), (high - 1, slice(high, length))):
            if missing.start < missing.stop:
                _around(points, axis, missing, edge, repeat=window.repeat[min(axis, 1)])
    return points


def _around(points: Tensor, axis: int, missing: slice, edge: int, *, repeat: bool) -> None:
    """Fill entries of an axis that lie outside the clip."""
    part = points.narrow(axis, missing.start, missing.stop - missing.start)
    if repeat:
        part.copy_(points.narrow(axis, edge, 1).expand_as(part))
    else:
        part.zero_()


def _multiple(count: int, step: int) -> int:
    """The largest multiple of a step up to a count, but at least one step."""
    return max(1, count // step) * step


def _copy(points: Tensor, out: Tensor) -> None:
    out.copy_(points)
