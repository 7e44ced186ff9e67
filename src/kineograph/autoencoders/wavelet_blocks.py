"""The blocks of WF-VAE: norms, residual blocks, attention inside a frame, resampling.

Letters: B clips, C channels, T frames of Y x X. A block that works on frames one by one
is the same block with a time kernel of 1. Every block takes the cache of a chunked clip
and passes it on to what looks into the past.
"""

from typing import Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from kineograph.nn.attention import attend
from kineograph.nn.conv import Cache, CausalConv
from kineograph.nn.entrances import GroupsThenSilu, LayerThenSilu
from kineograph.nn.kernels import Doubling
from kineograph.nn.linear import Linear
from kineograph.nn.piecewise import convolve_doubled, learning
from kineograph.nn.resample import (
    DoubleTime,
    double_space_linear,
    double_space_nearest,
    fold_frames,
    unfold_frames,
)

NormKind = Literal["layer", "group"]


class ChannelNorm(nn.LayerNorm):
    """Normalises the channels of every point by themselves."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class FrameGroupNorm(nn.GroupNorm):
    """Normalises groups of channels within each frame."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        return unfold_frames(super().forward(fold_frames(x)), x.shape[0])


def build_norm(kind: NormKind, channels: int, *, time_kernel: int) -> nn.Module:
    """The norm of a block; 32 groups span the time of blocks that look into the past."""
    if kind == "layer":
        return ChannelNorm(channels, eps=1e-6)
    if time_kernel == 1:
        return FrameGroupNorm(32, channels, eps=1e-6)
    return nn.GroupNorm(32, channels, eps=1e-6)


class Chain(nn.ModuleList):
    """Layers one after the other, with the cache handed to each."""

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> what the last layer makes of it."""
        for layer in self:
            x = layer(x, cache)
        return x


class Residual(nn.Module):
    """Norm, SiLU, convolution, twice, added to the input."""

    def __init__(
        self, inside: int, outside: int, *, time_kernel: int, norm: NormKind, dropout: float
    ) -> None:
        super().__init__()
        kernel = (time_kernel, 3, 3)
        self.norm_1 = build_norm(norm, inside, time_kernel=time_kernel)
        self.conv_1 = CausalConv(inside, outside, kernel)
        self.norm_2 = build_norm(norm, outside, time_kernel=time_kernel)
        self.dropout = nn.Dropout(dropout)
        self.conv_2 = CausalConv(outside, outside, kernel)
        self.shortcut = (
            CausalConv(inside, outside, (1, 1, 1), padding=0)
            if inside != outside
            else nn.Identity()
        )

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T, Y, X); may overwrite x where nothing is learned."""
        y = activated(self.norm_1, self.conv_1, x, cache)
        straight: Tensor = self.shortcut(x)
        if self.training and self.dropout.p:
            changed: Tensor = self.conv_2(self.dropout(functional.silu(self.norm_2(y))), cache)
            return straight + changed
        return activated(self.norm_2, self.conv_2, y, cache, onto=straight)


def activated(
    norm: nn.Module,
    conv: CausalConv,
    x: Tensor,
    cache: Cache | None = None,
    onto: Tensor | None = None,
) -> Tensor:
    """Norm, SiLU and convolution of (B, C, T, Y, X), added to `onto`, which may be overwritten."""
    if isinstance(norm, ChannelNorm):
        return conv.after(LayerThenSilu(norm), x, cache, onto)
    if isinstance(norm, nn.GroupNorm) and not isinstance(norm, FrameGroupNorm):
        return conv.after(GroupsThenSilu(norm), x, cache, onto)
    y: Tensor = conv(functional.silu(norm(x)), cache)
    return y if onto is None else onto + y


class FrameAttention(nn.Module):
    """Every pixel of a frame looks at every other one; one head as wide as the frame."""

    def __init__(self, channels: int, *, norm: NormKind) -> None:
        super().__init__()
        self.norm = build_norm(norm, channels, time_kernel=3)
        self.query = Linear(channels, channels)
        self.key = Linear(channels, channels)
        self.value = Linear(channels, channels)
        self.out = Linear(channels, channels)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> the same; knows no time, so it leaves the cache alone."""
        tokens = rearrange(self.norm(x), "b c t y x -> (b t) (y x) 1 c")
        found = attend(self.query(tokens), self.key(tokens), self.value(tokens))
        frames: Tensor = rearrange(
            self.out(found), "(b t) (y x) 1 c -> b c t y x", b=x.shape[0], y=x.shape[3]
        )
        return x + frames


class Down(nn.Module):
    """Halves rows and columns, and time too when its time kernel is 3."""

    def __init__(self, inside: int, outside: int, *, time_kernel: Literal[1, 3]) -> None:
        super().__init__()
        stride = (1 if time_kernel == 1 else 2, 2, 2)
        self.conv = CausalConv(inside, outside, (time_kernel, 3, 3), stride=stride, padding=0)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T or ceil(T / 2), Y / 2, X / 2)."""
        smaller: Tensor = self.conv(functional.pad(x, (0, 1, 0, 1)), cache)
        return smaller


class UpFrame(nn.Module):
    """Doubles rows and columns: nearest neighbour, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = CausalConv(channels, channels, (1, 3, 3))

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C, T, 2 Y, 2 X)."""
        if not learning():
            return convolve_doubled(x, self.conv, Doubling(time=False), repeat=(True, False))
        larger: Tensor = self.conv(double_space_nearest(x), cache)
        return larger


class UpVolume(nn.Module):
    """Doubles time, then rows and columns linearly, then a causal convolution."""

    def __init__(self, inside: int, outside: int, double_time: DoubleTime) -> None:
        super().__init__()
        self.double_time = double_time
        self.conv = CausalConv(inside, outside)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', 2 T - 1, 2 Y, 2 X), or what a chunk of it gives."""
        larger: Tensor = self.conv(double_space_linear(self.double_time(x, cache)), cache)
        return larger


class Coded(NamedTuple):
    """What a half of the autoencoder gives, with the coefficients of its energy flow.

    result: moments (B, 2 C, F, H, W) of the encoder, video (B, 3, T, Y, X) of the decoder;
    outer (B, 12 or 24, T', Y/4, X/4) and inner (B, 24, F, H, W): wavelet coefficients.
    """

    result: Tensor
    outer: Tensor
    inner: Tensor


def add_to_lowest(bands: Tensor, low: Tensor) -> Tensor:
    """Add a picture (B, 3, T, Y, X) to the lowest of the bands (B, 3 n, T, Y, X)."""
    return torch.cat((bands[:, :3] + low, bands[:, 3:]), dim=1)


def in_step(low: Tensor, layer: nn.Module, other: Tensor, cache: Cache | None) -> Tensor:
    """The frames of `low` that belong to `other`: upsampling holds frames back in chunks."""
    return low if cache is None else cache.wait(layer, low, other.shape[2])
