"""The blocks of the denoising autoencoder; its stages are made of them.

A stage's module takes video features and the `Moment` they are in.

Letters: B clips, C channels, T frames of Y x X.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.wavelet_blocks import ChannelNorm
from kineograph.nn.attention import SelfAttention
from kineograph.nn.centred import CentredConv
from kineograph.nn.conv import Cache, CausalConv
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.norm import rms_norm
from kineograph.types import Draws, Grid

Stride = tuple[int, int, int]  # in time, rows and columns


class Moment(NamedTuple):
    """What stages know besides features.

    time: the decoder's time (B,), already scaled; None in an encoder. draws: for the noise
    that is added inside; None: no noise. cache: of a clip that comes in chunks.
    """

    time: Tensor | None = None
    draws: Draws | None = None
    cache: Cache | None = None


class Half(NamedTuple):
    """What the stages of an encoder or a decoder have in common."""

    conv: type[CausalConv] | type[CentredConv]
    timed: bool


def pixel_norm(x: Tensor) -> Tensor:
    """Divide the channels of every point of (B, C, T, Y, X) by their root mean square."""
    return rms_norm(x.movedim(1, -1), eps=1e-8).movedim(-1, 1)


Affine = Callable[[Tensor], Tensor]


def unchanged(x: Tensor) -> Tensor:
    """The affine that does nothing."""
    return x


def shift_and_scale(rows: Tensor, x: Tensor) -> Tensor:
    """(B, C, T, Y, X) by rows (B, 2, C): the shift, and by how much the scale exceeds 1."""
    shift, scale = rows[..., None, None, None].to(x.dtype).unbind(1)
    return x * (1 + scale) + shift


class Noise(nn.Module):
    """One noise map per clip, for all its frames, with a learned size per channel (StyleGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.size = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> the same; asks once a clip for draws of (B, Y, X)."""
        if moment.draws is None:
            return x
        cache = moment.cache
        noise = None if cache is None else cache.recall(self)
        if noise is None:
            noise = moment.draws((x.shape[0], *x.shape[3:])).to(x)
        if cache is not None:
            cache.keep(self, noise)
        return x + noise[:, None, None] * self.size[:, None]


class Quiet(nn.Module):
    """No noise."""

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        return x


class Residual(nn.Module):
    """Norm, SiLU, convolution, twice, added to the input."""

    def __init__(self, inside: int, outside: int, half: Half, *, noise: bool = False) -> None:
        super().__init__()
        self.conv_1 = half.conv(inside, outside)
        self.noise_1 = Noise(outside) if noise else Quiet()
        self.conv_2 = half.conv(outside, outside)
        self.noise_2 = Noise(outside) if noise else Quiet()
        self.shortcut = (
            nn.Sequential(ChannelNorm(inside, eps=1e-6), nn.Conv3d(inside, outside, 1))
            if inside != outside
            else nn.Identity()
        )

    def forward(
        self,
        x: Tensor,
        moment: Moment,
        affine_1: Affine = unchanged,
        affine_2: Affine = unchanged,
    ) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T, Y, X); the affines follow the norms."""
        y: Tensor = self.conv_1(functional.silu(affine_1(pixel_norm(x))), moment.cache)
        if y.shape[2]:
            y = self.noise_1(y, moment)
            y = self.conv_2(functional.silu(affine_2(pixel_norm(y))), moment.cache)
        if moment.cache is not None:
            x = moment.cache.wait(self, x, y.shape[2])
            if not y.shape[2]:
                return y
        result: Tensor = self.shortcut(x) + self.noise_2(y, moment)
        return result


class AttendedResidual(nn.Module):
    """A residual block, and then every point of the clip looks at every other one."""

    def __init__(self, residual: Residual, width: int, heads: int) -> None:
        super().__init__()
        self.residual = residual
        self.attention = SelfAttention(width, heads)

    def forward(
        self,
        x: Tensor,
        moment: Moment,
        affine_1: Affine = unchanged,
        affine_2: Affine = unchanged,
    ) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        x = self.residual(x, moment, affine_1, affine_2)
        change = self.attention(rearrange(x, "b c t y x -> b (t y x) c"), None, Grid(*x.shape[2:]))
        result: Tensor = x + change.transpose(1, 2).view_as(x)
        return result


Block = Residual | AttendedResidual


class Run(nn.Module):
    """Residual blocks that know no time."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T, Y, X)."""
        for block in self.blocks:
            x = block(x, moment)
        return x


class TimedRun(nn.Module):
    """Residual blocks that are shifted and scaled by one embedding of time.

    Each block adds a table of its own (PixArt-alpha, 2.3, "adaLN-single").
    """

    def __init__(self, width: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.time = NumberEmbedding(4 * width)
        self.tables = nn.ParameterList([time_table(4, width) for _ in blocks])
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        time = self.time(moment.time).unflatten(-1, (4, -1))
        for block, table in zip(self.blocks, self.tables, strict=True):
            first, second = (time + table).split(2, dim=1)
            affines = partial(shift_and_scale, first), partial(shift_and_scale, second)
            x = block(x, moment, *affines)
        return x


def time_table(rows: int, width: int) -> nn.Parameter:
    """Rows (rows, C) of shifts and scales in turn, small and random: of variance 1 / C."""
    bound = (3 / width) ** 0.5
    return nn.Parameter(nn.init.uniform_(torch.empty(rows, width), -bound, bound))


class End(nn.Module):
    """The norm before the last convolution of a decoder that knows no time."""

    def scaled(self, moment: Moment) -> Moment:
        """The moment as it is."""
        return moment

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        return pixel_norm(x)


class TimedEnd(nn.Module):
    """The same, shifted and scaled by time; knows the scale of time for all stages."""

    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = NumberEmbedding(2 * width)
        self.table = time_table(2, width)
        self.register_buffer("scale", torch.tensor(1000.0))

    def scaled(self, moment: Moment) -> Moment:
        """The moment with its time on the scale of the embeddings."""
        assert moment.time is not None
        return moment._replace(time=moment.time * self.scale)

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        rows = self.time(moment.time).unflatten(-1, (2, -1)) + self.table
        return shift_and_scale(rows, pixel_norm(x))


class StridedDown(nn.Module):
    """A causal convolution that leaves frames, rows and columns out."""

    def __init__(self, inside: int, outside: int, stride: Stride) -> None:
        super().__init__()
        self.conv = CausalConv(inside, outside, stride=stride)

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', ceil(T / t), Y / y, X / x)."""
        smaller: Tensor = self.conv(x, moment.cache)
        return smaller


class FoldDown(nn.Module):
    """A convolution whose neighbours move into channels, added to means of its input's."""

    def __init__(self, inside: int, outside: int, stride: Stride, half: Half) -> None:
        super().__init__()
        self.stride = stride
        self.conv = half.conv(inside, outside // math.prod(stride))

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', ceil(T / t), Y / y, X / x)."""
        if self.stride[0] == 2 and (moment.cache is None or moment.cache.first):
            x = torch.cat((x[:, :, :1], x), dim=2)  # the first frame stays alone
        new = fold_volume(self.conv(x, moment.cache), self.stride)
        old = fold_volume(x, self.stride)
        return new + reduce(old, "b (c g) t y x -> b c t y x", "mean", c=new.shape[1])


class UnfoldUp(nn.Module):
    """A convolution whose channels move to neighbours; doubled time loses its first frame."""

    def __init__(self, inside: int, outside: int, stride: Stride, half: Half) -> None:
        super().__init__()
        self.stride = stride
        self.conv = half.conv(inside, outside * math.prod(stride))

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', t T - t + 1, y Y, x X)."""
        y = self.conv(x, moment.cache)
        return self.spread(y, first=self.begins(y, moment))

    def begins(self, y: Tensor, moment: Moment) -> bool:
        """Whether the convolution's result (B, C', T, Y, X) holds the clip's first frame."""
        return moment.cache is None or (y.shape[2] > 0 and moment.cache.begins(self, y))

    def spread(self, x: Tensor, *, first: bool) -> Tensor:
        """(B, t y x C', T, Y, X) -> (B, C', t T - t + 1, y Y, x X); t T where not `first`."""
        larger = unfold_volume(x, self.stride)
        return larger[:, :, 1:] if first and self.stride[0] == 2 else larger


class StraightUp(nn.Module):
    """The same, added to the input, whose channels move likewise and are repeated."""

    def __init__(self, up: UnfoldUp) -> None:
        super().__init__()
        self.up = up

    def forward(self, x: Tensor, moment: Moment) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', t T - t + 1, y Y, x X)."""
        y = self.up.conv(x, moment.cache)
        if moment.cache is not None:
            x = moment.cache.wait(self, x, y.shape[2])
        first = self.up.begins(y, moment)
        new, old = (self.up.spread(one, first=first) for one in (y, x))
        return new + old.repeat(1, new.shape[1] // old.shape[1], 1, 1, 1)


def fold_volume(x: Tensor, stride: Stride) -> Tensor:
    """(B, C, T t, Y y, X x) -> (B, C t y x, T, Y, X)."""
    t, p, q = stride
    return rearrange(x, "b c (t i) (y j) (x k) -> b (c i j k) t y x", i=t, j=p, k=q)


def unfold_volume(x: Tensor, stride: Stride) -> Tensor:
    """The inverse of `fold_volume`."""
    t, p, q = stride
    return rearrange(x, "b (c i j k) t y x -> b c (t i) (y j) (x k)", i=t, j=p, k=q)


def into_channels(video: Tensor, patch: int) -> Tensor:
    """Patches of p x p pixels as channels: (B, 3, T, Y, X) -> (B, 3 p p, T, Y/p, X/p)."""
    return rearrange(video, "b c t (y q) (x r) -> b (c r q) t y x", q=patch, r=patch)


def out_of_channels(x: Tensor, patch: int) -> Tensor:
    """The inverse of `into_channels`."""
    return rearrange(x, "b (c r q) t y x -> b c t (y q) (x r)", q=patch, r=patch)
