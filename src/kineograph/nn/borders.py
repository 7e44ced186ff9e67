"""Causal 3D convolutions that differ in what stands around a clip.

Letters: B clips, C channels, T frames of Y x X. Frames are put before a clip only, rows and
columns on both sides.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional

Sizes = tuple[int, int, int]


class Border(Protocol):
    """What a causal convolution sees before and beside its clip."""

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """(B, C, T, Y, X) -> the clip with its border."""
        ...


@dataclass(frozen=True)
class Zeros:
    """Zeros; in time so many that the last frames of the clip are read (Open-Sora 1.2)."""

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """T grows by kernel - stride; Y and X by half a kernel on each side."""
        rows, columns = kernel[1] // 2, kernel[2] // 2
        return functional.pad(x, (columns, columns, rows, rows, kernel[0] - stride[0], 0))


@dataclass(frozen=True)
class Edges:
    """The outermost frame, row and column, repeated (HunyuanVideo, 2412.03603)."""

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """T grows by kernel - 1; Y and X by half a kernel on each side."""
        rows, columns = kernel[1] // 2, kernel[2] // 2
        sides = (columns, columns, rows, rows, kernel[0] - 1, 0)
        return functional.pad(x, sides, mode="replicate") if any(sides) else x


class BorderedConv(nn.Conv3d):
    """A causal convolution of a whole clip; its kernel is a cube."""

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int,
        *,
        border: Border,
        stride: Sizes = (1, 1, 1),
        bias: bool = True,
    ) -> None:
        super().__init__(inside, outside, kernel, stride=stride, bias=bias)
        self.border = border
        self.sizes: tuple[Sizes, Sizes] = ((kernel, kernel, kernel), stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T', Y', X'), each about its length / stride."""
        return super().forward(self.border.around(x, *self.sizes))
