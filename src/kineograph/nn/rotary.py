"""Rotary positions: each pair of query and key channels turns by an angle that is its place.

Pairs are half-split: inside a head of size K, channel i turns together with channel
i + K/2. Public weights with other pairs are permuted by their key map.

Letters: B samples, N tokens, D width, A heads of size K.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Rising:
    """From 1 to theta ("exponential", LTX-Video, 2.2.1)."""

    kind: Literal["rising"] = "rising"

    def frequencies(self, count: int, theta: float, device: torch.device) -> Tensor:
        """(count,) in float32."""
        ramp = torch.linspace(0.0, 1.0, count, dtype=torch.float32, device=device)
        return torch.as_tensor(theta**ramp)


@dataclass(frozen=True, kw_only=True)
class Falling:
    """From 1 to almost 1 / theta ("inverse exponential"), as in Su et al. (2104.09864)."""

    kind: Literal["falling"] = "falling"

    def frequencies(self, count: int, theta: float, device: torch.device) -> Tensor:
        """(count,) in float32."""
        steps = torch.arange(count, dtype=torch.float32, device=device)
        return torch.as_tensor(1.0 / theta ** (steps / count))


Spacing: TypeAlias = Rising | Falling


@dataclass(frozen=True, eq=False)
class Rotary:
    """cos and sin of each pair's angle, (B or 1, N, A or 1, K/2) each."""

    cos: Tensor
    sin: Tensor

    def to(self, dtype: torch.dtype) -> "Rotary":
        """The same table in another dtype, so that it is converted once for all layers."""
        return Rotary(self.cos.to(dtype), self.sin.to(dtype))

    def __call__(self, x: Tensor) -> Tensor:
        """Turn (B, N, A, K); the dtype of x stays."""
        pairs = x.view(*x.shape[:-1], 2, -1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        turned = pairs * cos.unsqueeze(-2)
        turned[..., 0, :].addcmul_(pairs[..., 1, :], sin, value=-1)
        turned[..., 1, :].addcmul_(pairs[..., 0, :], sin)
        return turned.view_as(x)


@dataclass(frozen=True, kw_only=True)
class FractionalPositions:
    """Positions as fractions of a largest one, turned over the full width (LTX-Video, 2.2).

    largest: the position of each axis that counts as 1. The D // 2 pairs of the full width
    have D // 6 frequencies, pi/2 times those of `spacing`, and for each frequency the axes in
    turn; heads cut this row into slices. What is left over, in front, does not turn.
    """

    largest: tuple[float, ...]
    theta: float = 10000.0
    spacing: Spacing = field(default_factory=Rising)

    def __call__(self, positions: Tensor, heads: int, head_width: int) -> Rotary:
        """The table of tokens anywhere.

        Args:
            positions: (B, axes, N), in the units of `largest`.
            heads: A.
            head_width: K, even.

        Returns:
            Tables in float32, (B, N, A, K/2). The top frequency is so high that the order of
            the float32 operations is part of the definition.
        """
        width, axes = heads * head_width, len(self.largest)
        count = width // (2 * axes)
        frequencies = self.spacing.frequencies(count, self.theta, positions.device) * math.pi / 2
        fractions = self._fractions(positions)
        angles = frequencies * (fractions.unsqueeze(-1) * 2 - 1)  # (B, N, axes, count)
        angles = angles.transpose(-1, -2).flatten(2)
        still = width // 2 - angles.shape[-1]
        angles = torch.nn.functional.pad(angles, (still, 0))  # cos 0 = 1, sin 0 = 0
        angles = angles.view(*angles.shape[:2], heads, head_width // 2)
        return Rotary(angles.cos(), angles.sin())

    def _fractions(self, positions: Tensor) -> Tensor:
        """(B, axes, N) -> (B, N, axes)."""
        columns = [positions[:, i].float() / top for i, top in enumerate(self.largest)]
        return torch.stack(columns, -1)


@dataclass(frozen=True, kw_only=True)
class AxisPositions:
    """Each axis turns a share of every head by itself (Open-Sora Plan, 2.2: "3D RoPE").

    shares: channels of a head for each axis, even, together K; units: the position of each axis
    that counts as 1. spacing: of the frequencies of a share.
    """

    shares: tuple[int, ...]
    units: tuple[float, ...]
    theta: float = 10000.0
    spacing: Spacing = field(default_factory=Falling)

    def __call__(self, positions: Tensor) -> Rotary:
        """The table of tokens anywhere.

        Args:
            positions: (B, axes, N).

        Returns:
            Tables in float32, (B, N, 1, K/2), the axes' pairs in turn.
        """
        angles = []
        for axis, (share, unit) in enumerate(zip(self.shares, self.units, strict=True)):
            count, device = share // 2, positions.device
            frequencies = self.spacing.frequencies(count, self.theta, device)
            angles.append((positions[:, axis].float() / unit).unsqueeze(-1) * frequencies)
        angle = torch.cat(angles, -1).unsqueeze(2)
        return Rotary(angle.cos(), angle.sin())


def grid_positions(starts: Sequence[Tensor], batch: int) -> Tensor:
    """The positions of all tokens of a grid, the last axis fastest.

    Args:
        starts: for each axis the position of each index, (n,) or, per sample, (B or 1, n).
        batch: B.

    Returns:
        (B, axes, N).
    """
    rows = [start if start.ndim == 2 else start[None] for start in starts]
    shape = [row.shape[1] for row in rows]
    spread = []
    for axis, row in enumerate(rows):
        view = [len(row), *(len(shape) * [1])]
        view[axis + 1] = shape[axis]
        spread.append(row.view(view).expand(batch, *shape).flatten(1))
    return torch.stack(spread, 1)
