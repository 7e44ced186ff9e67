"""Groupings: which tokens see each other, as a reversible rearrangement of the sequence.

One self-attention class serves all denoisers: it splits the sequence into groups, attends
inside each group, and merges them again.

Letters: B samples, N tokens.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from kineograph.types import Grid

PADDED = -9980.0  # what scores of padding get: less bad than a masked token, as in the reference


class Grouping(Protocol):
    """A rearrangement of tokens and its exact inverse."""

    def split(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...) -> (groups, tokens of a group, ...)."""
        ...

    def merge(self, x: Tensor, grid: Grid) -> Tensor:
        """The exact inverse of `split`."""
        ...

    def bias(self, bias: Tensor | None, x: Tensor, grid: Grid) -> Tensor | None:
        """What is added to the scores of a group's keys.

        Args:
            bias: the same of the whole sequence, (B, N); None: nothing.
            x: the tokens, (B, N, ...).
            grid: how they lie in time and space.

        Returns:
            (groups, 1, 1, tokens of a group); None: nothing.
        """
        return None if bias is None else self.split(bias, grid)[:, None, None]


@dataclass(frozen=True)
class Full(Grouping):
    """Every token sees every token of its sample."""

    def split(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...), as it is."""
        return x

    def merge(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...), as it is."""
        return x


@dataclass(frozen=True)
class PerFrame(Grouping):
    """Tokens of one frame see each other: spatial attention."""

    def split(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...) -> (B * frames, rows * columns, ...)."""
        return rearrange(x, "b (f s) ... -> (b f) s ...", f=grid.frames)

    def merge(self, x: Tensor, grid: Grid) -> Tensor:
        """The exact inverse of `split`."""
        return rearrange(x, "(b f) s ... -> b (f s) ...", f=grid.frames)


@dataclass(frozen=True)
class PerSite(Grouping):
    """Tokens of one place see each other in all frames: temporal attention."""

    def split(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...) -> (B * rows * columns, frames, ...)."""
        return rearrange(x, "b (f s) ... -> (b s) f ...", f=grid.frames)

    def merge(self, x: Tensor, grid: Grid) -> Tensor:
        """The exact inverse of `split`."""
        return rearrange(x, "(b s) f ... -> b (f s) ...", s=grid.rows * grid.columns)


@dataclass(frozen=True)
class SingleSkip(Grouping):
    """Every `stride`-th token is one group (Skiparse, even blocks; Open-Sora Plan, 2.2.2).

    A sequence is padded at its end to a multiple of stride squared, as for `GroupSkip`.
    """

    stride: int

    def split(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...) -> (stride * B, N' / stride, ...), N' with padding of zeros."""
        x = _padded(x, self.stride**2)
        return rearrange(x, "b (g k) ... -> (k b) g ...", k=self.stride)

    def merge(self, x: Tensor, grid: Grid) -> Tensor:
        """The exact inverse of `split`, without the padding."""
        return rearrange(x, "(k b) g ... -> b (g k) ...", k=self.stride)[:, : grid.size]

    def bias(self, bias: Tensor | None, x: Tensor, grid: Grid) -> Tensor | None:
        """As for every grouping; `PADDED` where there is no token."""
        padded = _padded_bias(bias, x, self.stride**2)
        return None if padded is None else self.split(padded, grid)[:, None, None]


@dataclass(frozen=True)
class GroupSkip(Grouping):
    """Every `stride`-th run of `stride` tokens is one group (Skiparse, odd blocks)."""

    stride: int

    def split(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...) -> (stride * B, N' / stride, ...), N' with padding of zeros."""
        k, x = self.stride, _padded(x, self.stride**2)
        return rearrange(x, "b (n m r) ... -> (m b) (n r) ...", m=k, r=k)

    def merge(self, x: Tensor, grid: Grid) -> Tensor:
        """The exact inverse of `split`, without the padding."""
        k = self.stride
        return rearrange(x, "(m b) (n r) ... -> b (n m r) ...", m=k, r=k)[:, : grid.size]

    def bias(self, bias: Tensor | None, x: Tensor, grid: Grid) -> Tensor | None:
        """As for every grouping; `PADDED` where there is no token."""
        padded = _padded_bias(bias, x, self.stride**2)
        return None if padded is None else self.split(padded, grid)[:, None, None]


@dataclass(frozen=True)
class Window(Grouping):
    """Every `length` tokens in a row are one group ("skip + window"; Open-Sora Plan, 2.2.2).

    A sequence is padded at its end to a multiple of the length.
    """

    length: int

    def split(self, x: Tensor, grid: Grid) -> Tensor:
        """(B, N, ...) -> (B * N' / length, length, ...), N' with padding of zeros."""
        return rearrange(_padded(x, self.length), "b (g k) ... -> (b g) k ...", k=self.length)

    def merge(self, x: Tensor, grid: Grid) -> Tensor:
        """The exact inverse of `split`, without the padding."""
        groups = -(-grid.size // self.length)
        return rearrange(x, "(b g) k ... -> b (g k) ...", g=groups)[:, : grid.size]

    def bias(self, bias: Tensor | None, x: Tensor, grid: Grid) -> Tensor | None:
        """As for every grouping; `PADDED` where there is no token."""
        padded = _padded_bias(bias, x, self.length)
        return None if padded is None else self.split(padded, grid)[:, None, None]


def _padded(x: Tensor, multiple: int, value: float = 0.0) -> Tensor:
    """(B, N, ...) -> (B, N', ...), N' the next multiple."""
    missing = -x.shape[1] % multiple
    return functional.pad(x, (0, 0) * (x.ndim - 2) + (0, missing), value=value) if missing else x


def _padded_bias(bias: Tensor | None, x: Tensor, multiple: int) -> Tensor | None:
    """(B, N) -> (B, N'); None where there is neither a bias nor padding."""
    if bias is None and x.shape[1] % multiple == 0:
        return None
    nothing = torch.zeros(x.shape[:2], dtype=x.dtype, device=x.device)
    return _padded(nothing if bias is None else bias, multiple, PADDED)
