"""3D convolutions of whole clips that differ in what stands around a clip.

Letters: B clips, C channels, T frames of Y x X. Rows and columns are put on both sides; frames
before the clip only, so that the convolution is causal, or on both sides too.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.cutting import NOTHING, POINT, Entrance, Sizes, Window
from kineograph.nn.piecewise import convolve, learning, pointwise


class Border(Protocol):
    """What a convolution sees around its clip."""

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """(B, C, T, Y, X) -> the clip with its border."""
        ...

    def window(self, kernel: Sizes, stride: Sizes) -> Window:
        """The same, for a clip that comes in pieces."""
        ...


@dataclass(frozen=True)
class Zeros:
    """Zeros; in time so many that the last frames of the clip are read (Open-Sora 1.2).

    ahead: they stand on both sides in time too, as many as in the plane.
    """

    ahead: bool = False

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """T grows by kernel - stride, or half a kernel on each side; Y and X always by that."""
        window = self.window(kernel, stride)
        return functional.pad(x, _sides(window))

    def window(self, kernel: Sizes, stride: Sizes) -> Window:
        """The same, for a clip that comes in pieces."""
        return _window(kernel, stride, kernel[0] - stride[0], ahead=self.ahead, repeat=False)


@dataclass(frozen=True)
class Edges:
    """The outermost frame, row and column, repeated (HunyuanVideo, 2412.03603).

    ahead: the last frame too, behind the clip.
    """

    ahead: bool = False

    def around(self, x: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
        """T grows by kernel - 1; Y and X by half a kernel on each side."""
        sides = _sides(self.window(kernel, stride))
        return functional.pad(x, sides, mode="replicate") if any(sides) else x

    def window(self, kernel: Sizes, stride: Sizes) -> Window:
        """The same, for a clip that comes in pieces."""
        return _window(kernel, stride, kernel[0] - 1, ahead=self.ahead, repeat=True)


def _window(kernel: Sizes, stride: Sizes, past: int, *, ahead: bool, repeat: bool) -> Window:
    """Half a kernel on each side of a frame, and `past` frames before the clip unless `ahead`."""
    half, rows, columns = (length // 2 for length in kernel)
    before, behind = (half, half) if ahead else (past, 0)
    sides = ((before, rows, columns), (behind, rows, columns))
    return Window(kernel, stride, *sides, repeat=(repeat, repeat))


def _sides(window: Window) -> tuple[int, ...]:
    """What to put around a clip, as `pad` takes it: the last axis first."""
    axes = zip(reversed(window.before), reversed(window.behind), strict=True)
    return tuple(side for both in axes for side in both)


class BorderedConv(nn.Conv3d):
    """A convolution of a whole clip; its kernel is a cube."""

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
