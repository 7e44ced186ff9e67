"""Norm, activation and convolution of a clip, piece by piece, where nothing is learned.

One after the other, these three write the whole clip to memory at every step, and fresh memory
costs more than arithmetic. Here a piece of the clip, with what stands around it, is normalised
into one small buffer that every piece uses again, and the convolution goes on from there. So
memory holds what comes in and what goes out, and little else.

Training takes the whole clip: it has to keep every step anyway.

Letters: B clips, C channels, T frames of Y x X.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isqrt
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

Sizes = tuple[int, int, int]
Write = Callable[[Tensor, Tensor], None]

# Bytes of what comes out of one piece. A C library keeps freed memory of this size and gives it
# out again without a page fault; on other devices pieces are for memory alone.
CPU_PIECE = 24 << 20
DEVICE_PIECE = 256 << 20


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


def learning() -> bool:
    """Whether whole clips are asked for."""
    return torch.is_grad_enabled()


def convolve(
    x: Tensor,
    layer: torch.nn.Conv3d,
    entrance: Entrance,
    window: Window,
    onto: Tensor | None = None,
) -> Tensor:
    """A convolution of what an entrance makes of a clip.

    Args:
        x: (B, C, T, Y, X), channels last in memory or copied there piece by piece.
        layer: gives weight and bias; its own padding is not used.
        entrance: what stands before it.
        window: what it reads.
        onto: the result is added to this in place, (B, C', T', Y', X'), and this returned.

    Returns:
        (B, C', T', Y', X'), channels last.
    """
    weight = layer.weight
    size = window.sizes((x.shape[2], x.shape[3], x.shape[4]))
    few = size[0] * size[1] * size[2] <= len(weight) and window.stride == (1, 1, 1)
    gathered = few and x.device.type in ("cpu", "meta")  # see `_gathered`
    points_last = _channels_last(x, weight, size)
    if points_last:
        weight = weight.to(memory_format=torch.channels_last_3d)
    found = _empty(x, len(weight), size) if onto is None else onto
    target = found.movedim(1, -1)
    for index, frames, rows, points in pieces(x, entrance, window, len(weight)):
        if gathered:
            y = _gathered(points, weight, layer.bias)
        else:
            y = _convolved(points, weight, layer.bias, window.stride, points_last=points_last)
        part = target[index, frames, rows]
        if onto is None:
            part.copy_(y)
        else:
            part.add_(y)
    return found


def convolve_doubled(
    x: Tensor, layer: torch.nn.Conv3d, *, time: bool, repeat: tuple[bool, bool]
) -> Tensor:
    """A causal convolution, 3 wide in the plane, of a clip whose entries are repeated before it.

    Rows and columns are doubled, with `time` (and a kernel of 3) also all frames but the first.
    Of the three neighbours that the kernel reads along a doubled axis two are copies of one
    entry, so that two sums of weights do, other ones for even and odd entries: 8 / 27 of the
    arithmetic, and no repeated clip in memory.

    Args:
        x: (B, C, T, Y, X).
        layer: the convolution.
        time: whether frames are doubled.
        repeat: as in `Window`; with `time` the first must be true.

    Returns:
        (B, C', 2 T - 1 or T, 2 Y, 2 X), channels last.
    """
    weight = layer.weight.to(memory_format=torch.channels_last_3d)
    frames, rows, columns = x.shape[2:]
    size = (2 * frames - 1 if time else frames, 2 * rows, 2 * columns)
    long = 2 if time else weight.shape[2]
    window = Window(
        kernel=(long, 3, 3),
        before=(long - 1, 1, 1),
        behind=(0, 1, 1),
        repeat=repeat,
    )
    phases = [
        (late, low, right, _summed(weight, (late, low, right)))
        for late in ((0, 1) if time else (None,))
        for low in (0, 1)
        for right in (0, 1)
    ]
    found = _empty(x, len(weight), size)
    target = found.movedim(1, -1)
    for index, when, where, points in pieces(x, Plain(), window, len(weight)):
        for late, low, right, kernel in phases:
            y = _convolved(points, kernel, layer.bias, (1, 1, 1))
            y = y[:, low : low + where.stop - where.start, right : right + columns]
            start, step = (when.start, 1) if late is None else (2 * when.start - 1 + late, 2)
            if start < 0:  # the first frame stays single
                start, y = start + 2, y[1:]
            times = slice(start, start + step * len(y), step)
            lines = slice(2 * where.start + low, 2 * where.stop, 2)
            target[index, times, lines, right::2].copy_(y)
    return found


def pointwise(x: Tensor, layer: torch.nn.Conv3d) -> Tensor:
    """A 1 x 1 x 1 convolution (B, C, T, Y, X) -> (B, C', T, Y, X), as one matrix product."""
    points = functional.linear(x.movedim(1, -1), layer.weight.flatten(1), layer.bias)
    return points.movedim(-1, 1)


def pieces(x: Tensor, entrance: Entrance, window: Window, outside: int) -> Iterator[Piece]:
    """All pieces of clips (B, C, T, Y, X), of which `outside` channels will be made."""
    inside = (x.shape[2], x.shape[3], x.shape[4])
    frames, rows, columns = window.sizes(inside)
    if 0 in (frames, rows, columns):
        return
    room = CPU_PIECE if x.device.type in ("cpu", "meta") else DEVICE_PIECE
    # Pieces about as long as high: then the least of them is read twice.
    area = max(1, room // (x.element_size() * columns * outside))
    long = min(frames, max(1, area // min(rows, isqrt(area))))
    high = min(rows, max(1, area // long))
    buffer = x.new_empty(
        (long - 1) * window.stride[0] + window.kernel[0],
        (high - 1) * window.stride[1] + window.kernel[1],
        (columns - 1) * window.stride[2] + window.kernel[2],
        x.shape[1],
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


def _channels_last(x: Tensor, weight: Tensor, size: Sizes) -> bool:
    """Whether a convolution of x to T', Y', X' points reads points and weights channels last.

    Half precision is much faster so. In single precision it is a little slower for wide layers,
    and while there are few points, turning these round costs less than turning the weights.
    """
    values = size[0] * size[1] * size[2] * (weight.shape[0] + weight.shape[1])
    slow = x.device.type in ("cpu", "meta") and x.dtype == torch.float32
    return not slow or values > weight.numel()


def _convolved(
    points: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    *,
    points_last: bool = True,
) -> Tensor:
    """Points (t, y, x, C) -> (t', y', x', C')."""
    x = points.movedim(-1, 0).unsqueeze(0)
    if not points_last:
        x = x.contiguous()
    return functional.conv3d(x, weight, bias, stride).squeeze(0).movedim(0, -1)


def _gathered(points: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The same with stride 1, as one matrix product of the weights as they lie in memory.

    All that the points read is gathered first. Where it is less than the weights, that costs
    less than to bring these into the order that a convolution wants.
    """
    near = points.movedim(-1, 0).contiguous()
    for axis, length in enumerate(weight.shape[2:], 1):
        near = near.unfold(axis, length, 1)
    columns = near.permute(0, 4, 5, 6, 1, 2, 3).flatten(4).flatten(0, 3)
    y = weight.flatten(1) @ columns
    if bias is not None:
        y += bias[:, None]
    return y.view(-1, *near.shape[1:4]).movedim(0, -1)


def _summed(weight: Tensor, phase: tuple[int | None, int, int]) -> Tensor:
    """Of each three weights along a doubled axis, (C', C, 3, 3, 3), the sums for a phase.

    In the plane an even entry's right neighbour is its copy, an odd one's left neighbour; in
    time, where the kernel looks back only, it is the other way round for the entry before.
    """
    for axis, odd in zip((2, 3, 4), phase, strict=True):
        if odd is None:
            continue
        first, second, third = weight.unbind(axis)
        late = odd == 0 if axis == 2 else odd == 1
        both = (first + second, third) if late else (first, second + third)
        weight = torch.stack(both, axis)
    return weight.contiguous(memory_format=torch.channels_last_3d)


def _empty(x: Tensor, channels: int, size: Sizes) -> Tensor:
    return x.new_empty(len(x), *size, channels).movedim(-1, 1)


def _copy(points: Tensor, out: Tensor) -> None:
    out.copy_(points)
