"""Causal 3D convolutions that differ in what stands around a clip.

Letters: B clips, C channels, T frames of Y x X. Frames are put before a clip only, rows and
columns on both sides.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.cutting import NOTHING, POINT, Entrance, Sizes, Window
from kineograph.nn.piecewise import convolve, learning, pointwise


class Border(Protocol):
    """What a causal convolution sees before and beside its clip."""

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """(B, C, T, Y, X) -> the clip with its border."""
        ...

    def window(self, kernel: Sizes, stride: Sizes) -> Window:
        """The same, for a clip that comes in pieces."""
        ...


@dataclass(frozen=True)
class Zeros:
    """Zeros; in time so many that the last frames of the clip are read (Open-Sora 1.2)."""

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """T grows by kernel - stride; Y and X by half a kernel on each side."""
        rows, columns = kernel[1] // 2, kernel[2] // 2
        return functional.pad(x, (columns, columns, rows, rows, kernel[0] - stride[0], 0))

    def window(self, kernel: Sizes, stride: Sizes) -> Window:
        """The same, for a clip that comes in pieces."""
        rows, columns = kernel[1] // 2, kernel[2] // 2
        before = (kernel[0] - stride[0], rows, columns)
        return Window(kernel, stride, before, (0, rows, columns), repeat=(False, False))


@dataclass(frozen=True)
class Edges:
    """The outermost frame, row and column, repeated (HunyuanVideo, 2412.03603)."""

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """T grows by kernel - 1; Y and X by half a kernel on each side."""
        rows, columns = kernel[1] // 2, kernel[2] // 2
        sides = (columns, columns, rows, rows, kernel[0] - 1, 0)
        return functional.pad(x, sides, mode="replicate") if any(sides) else x

    def window(self, kernel: Sizes, stride: Sizes) -> Window:
        """The same, for a clip that comes in pieces."""
        rows, columns = kernel[1] // 2, kernel[2] // 2
        return Window(kernel, stride, (kernel[0] - 1, rows, columns), (0, rows, columns))


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
        if self.sizes == POINT:
            return pointwise(x, self)
        return self.after(NOTHING, x)

    def after(self, entrance: Entrance, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """The same of what an entrance makes of x.

        Args:
            entrance: what stands before the convolution.
            x: (B, C, T, Y, X).
            onto: added to the result, (B, C', T', Y', X'); overwritten where nothing is learned.
        """
        if not learning():
            return convolve(x, self, entrance, self.border.window(*self.sizes), onto)
        y = super().forward(self.border.around(entrance(x), *self.sizes))
        return y if onto is None else onto + y
