"""What stands before the convolutions of autoencoders: a norm and SiLU, whole or piece by piece.

Letters: B clips, C channels, T frames of Y x X.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.cutting import Write
from kineograph.nn.norm import rms_norm

# Values that are worked on at once: they stay in a core's cache. Other devices have none to keep.
CPU_STEP = 1 << 17
DEVICE_STEP = 1 << 26

Work = Callable[[Tensor], None]


class Activation(Protocol):
    """SiLU or ReLU."""

    def __call__(self, input: Tensor, inplace: bool = False) -> Tensor:
        """(...) -> the same."""
        ...


@dataclass(frozen=True)
class Then:
    """An activation alone, which takes `inplace`."""

    activation: Activation

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        return self.activation(x)

    def measured(self, clip: Tensor, index: int) -> Write:
        """Points (T, Y, X, C) need nothing of each other."""

        def work(values: Tensor) -> None:
            self.activation(values, inplace=True)

        return _writer(work)


@dataclass(frozen=True, eq=False)
class GroupsThenSilu:
    """A group norm over whole clips, then SiLU."""

    norm: nn.GroupNorm

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        return functional.silu(self.norm(x))

    def measured(self, clip: Tensor, index: int) -> Write:
        """The statistics of a clip, points (T, Y, X, C), become one scale and shift each."""
        scale, shift = group_affine(self.norm, clip)

        def work(values: Tensor) -> None:
            torch.addcmul(shift, values, scale, out=values)
            functional.silu(values, inplace=True)

        return _writer(work)


@dataclass(frozen=True, eq=False)
class PointsThenSilu:
    """Every point divided by the root mean square of its channels, then SiLU.

    rows: between the two a shift and by how much a scale exceeds 1, (B or 1, 2, C); None: none.
    """

    rows: Tensor | None = None
    eps: float = 1e-8

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        y = rms_norm(x.movedim(1, -1), eps=self.eps).movedim(-1, 1)
        if self.rows is not None:
            shift, scale = self.rows[..., None, None, None].to(y.dtype).unbind(1)
            y = y * (1 + scale) + shift
        return functional.silu(y)

    def measured(self, clip: Tensor, index: int) -> Write:
        """Points (T, Y, X, C) need nothing of each other."""
        width, affine = clip.shape[-1], None
        if self.rows is not None:
            shift, scale = self.rows[index % len(self.rows)].to(full(clip))
            affine = shift, 1 + scale

        def work(values: Tensor) -> None:
            mean = torch.linalg.vector_norm(values, dim=-1, keepdim=True).square_().div_(width)
            values.mul_(mean.add_(self.eps).rsqrt_())
            if affine is not None:
                torch.addcmul(affine[0], values, affine[1], out=values)
            functional.silu(values, inplace=True)

        return _writer(work)


@dataclass(frozen=True, eq=False)
class LayerThenSilu:
    """A layer norm over the channels of every point, then SiLU."""

    norm: nn.LayerNorm

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        y = nn.LayerNorm.forward(self.norm, x.movedim(1, -1)).movedim(-1, 1)
        return functional.silu(y)

    def measured(self, clip: Tensor, index: int) -> Write:
        """Points (T, Y, X, C) need nothing of each other."""
        norm = self.norm
        weight, bias = norm.weight.to(full(clip)), norm.bias.to(full(clip))

        def work(values: Tensor) -> None:
            whole = functional.layer_norm(values, norm.normalized_shape, weight, bias, norm.eps)
            torch.sigmoid(whole, out=values).mul_(whole)

        return _writer(work)


def group_affine(norm: nn.GroupNorm, clip: Tensor) -> tuple[Tensor, Tensor]:
    """The scale and shift (C,) that a group norm means for points (T, Y, X, C)."""
    groups, per_group = norm.num_groups, norm.num_channels // norm.num_groups
    count = clip[..., 0].numel() * per_group
    # Around the first point, so that squares of a large mean do not hide a small spread.
    origin = clip[:1, 0, 0].to(full(clip)).view(groups, -1).mean(1).repeat_interleave(per_group)
    sums = torch.zeros(2, norm.num_channels, dtype=torch.float64, device=clip.device)
    for part in _parts(clip):
        values = (part.to(origin.dtype) - origin).flatten(0, -2)
        ones = values.new_ones(1, len(values))
        sums[0] += (ones @ values)[0]
        sums[1] += (ones @ values.square_())[0]
    mean, square = sums.view(2, groups, -1).sum(-1) / count
    inverse = (square - mean.square() + norm.eps).rsqrt().repeat_interleave(per_group)
    middle = mean.repeat_interleave(per_group) + origin
    scale = norm.weight * inverse
    return scale.to(origin.dtype), (norm.bias - middle * scale).to(origin.dtype)


def full(x: Tensor) -> torch.dtype:
    """What is computed in: at least single precision."""
    return torch.promote_types(x.dtype, torch.float32)


def _writer(work: Work) -> Write:
    """Work in full precision on a few points at once, and write what they become."""

    def write(points: Tensor, out: Tensor) -> None:
        for source, target in zip(_parts(points), _parts(out), strict=True):
            if target.dtype == full(target):
                target.copy_(source)
                work(target)
            else:
                values = source.to(full(source), copy=True)
                work(values)
                target.copy_(values)

    return write


def _parts(points: Tensor) -> Iterator[Tensor]:
    """Points (t, y, x, C), rows of a frame or whole frames at once."""
    step = CPU_STEP if points.device.type in ("cpu", "meta") else DEVICE_STEP
    row = max(1, points[0, 0].numel())
    frame = max(1, points[0].numel())
    for frames in torch.split(points, max(1, step // frame)):
        yield from torch.split(frames, max(1, step // row), dim=1)
