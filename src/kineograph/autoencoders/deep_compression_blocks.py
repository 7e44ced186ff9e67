"""Layers of the deep-compression autoencoder: blocks of both kinds, and changes of size.

Every change of size or width has a shortcut without weights, so that layers learn only what
it misses (Chen et al., DC-AE, 2410.10733, section 3.1; Open-Sora 2.0, 2503.09642, section 3.2).
Convolutions see zeros around the clip, in time too: none of this is causal.

Letters: B clips, C channels, T frames of Y x X, A heads of K channels, N = T Y X points.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.denoising_blocks import fold_volume, unfold_volume
from kineograph.nn.borders import BorderedConv, Zeros
from kineograph.nn.cutting import Sizes
from kineograph.nn.entrances import Then
from kineograph.nn.kernels import Doubling
from kineograph.nn.norm import rms_norm
from kineograph.nn.piecewise import convolve_doubled, learning

HEAD = 32
BORDER = Zeros(ahead=True)
SILU, RELU = Then(functional.silu), Then(functional.relu)


def conv(inside: int, outside: int, kernel: int = 3, *, bias: bool = True) -> BorderedConv:
    """A cubic convolution that keeps the size."""
    return BorderedConv(inside, outside, kernel, border=BORDER, bias=bias)


def grouped(channels: int, kernel: int, groups: int, *, bias: bool = True) -> nn.Conv3d:
    """A cubic convolution among groups of channels that keeps the size."""
    return nn.Conv3d(channels, channels, kernel, padding=kernel // 2, groups=groups, bias=bias)


def average_channels(x: Tensor, channels: int) -> Tensor:
    """(B, n C, T, Y, X) -> (B, C, T, Y, X), the mean of each n neighbours."""
    return rearrange(x, "b (c n) t y x -> b c n t y x", c=channels).mean(2)


def repeat_channels(x: Tensor, channels: int) -> Tensor:
    """(B, C, T, Y, X) -> (B, n C, T, Y, X), each channel n times in a row."""
    return x.repeat_interleave(channels // x.shape[1], dim=1)


def factors(x: Tensor, *, time: bool) -> Sizes:
    """By what a layer changes the size of (B, C, T, Y, X); a single frame stays single."""
    return (2 if time and x.shape[2] > 1 else 1, 2, 2)


class ChannelNorm(nn.Module):
    """Divides every point by the root mean square of its channels; learned weight and bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        points = rms_norm(x.movedim(1, -1), 1e-5, self.weight)
        return _added(points, self.bias).movedim(-1, 1)


class Residual(nn.Module):
    """Convolution, SiLU, convolution, norm, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_1 = conv(width, width)
        self.conv_2 = conv(width, width, bias=False)
        self.norm = ChannelNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        y: Tensor = self.norm(self.conv_2.after(SILU, self.conv_1(x)))
        return _added(y, x)


class LinearAttention(nn.Module):
    """Every point looks at all points of the clip, at a cost that grows with N, not with N².

    The weight of a point is relu(q) · relu(k) (EfficientViT, 2205.14756, section 3.1). Beside
    queries, keys and values of single points stand those of neighbourhoods, as further heads.

    reaches: edges of these neighbourhoods, odd.
    """

    def __init__(self, width: int, reaches: Sequence[int]) -> None:
        super().__init__()
        inner = 3 * width
        self.enter = conv(width, inner, 1, bias=False)
        self.around = nn.ModuleList(
            nn.Sequential(
                grouped(inner, reach, inner, bias=False),
                grouped(inner, 1, inner // HEAD, bias=False),
            )
            for reach in reaches
        )
        self.out = conv((1 + len(reaches)) * width, width, 1, bias=False)
        self.norm = ChannelNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        points = self.enter(x)
        looks = torch.cat([points, *(around(points) for around in self.around)], dim=1)
        heads = rearrange(looks, "b (a three k) t y x -> three b a k (t y x)", three=3, k=HEAD)
        seen = linear_attention(*heads.to(torch.promote_types(x.dtype, torch.float32)))
        found: Tensor = self.norm(self.out(seen.reshape(len(x), -1, *x.shape[2:]).to(x.dtype)))
        return found


def linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What points see whose weights are relu(q) · relu(k), normalised; all (B, A, K, N)."""
    query, key = functional.relu(query), functional.relu(key)
    value = functional.pad(value, (0, 0, 0, 1), value=1.0)  # one more row sums the weights
    sums = (value @ key.transpose(-1, -2)) @ query
    return sums[:, :, :-1] / (sums[:, :, -1:] + 1e-15)


class GatedMix(nn.Module):
    """Widens each point, lets neighbours mix channel by channel, gates, and narrows."""

    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__()
        inner = ratio * width
        self.widen = conv(width, 2 * inner, 1)
        self.around = grouped(2 * inner, 3, 2 * inner)
        self.narrow = conv(inner, width, 1, bias=False)
        self.norm = ChannelNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        value, gate = self.around(functional.silu(self.widen(x))).chunk(2, dim=1)
        mixed: Tensor = self.norm(self.narrow(value * functional.silu(gate)))
        return mixed


class Attentive(nn.Module):
    """Look everywhere, then mix neighbours; each added to its input."""

    def __init__(self, width: int, reaches: Sequence[int]) -> None:
        super().__init__()
        self.look = LinearAttention(width, reaches)
        self.mix = GatedMix(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> the same."""
        x = _added(self.look(x), x)
        return _added(self.mix(x), x)


class Down(nn.Module):
    """Halves rows and columns, and time if told so; the shortcut folds points and averages."""

    def __init__(self, inside: int, outside: int, *, time: bool) -> None:
        super().__init__()
        stride = (2 if time else 1, 2, 2)
        self.conv = BorderedConv(inside, outside, 3, border=BORDER, stride=stride)
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T / 2 or T, Y / 2, X / 2)."""
        folded = fold_volume(x, factors(x, time=self.time))
        new: Tensor = self.conv(x)
        return _added(new, average_channels(folded, new.shape[1]))


class Up(nn.Module):
    """Doubles rows and columns, and time if told so; the shortcut repeats and unfolds."""

    def __init__(self, inside: int, outside: int, *, time: bool) -> None:
        super().__init__()
        self.conv = conv(inside, outside)
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', 2 T or T, 2 Y, 2 X)."""
        t, p, q = factors(x, time=self.time)
        if learning():
            larger = functional.interpolate(x, scale_factor=(t, p, q), mode="nearest")
            new: Tensor = self.conv(larger)
        else:
            doubling = Doubling(time=t == 2, ahead=True)
            new = convolve_doubled(x, self.conv, doubling, repeat=(False, False))
        copies = repeat_channels(x, t * p * q * new.shape[1])
        return _added(new, unfold_volume(copies, (t, p, q)))


class Narrow(nn.Module):
    """The encoder's end: fewer channels, with their averages as the shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = conv(inside, outside)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C', F, H, W)."""
        new: Tensor = self.conv(x)
        return _added(new, average_channels(x, new.shape[1]))


class Widen(nn.Module):
    """The decoder's beginning: more channels, with copies as the shortcut."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = conv(inside, outside)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, C', F, H, W)."""
        new: Tensor = self.conv(x)
        return _added(new, repeat_channels(x, new.shape[1]))


def _added(new: Tensor, old: Tensor) -> Tensor:
    """Their sum, in the place of the first where nothing is learned."""
    return new + old if learning() else new.add_(old)
