"""Causal convolution over time, for whole clips and for clips that come in chunks.

Letters: B clips, C channels, T frames of Y x X.

A causal layer sees the past only, so a long clip may pass through a network in pieces if
every layer remembers the last frames it read ("Causal Cache", WF-VAE, section 3.3). What
is remembered lives in a `Cache` that travels with the data; layers have no hidden state.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from kineograph.nn.cutting import NOTHING, POINT, Entrance, Window
from kineograph.nn.piecewise import convolve, learning, pointwise
from kineograph.nn.tiling import join


class Cache:
    """What the layers of a causal network remember between the chunks of one clip.

    `first` and `last` say whether the chunk on its way begins or ends the clip.
    """

    def __init__(self) -> None:
        self.first = True
        self.last = False
        self._frames: dict[nn.Module, Tensor] = {}

    def recall(self, layer: nn.Module) -> Tensor | None:
        """The frames that a layer kept, (B, C, t, Y, X); None in the first chunk."""
        return self._frames.get(layer)

    def keep(self, layer: nn.Module, frames: Tensor) -> None:
        """Keep frames (B, C, t, Y, X) of a layer for the next chunk; t may be 0."""
        if not self.last:
            self._frames[layer] = frames.clone()  # a view would keep the whole chunk alive

    def wait(self, layer: nn.Module, x: Tensor, frames: int) -> Tensor:
        """The next `frames` frames of a stream that runs ahead of another one.

        Args:
            layer: whose output the stream is.
            x: new frames, (B, C, T, Y, X); what is not due yet is kept.
            frames: how many are due.

        Returns:
            (B, C, frames, Y, X).
        """
        kept = self.recall(layer)
        if kept is not None:
            x = torch.cat((kept, x), dim=2)
        self.keep(layer, x[:, :, frames:])
        return x[:, :, :frames]

    def begins(self, layer: nn.Module, x: Tensor) -> bool:
        """Whether x (B, C, T, Y, X), T above 0, is the first that a layer gets of the clip.

        That is not always the first chunk: what looks ahead gives nothing until it has seen
        enough. A layer that asks keeps nothing else.
        """
        first = layer not in self._frames
        self._frames.setdefault(layer, x.new_empty(0))
        return first


def in_chunks(
    network: Callable[[Tensor, Cache], Tensor], x: Tensor, frames: Sequence[int]
) -> Tensor:
    """Send a clip through a causal network piece by piece.

    Args:
        network: takes a piece and the cache; it may give the frames of one with a later one.
        x: (B, C, T, Y, X).
        frames: how many frames each piece has; they add up to T.

    Returns:
        The network's outputs, joined along time.
    """
    cache = Cache()
    pieces = torch.split(x, list(frames), dim=2)
    outputs = []
    for index, piece in enumerate(pieces):
        cache.first = index == 0
        cache.last = index == len(pieces) - 1
        outputs.append(network(piece, cache))
    return join(outputs, dim=2)


class CausalConv(nn.Conv3d):
    """A 3D convolution whose output frame depends on input frames up to its own only.

    Before the clip stands its first frame, repeated; around each frame stand `padding`
    zeros. With a time kernel of 1 it is a 2D convolution of every frame.
    """

    weight: nn.Parameter

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: tuple[int, int, int] = (3, 3, 3),
        *,
        stride: tuple[int, int, int] = (1, 1, 1),
        padding: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            inside, outside, kernel, stride=stride, padding=(0, padding, padding), bias=bias
        )
        self.sizes, self.sides = (kernel, stride), padding

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', ceil(T / stride), Y', X'), or what a chunk of it gives."""
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
            onto: added to the result, (B, C', T', Y', X'); overwritten where nothing is learned.
        """
        if learning():
            y = super().forward(self._after_past(entrance(x), cache))
            return y if onto is None else onto + y
        if self.sizes == POINT and entrance is NOTHING and onto is None:
            return pointwise(x, self)
        kernel, stride = self.sizes
        sides, past = (self.sides, self.sides), kernel[0] - 1
        if cache is not None:
            x, entrance, past = self._after_past(entrance(x), cache), NOTHING, 0
        repeat = (True, self.padding_mode == "replicate")
        window = Window(kernel, stride, (past, *sides), (0, *sides), repeat)
        return convolve(x, self, entrance, window, onto)

    def _after_past(self, x: Tensor, cache: Cache | None) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1:
            return x
        past = None if cache is None else cache.recall(self)
        # Repeated slices and not one expanded view, whose zero stride would lose channels-last.
        before = [x[:, :, :1]] * (kernel - 1) if past is None else [past]
        x = torch.cat((*before, x), dim=2)
        if cache is not None:
            used = ((x.shape[2] - kernel) // stride + 1) * stride
            cache.keep(self, x[:, :, used:])
        return x
