"""The blocks of the denoising autoencoder; its stages are made of them.

A stage's module takes video features and the `Moment` they are in.

Letters: B clips, C channels, T frames of Y x X.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from kineograph.autoencoders.wavelet_blocks import ChannelNorm
from kineograph.nn.attention import SelfAttention
from kineograph.nn.centred import CentredConv
from kineograph.nn.conv import Cache, CausalConv
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.entrances import PointsThenSilu
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
        rows_1: Tensor | None = None,
        rows_2: Tensor | None = None,
    ) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T, Y, X); may overwrite x where nothing is learned.

        rows: what follows the norms, (B or 1, 2, C) as in `PointsThenSilu`.
        """
        cache, second = moment.cache, PointsThenSilu(rows_2)
        y = self.conv_1.after(PointsThenSilu(rows_1), x, cache)
        if y.shape[2]:
            y = self.noise_1(y, moment)
        if cache is None:
            y = self.conv_2.after(second, y, onto=self.shortcut(x))
        else:
            y = self.conv_2.after(second, y, cache) if y.shape[2] else y
            x = cache.wait(self, x, y.shape[2])
            if not y.shape[2]:
                return y
            y = self.shortcut(x) + y
        result: Tensor = self.noise_2(y, moment)
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
        rows_1: Tensor | None = None,
        rows_2: Tensor | None = None,
    ) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        x = self.residual(x, moment, rows_1, rows_2)
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
            x = block(x, moment, first, second)
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

    def forward(self, moment: Moment) -> PointsThenSilu:
        """What stands before the convolution."""
        return PointsThenSilu()


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

    def forward(self, moment: Moment) -> PointsThenSilu:
        """What stands before the convolution."""
        return PointsThenSilu(self.time(moment.time).unflatten(-1, (2, -1)) + self.table)


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
        times = rearrange(new, "b (n c) t y x -> b n c t y x", c=old.shape[1])
        result: Tensor = (times + old.unsqueeze(1)).flatten(1, 2)
        return result


def fold_volume(x: Tensor, stride: Stride) -> Tensor:
    """(B, C, T t, Y y, X x) -> (B, C t y x, T, Y, X)."""
    t, p, q = stride
    points = rearrange(x, "b c (t i) (y j) (x k) -> b t y x (c i j k)", i=t, j=p, k=q)
    return points.movedim(-1, 1)  # channels last in memory, as convolutions read it


def unfold_volume(x: Tensor, stride: Stride) -> Tensor:
    """The inverse of `fold_volume`."""
    t, p, q = stride
    points = rearrange(x, "b (c i j k) t y x -> b (t i) (y j) (x k) c", i=t, j=p, k=q)
    return points.movedim(-1, 1)


def into_channels(video: Tensor, patch: int) -> Tensor:
    """Patches of p x p pixels as channels: (B, 3, T, Y, X) -> (B, 3 p p, T, Y/p, X/p)."""
    return rearrange(video, "b c t (y q) (x r) -> b (c r q) t y x", q=patch, r=patch)


def out_of_channels(x: Tensor, patch: int) -> Tensor:
    """The inverse of `into_channels`."""
    return rearrange(x, "b (c r q) t y x -> b c t (y q) (x r)", q=patch, r=patch)
