"""3D convolution that looks as far ahead as it looks back.

A clip may come in chunks here too: a layer gives a frame when it has seen the next one, so its
output lags one frame behind, and the last chunk brings what is left. What runs beside such a
layer waits for it (`Cache.wait`).

Letters: B clips, C channels, T frames of Y x X.
"""

import torch
from torch import Tensor, nn

from kineograph.nn.conv import Cache


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
        if cache is None:
            return super().forward(torch.cat((x[:, :, :1], x, x[:, :, -1:]), dim=2))
        seen = self._with_past(x, cache)
        if seen.shape[2] < 3:
            if seen.shape[2]:
                cache.keep(self, seen)
            return x.new_empty(len(x), self.out_channels, 0, *x.shape[3:])
        cache.keep(self, seen[:, :, -2:])
        return super().forward(seen)

    def _with_past(self, x: Tensor, cache: Cache) -> Tensor:
        """A chunk behind what is left of those before it."""
        past = cache.recall(self)
        if past is None:
            past = x[:, :, :1]
        seen = torch.cat((past, x), dim=2)
        return torch.cat((seen, seen[:, :, -1:]), dim=2) if cache.last else seen
