"""Norm, activation and convolution of a clip, piece by piece, where nothing is learned.

One after the other, these three write the whole clip to memory at every step, and fresh memory
costs more than arithmetic. Here a piece of the clip, with what stands around it, is normalised
into one small buffer that every piece uses again, and the convolution goes on from there. So
memory holds what comes in and what goes out, and little else.

How a piece is convolved depends on what the machine is good at: see `convolve`.

Training takes the whole clip: it has to keep every step anyway.

Letters: B clips, C channels, T frames of Y x X.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.nn.cutting import Cut, Entrance, Plain, Sizes, Window, pieces
from kineograph.nn.kernels import Doubling, Kernel, flat
from kineograph.nn.linear import linear, wider
from kineograph.nn.winograd import (
    DOUBLED,
    SINGLE,
    SLIDING,
    Axes,
    Axis,
    Rooms,
    convolved,
    products,
    transformed,
)

# Bytes of what comes out of one piece. A C library keeps freed memory of this size and gives it
# out again without a page fault; on other devices pieces are for memory alone.
CPU_PIECE = 24 << 20
DEVICE_PIECE = 256 << 20
PRODUCTS = 8 << 20  # bytes of one piece's products
WEIGHTS = 32 << 20  # bytes of weights that are brought into another form at once
NARROW = 32  # channels below which sums cost more than the products they save
AXES: dict[int, Axis] = {1: SINGLE, 3: SLIDING}
EVERY = slice(None)
ROUNDS = 16  # points for each product below which its weights cost more than they save
ENOUGH = 128  # points of a doubled clip below which copies cost less than sums of weights


class Part(NamedTuple):
    """Of clip number `number` some output frames, rows, columns and channels.

    points: (t, y, x, c), maybe with more at their ends than the output has.
    """

    number: int
    where: tuple[slice, slice, slice]
    channels: slice
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

    In single precision on a CPU, where multiplying takes the time, wide layers do with fewer
    products (`kineograph.nn.winograd`). Where there are fewer points than weights, these stay as
    they lie in memory. What `wider` says is multiplied in single precision.

    Args:
        x: (B, C, T, Y, X), channels last in memory or copied there piece by piece.
        layer: gives weight and bias; its own padding is not used.
        entrance: what stands before it.
        window: what it reads.
        onto: the result is added to this in place, (B, C', T', Y', X'), and this returned.

    Returns:
        (B, C', T', Y', X'), channels last.
    """
    size = window.sizes((x.shape[2], x.shape[3], x.shape[4]))
    kernel, window = flat(x, Kernel(layer.weight, layer.bias), window)
    axes = _axes(window)
    if axes is not None and _saves(x, kernel, axes, size, ROUNDS):
        missing = [-count % axis.tile for count, axis in zip(size, axes, strict=True)]
        time, rows, columns = map(add, window.behind, missing)
        filled = replace(window, behind=(time, rows, columns))
        parts = _multiplied(x, kernel, entrance, filled, axes)
    elif _few(x, kernel, window, size):
        parts = _gathered(x, kernel, entrance, window)
    else:
        parts = _convolved(x, kernel, entrance, window)
    return _joined(x, kernel, size, parts, onto)


def convolve_doubled(
    x: Tensor, layer: torch.nn.Conv3d, doubling: Doubling, repeat: tuple[bool, bool]
) -> Tensor:
    """A convolution, 3 wide in the plane, of a clip whose entries are repeated before it.

    Of the three neighbours that the kernel reads along a doubled axis two are copies of one
    entry, which saves most of the arithmetic, and there is no repeated clip in memory.

    Args:
        x: (B, C, T, Y, X).
        layer: the convolution.
        doubling: what is repeated, and where a frame looks.
        repeat: as in `Window`; where only past frames are seen and time is doubled the first
            must be true.

    Returns:
        (B, C', T', 2 Y, 2 X), channels last; T' as `doubling` says.
    """
    frames, rows, columns = x.shape[2:]
    size = (doubling.frames(frames), 2 * rows, 2 * columns)
    long, time = layer.kernel_size[0], doubling.time and size[0] > 1
    before, behind = (1, int(doubling.ahead)) if time else doubling.around(long)
    window = Window((long, 3, 3), (1, 1, 1), (before, 1, 1), (behind, 1, 1), repeat)
    kernel = Kernel(layer.weight, layer.bias)
    if not time:
        kernel, window = flat(x, kernel, window)
    if _on_cpu(x) and prod(size) < ENOUGH:
        return convolve(doubling.larger(x), layer, Plain(), doubling.window(layer, repeat))
    past = AXES[window.kernel[0]]
    axes: Axes = (DOUBLED if time else past, DOUBLED, DOUBLED)
    if not _saves(x, kernel, axes, size, ROUNDS // 4):
        return _joined(x, kernel, size, _phases(x, kernel, window, time), None)
    # Without `ahead` the second half of a doubled last frame is dropped, and what stands behind
    # it is not read.
    missing = 1 - behind if time else -frames % past.tile
    filled = replace(window, behind=(behind + missing, 1, 1))
    return _joined(x, kernel, size, _multiplied(x, kernel, Plain(), filled, axes), None)


def pointwise(x: Tensor, layer: torch.nn.Conv3d) -> Tensor:
    """A 1 x 1 x 1 convolution (B, C, T, Y, X) -> (B, C', T, Y, X), as one matrix product."""
    return linear(x.movedim(1, -1), layer.weight.flatten(1), layer.bias).movedim(-1, 1)


def _joined(
    x: Tensor, layer: Kernel, size: Sizes, parts: Iterator[Part], onto: Tensor | None
) -> Tensor:
    """All parts of an output of T', Y', X' points in one tensor, or added to one."""
    found = onto
    if found is None:
        found = x.new_empty(len(x), *size, layer.outside).movedim(-1, 1)
    whole = found.movedim(1, -1)
    for number, where, channels, points in parts:
        target = whole[(number, *where, channels)]
        points = points[: target.shape[0], : target.shape[1], : target.shape[2]]
        if onto is None:
            target.copy_(points)
        else:
            target.add_(points)
    return found


def _on_cpu(x: Tensor) -> bool:
    """Whether x is on a CPU, or has only a shape and stands for what is."""
    return x.device.type in ("cpu", "meta")


def _computed(x: Tensor) -> torch.dtype:
    """What a clip is multiplied in: float32 becomes what autocast says."""
    if wider(x):
        return torch.float32
    kind = "cpu" if _on_cpu(x) else x.device.type
    if x.dtype == torch.float32 and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return x.dtype


def _cut(x: Tensor, layer: Kernel) -> Cut:
    """Pieces that fill the room on either side of a layer."""
    room, dtype = CPU_PIECE if _on_cpu(x) else DEVICE_PIECE, _computed(x)
    channels = max(layer.inside, layer.outside)
    return Cut(points=room // (dtype.itemsize * channels), dtype=dtype)


def _axes(window: Window) -> Axes | None:
    """How fewer products do along each axis; None: they do not."""
    if (
        window.stride != (1, 1, 1)
        or not set(window.kernel) <= AXES.keys()
        or 3 not in window.kernel
    ):
        return None
    time, rows, columns = (AXES[length] for length in window.kernel)
    return time, rows, columns


def _saves(x: Tensor, layer: Kernel, axes: Axes, size: Sizes, rounds: int) -> bool:
    """Whether fewer products of a clip, for T', Y', X' points, are less work.

    rounds: points for each product below which its weights cost more than they save.
    """
    single = _on_cpu(x) and _computed(x) == torch.float32
    wide = min(layer.inside, layer.outside) >= NARROW
    return single and wide and prod(size) >= rounds * products(axes)


def _multiplied(
    x: Tensor, layer: Kernel, entrance: Entrance, window: Window, axes: Axes
) -> Iterator[Part]:
    """With fewer products, as many channels at once as there is room for their weights."""
    count, inside = products(axes), layer.inside
    tiles = PRODUCTS // (4 * count * max(inside, layer.outside))
    time, down, _ = axes
    area = tiles * prod(axis.tile for axis in axes)
    cut = Cut(area, torch.float32, frames=time.tile, rows=down.tile)
    rooms = Rooms(x.new_empty(0, dtype=torch.float32))
    step = max(1, WEIGHTS // (4 * count * inside))
    for first in range(0, layer.outside, step):
        channels = slice(first, first + step)
        weight = transformed(layer.weight[channels].float(), axes)
        bias = None if layer.bias is None else layer.bias[channels].float()
        for number, frames, rows, points in pieces(x, entrance, window, cut):
            times = slice(frames.start * time.repeat, frames.stop * time.repeat)
            lines = slice(rows.start * down.repeat, rows.stop * down.repeat)
            made = convolved(points, weight, bias, axes, rooms)
            yield Part(number, (times, lines, EVERY), channels, made)


def _channels_last(x: Tensor, weight: Tensor, size: Sizes) -> bool:
    """Whether a convolution of x to T', Y', X' points reads points and weights channels last.

    Half precision is much faster so. In single precision it is a little slower for wide layers,
    and while there are few points, turning these round costs less than turning the weights.
    """
    values = prod(size) * (weight.shape[0] + weight.shape[1])
    slow = _on_cpu(x) and _computed(x) == torch.float32
    return not slow or values > weight.numel()


def _convolved(x: Tensor, layer: Kernel, entrance: Entrance, window: Window) -> Iterator[Part]:
    """By the library's convolution."""
    size = window.sizes((x.shape[2], x.shape[3], x.shape[4]))
    weight, bias = _parameters(x, layer)
    last = _channels_last(x, weight, size)
    if last:
        weight = weight.to(memory_format=torch.channels_last_3d)
    for number, frames, rows, points in pieces(x, entrance, window, _cut(x, layer)):
        y = _plain(points, weight, bias, window.stride, points_last=last)
        yield Part(number, (frames, rows, EVERY), EVERY, y)


def _parameters(x: Tensor, layer: Kernel) -> tuple[Tensor, Tensor | None]:
    """Weight and bias in what x is multiplied in."""
    dtype = _computed(x)
    return layer.weight.to(dtype), None if layer.bias is None else layer.bias.to(dtype)


def _plain(
    points: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes = (1, 1, 1),
    *,
    points_last: bool = True,
) -> Tensor:
    """Points (t, y, x, C) -> (t', y', x', C')."""
    x = points.movedim(-1, 0).unsqueeze(0)
    if not points_last:
        x = x.contiguous()
    return _library(x, weight, bias, stride).squeeze(0).movedim(0, -1)


def _library(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes) -> Tensor:
    """The convolution (B, C, T, Y, X) -> (B, C', T', Y', X') that is quickest.

    On a CPU torch takes some clips for small, by their channels, frames and rows alone, and
    writes out every patch of them: up to ten times slower than oneDNN, and 27 times the memory.
    """
    has_it: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if x.device.type != "cpu" or x.dtype != torch.float32 or not has_it:
        return functional.conv3d(x, weight, bias, stride)
    return torch.mkldnn_convolution(x, weight, bias, (0, 0, 0), stride, (1, 1, 1), 1)


def _few(x: Tensor, layer: Kernel, window: Window, size: Sizes) -> bool:
    """Whether there are so few points that weights had better stay as they are."""
    return _on_cpu(x) and window.stride == (1, 1, 1) and prod(size) <= layer.outside


def _gathered(x: Tensor, layer: Kernel, entrance: Entrance, window: Window) -> Iterator[Part]:
    """With stride 1, as one matrix product of the weights as they lie in memory.

    All that the points read is gathered first. Where it is less than the weights, that costs
    less than to bring these into the order that a convolution wants.
    """
    step = max(1, WEIGHTS // (4 * layer.weight[0].numel()))
    step = step if wider(x) else layer.outside
    for number, frames, rows, points in pieces(x, entrance, window, _cut(x, layer)):
        near = points.movedim(-1, 0).contiguous()
        for axis, length in enumerate(window.kernel, 1):
            near = near.unfold(axis, length, 1)
        columns = near.permute(0, 4, 5, 6, 1, 2, 3).flatten(4).flatten(0, 3)
        for first in range(0, layer.outside, step):
            channels = slice(first, first + step)
            y = layer.weight[channels].flatten(1).to(columns.dtype) @ columns
            if layer.bias is not None:
                y += layer.bias[channels, None]
            made = y.view(-1, *near.shape[1:4]).movedim(0, -1)
            yield Part(number, (frames, rows, EVERY), channels, made)


def _phases(x: Tensor, layer: Kernel, window: Window, time: bool) -> Iterator[Part]:
    """A doubled clip's convolution: sums of weights, other ones for even and odd entries.

    window: of the clip that is not doubled, with the whole kernel; time: whether frames are
    doubled.
    """
    weight, bias = _parameters(x, layer)
    columns = x.shape[4]
    if time:
        window = replace(window, kernel=(2, 3, 3))
    phases = [
        (late, low, right, _summed(weight, (late, low, right)))
        for late in ((0, 1) if time else (None,))
        for low in (0, 1)
        for right in (0, 1)
    ]
    for number, when, where, points in pieces(x, Plain(), window, _cut(x, layer)):
        for late, low, right, kernel in phases:
            y = _plain(points, kernel, bias)
            y = y[:, low : low + where.stop - where.start, right : right + columns]
            start, step = (when.start, 1) if late is None else (2 * when.start - 1 + late, 2)
            if start < 0:  # in front of the first frame there is none
                start, y = start + 2, y[1:]
            times = slice(start, start + step * len(y), step)
            lines = slice(2 * where.start + low, 2 * where.stop, 2)
            yield Part(number, (times, lines, slice(right, None, 2)), EVERY, y)


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
