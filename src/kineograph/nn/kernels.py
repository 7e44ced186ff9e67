"""What clips are convolved with, and how they grow before it.

Letters: B clips, C channels in, C' out, T frames of Y x X, a kernel of t x y x x.
"""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from kineograph.nn.cutting import Sizes, Window


@dataclass(frozen=True)
class Kernel:
    """Weight (C', C, t, y, x) and bias (C',) of a convolution."""

    weight: Tensor
    bias: Tensor | None

    @property
    def inside(self) -> int:
        """C."""
        return self.weight.shape[1]

    @property
    def outside(self) -> int:
        """C'."""
        return self.weight.shape[0]


@dataclass(frozen=True)
class Doubling:
    """How a clip grows before a convolution: rows and columns twice, and maybe frames.

    time: frames too, with a kernel of 3. ahead: a frame sees as far ahead as back, and all are
    doubled; otherwise it sees the past only, and the first frame stays single.
    """

    time: bool
    ahead: bool = False

    def frames(self, count: int) -> int:
        """T -> T'."""
        if not self.time:
            return count
        return 2 * count if self.ahead else 2 * count - 1

    def around(self, long: int) -> tuple[int, int]:
        """Frames before and behind the clip that a kernel of so many sees."""
        return (long // 2, long // 2) if self.ahead else (long - 1, 0)

    def window(self, layer: torch.nn.Conv3d, repeat: tuple[bool, bool]) -> Window:
        """What a layer, 3 wide in the plane, reads of the larger clip."""
        long = layer.kernel_size[0]
        before, behind = self.around(long)
        return Window((long, 3, 3), (1, 1, 1), (before, 1, 1), (behind, 1, 1), repeat)

    def larger(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C, T', 2 Y, 2 X)."""
        for axis in (3, 4, 2)[: 3 if self.time else 2]:
            x = x.repeat_interleave(2, axis)
        return x[:, :, 1:] if self.time and not self.ahead else x


def flat(x: Tensor, kernel: Kernel, window: Window) -> tuple[Kernel, Window]:
    """Of a picture, one kernel in the plane: frames around it are the picture again, or zeros."""
    length, before, behind = window.kernel[0], window.before[0], window.behind[0]
    if x.shape[2] != 1 or length == 1 or length != before + 1 + behind:
        return kernel, window
    weight = kernel.weight
    seen = weight[:, :, before : before + 1]
    if window.repeat[0]:
        parts = (weight[:, :, time : time + 1] for time in range(length))
        seen = reduce(torch.add, parts)  # a third of the time of one sum
    plane = Window(
        _of_plane(1, window.kernel),
        _of_plane(1, window.stride),
        _of_plane(0, window.before),
        _of_plane(0, window.behind),
        window.repeat,
    )
    return Kernel(seen, kernel.bias), plane


def _of_plane(time: int, sizes: Sizes) -> Sizes:
    return time, sizes[1], sizes[2]
