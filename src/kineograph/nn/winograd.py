"""Convolutions 3 wide with fewer products: Winograd's F(2, 3) along each axis (1509.09308).

Two neighbouring results of three weights a, b, c read four entries p, q, r, s of a clip:

    a p + b q + c r = m0 + m1 + m2      m0 = a (p - r)      m1 = (a + b + c) / 2 (q + r)
    a q + b r + c s = m1 - m2 - m3      m3 = c (q - s)      m2 = (a - b + c) / 2 (r - q)

That are four products instead of six; along time, rows and columns 64 instead of 216. Where
every entry stands twice, q = r and m2 is nothing: 27 products do. All factors are powers of 2, so
that in single precision results differ from the plain way by rounding only. What is multiplied
are matrices of points by channels.

Letters: C channels in, C' out, t x y x x points of a piece, P products.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import torch
from torch import Tensor


class Rooms:
    """Memory for two intermediate results in turn, used again by every piece."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._parts = [like.new_empty(0), like.new_empty(0)]

    def take(self, *size: int) -> Tensor:
        """A tensor of a size with any content; the one taken before the last is lost."""
        self._parts.reverse()
        if self._parts[0].numel() < prod(size):
            self._parts[0] = self._like.new_empty(0)
            self._parts[0] = self._like.new_empty(prod(size))
        return self._parts[0][: prod(size)].view(size)


@dataclass(frozen=True)
class Single:
    """A kernel of 1: nothing to be saved.

    weights: what products make of the weights, a row each. common: the product that is in all
    results as it is. tile: how many results belong together. repeat: how often entries stand.
    """

    weights: tuple[tuple[float, ...], ...] = ((1.0,),)
    common: int = 0
    tile: int = 1
    repeat: int = 1

    def enter(self, x: Tensor, rooms: Rooms) -> Tensor:
        """Entries along axis 2 -> what weights are multiplied with, along a new axis 0."""
        return x.unsqueeze(0)

    def leave(self, m: Tensor, rooms: Rooms) -> Tensor:
        """Products along axis 0 -> results along what is axis 2 then."""
        return m.squeeze(0)


@dataclass(frozen=True)
class Sliding:
    """A kernel of 3: 2 n + 2 entries give 2 n results. Fields as in `Single`."""

    weights: tuple[tuple[float, ...], ...] = (
        (1.0, 0.0, 0.0),
        (0.5, 0.5, 0.5),
        (0.5, -0.5, 0.5),
        (0.0, 0.0, 1.0),
    )
    common: int = 1
    tile: int = 2
    repeat: int = 1

    def enter(self, x: Tensor, rooms: Rooms) -> Tensor:
        """Sums and differences of four entries."""
        even, odd = x[:, :, 0::2], x[:, :, 1::2]
        p, q, r, s = even[:, :, :-1], odd[:, :, :-1], even[:, :, 1:], odd[:, :, 1:]
        out = rooms.take(4, *p.shape)
        torch.sub(p, r, out=out[0])
        torch.add(q, r, out=out[1])
        torch.sub(r, q, out=out[2])
        torch.sub(q, s, out=out[3])
        return out

    def leave(self, m: Tensor, rooms: Rooms) -> Tensor:
        """Sums and differences of four products."""
        out = _twice(m, rooms)
        torch.add(m[0], m[1], out=out[:, :, 0::2]).add_(m[2])
        torch.sub(m[1], m[2], out=out[:, :, 1::2]).sub_(m[3])
        return out


@dataclass(frozen=True)
class Doubled:
    """A kernel of 3 on entries that stand twice: n + 2 different ones give 2 n results.

    Fields as in `Single`.
    """

    weights: tuple[tuple[float, ...], ...] = ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))
    common: int = 1
    tile: int = 1
    repeat: int = 2

    def enter(self, x: Tensor, rooms: Rooms) -> Tensor:
        """Each entry, and how it differs from its neighbours."""
        before, here, behind = x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]
        out = rooms.take(3, *here.shape)
        torch.sub(before, here, out=out[0])
        out[1].copy_(here)
        torch.sub(here, behind, out=out[2])
        return out

    def leave(self, m: Tensor, rooms: Rooms) -> Tensor:
        """Sums and differences of three products."""
        out = _twice(m, rooms)
        torch.add(m[0], m[1], out=out[:, :, 0::2])
        torch.sub(m[1], m[2], out=out[:, :, 1::2])
        return out


Axis = Single | Sliding | Doubled
Axes = tuple[Axis, Axis, Axis]  # of time, rows and columns
SINGLE, SLIDING, DOUBLED = Single(), Sliding(), Doubled()


def products(axes: Axes) -> int:
    """P."""
    return prod(len(axis.weights) for axis in axes)


def transformed(weight: Tensor, axes: Axes) -> Tensor:
    """Weights (C', C, t, y, x) -> (P, C, C')."""
    rows = (weight.new_tensor(axis.weights) for axis in axes)
    matrix = reduce(torch.kron, rows)
    made = matrix @ weight.flatten(2).flatten(0, 1).T
    return made.view(len(matrix), *weight.shape[:2]).transpose(1, 2)


def convolved(
    points: Tensor, weight: Tensor, bias: Tensor | None, axes: Axes, rooms: Rooms
) -> Tensor:
    """A convolution of one piece.

    Args:
        points: all that the results read, (t, y, x, C).
        weight: transformed, (P, C, C').
        bias: (C',).
        axes: of time, rows and columns.
        rooms: where results lie; the next piece overwrites them.

    Returns:
        (t', y', x', C').
    """
    # Columns first on the way in, last on the way out: their steps are the slowest, so that they
    # are taken while there are fewest values.
    x = points
    for axis in reversed(axes):
        x = axis.enter(x, rooms)
    sizes = x.shape[:-1]
    m = rooms.take(*sizes, weight.shape[2]).flatten(0, 2).flatten(1, 3)
    torch.bmm(x.flatten(0, 2).flatten(1, 3), weight, out=m)
    if bias is not None:
        m[_common(axes)] += bias
    m = m.view(*sizes, -1)
    for axis in axes:
        m = axis.leave(m, rooms)
    return m


def _common(axes: Sequence[Axis]) -> int:
    """The product that is in every result once."""
    index = 0
    for axis in axes:
        index = index * len(axis.weights) + axis.common
    return index


def _twice(m: Tensor, rooms: Rooms) -> Tensor:
    size = list(m.shape[1:])
    size[2] *= 2
    return rooms.take(*size)
