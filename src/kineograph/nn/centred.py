"""3D convolution that looks as far ahead as it looks back.

A clip may come in chunks here too: a layer gives a frame when it has seen the next one, so its
output lags one frame behind, and the last chunk brings what is left. What runs beside such a
layer waits for it (`Cache.wait`).

Letters: B clips, C channels, T frames of Y x X.
"""

import torch
from torch import Tensor, nn

from kineograph.nn.conv import Cache
from kineograph.nn.cutting import NOTHING, Entrance, Window
from kineograph.nn.piecewise import convolve, learning


class CentredConv(nn.Conv3d):
    """A 3D convolution whose output frame depends on frames on both sides of its own.

    Before the clip stands its first frame, behind it its last one; around each frame stand
    zeros. It has the weights of a `CausalConv` of the same sizes.
    """

    weight: nn.Parameter

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside, 3, padding=(0, 1, 1))

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T, Y, X), or what a chunk of it gives, maybe no frame."""
        return self.after(NOTHING, x, cache)

    def after(
        self,
        entrance: Entrance,
        x: Tensor,
        cache: Cache | None = None,
        onto: Tensor | None = None,
    ) -> Tensor:
        """The same of what an entrance makes of x.

        Args:
            entrance: what stands before the convolution.
            x: (B, C, T, Y, X).
            cache: of a clip in chunks.
            onto: added to the result, (B, C', T, Y, X); overwritten where nothing is learned.
        """
        if cache is None and not learning():
            return convolve(x, self, entrance, self._window(1), onto)
        x = entrance(x)
        if cache is None:
            y = super().forward(torch.cat((x[:, :, :1], x, x[:, :, -1:]), dim=2))
        else:
            y = self._chunk(x, cache)
        return y if onto is None else onto + y

    def _window(self, around: int) -> Window:
        """With so many frames before and behind the clip."""
        repeat = (True, self.padding_mode == "replicate")
        return Window((3, 3, 3), before=(around, 1, 1), behind=(around, 1, 1), repeat=repeat)

    def _chunk(self, x: Tensor, cache: Cache) -> Tensor:
        """What a chunk gives."""
        seen = self._with_past(x, cache)
        if seen.shape[2] < 3:
            if seen.shape[2]:
                cache.keep(self, seen)
            return x.new_empty(len(x), self.out_channels, 0, *x.shape[3:])
        cache.keep(self, seen[:, :, -2:])
        return (
            super().forward(seen) if learning() else convolve(seen, self, NOTHING, self._window(0))
        )

    def _with_past(self, x: Tensor, cache: Cache) -> Tensor:
        """A chunk behind what is left of those before it."""
        past = cache.recall(self)
        if past is None:
            past = x[:, :, :1]
        seen = torch.cat((past, x), dim=2)
        return torch.cat((seen, seen[:, :, -1:]), dim=2) if cache.last else seen
