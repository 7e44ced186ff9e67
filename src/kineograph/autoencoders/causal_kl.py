"""HunyuanVideo's causal KL autoencoder (Kong et al., 2412.03603, section 4.1).

The coder of picture autoencoders with causal 3D convolutions; in the middle a point sees
its own frame and earlier ones. Group norms see all frames, so it is not strictly causal.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import torch
from torch import Tensor, nn

from kineograph.autoencoders.coding import as_posterior
from kineograph.autoencoders.kl_coder import Decoder, Encoder, Levels, PointAttention
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.autoencoders.pieces import LEAST, Pieces, ladder, twin
from kineograph.autoencoders.tiled import PIXELS, Cells
from kineograph.errors import ConfigError
from kineograph.nn.borders import BorderedConv, Edges
from kineograph.nn.kernels import Doubling
from kineograph.nn.piecewise import convolve_doubled, learning
from kineograph.nn.resample import DoubleTimeNearest, double_space_nearest
from kineograph.types import Draws, Legal, Posterior, Reconstruction, Statistics

BORDER = Edges()


@dataclass(frozen=True, kw_only=True)
class CausalKLConfig:
    """A causal KL autoencoder; the defaults are the published one's.

    widths: of the levels, from pixels to latents.
    blocks: residual blocks of each encoder level; a decoder level has one more.
    groups: of every norm.
    attention: whether the middle looks around.
    time, space: how many frames, and rows or columns, become one. The first levels halve
        the sides, the last levels but one halve time.
    scale, shift: normalised = (latent - shift) * scale.
    tiling: None: every clip at once.
    """

    kind: Literal["causal_kl"] = "causal_kl"
    latent_channels: int = 16
    widths: tuple[int, ...] = (128, 256, 512, 512)
    blocks: int = 2
    groups: int = 32
    attention: bool = True
    time: Literal[4, 8] = 4
    space: int = 8
    scale: float = 0.476986
    shift: float = 0.0
    tiling: OverlapTiling | None = None

    def __post_init__(self) -> None:
        most = 2 ** (len(self.widths) - 1)
        for name, value in (("time", self.time), ("space", self.space)):
            if value not in {2**i for i in range(len(self.widths))}:
                raise ConfigError(f"{name} = {value}: expected a power of 2, at most {most}")
        if self.tiling is not None:
            self.tiling.check(self.cells)

    @property
    def levels(self) -> Levels:
        """The sizes of both coders."""
        return Levels(widths=self.widths, blocks=self.blocks, latent_channels=self.latent_channels)

    @property
    def cells(self) -> Cells:
        """What a latent stands for where clips are cut: the published code counts levels."""
        return Cells(self.time, int(2 ** (len(self.widths) - 1)))

    def factors(self, step: int) -> tuple[int, int]:
        """By how much a level of either coder changes time and sides."""
        last = len(self.widths) - 1
        slow = last - self.time.bit_length() + 1
        return 2 if slow <= step < last else 1, 2 if step < self.space.bit_length() - 1 else 1

    def build(self) -> "CausalKL":
        """The module, randomly initialised."""
        return CausalKL(self)


@dataclass(frozen=True)
class CausalParts:
    """Causal 3D convolutions and group norms of whole clips."""

    config: CausalKLConfig

    def conv(self, inside: int, outside: int, kernel: int) -> nn.Module:
        """With the edges repeated around the clip."""
        return BorderedConv(inside, outside, kernel, border=BORDER)

    def norm(self, channels: int) -> nn.Module:
        """Over groups of channels and all frames."""
        return nn.GroupNorm(self.config.groups, channels, eps=1e-6)

    def down(self, step: int, channels: int) -> nn.Module:
        """A convolution with a stride."""
        factors = self.config.factors(step)
        return nn.Identity() if factors == (1, 1) else Shrink(channels, *factors)

    def up(self, step: int, channels: int) -> nn.Module:
        """Nearest neighbours, then a convolution."""
        factors = self.config.factors(step)
        return nn.Identity() if factors == (1, 1) else Grow(channels, *factors)

    def attention(self, channels: int) -> nn.Module:
        """Among all points of a frame and of those before it."""
        if not self.config.attention:
            return nn.Identity()
        return PointAttention(channels, self.norm(channels), past_only)


def past_only(x: Tensor) -> Tensor | None:
    """The bias (N, N) of points of (B, C, T, Y, X) that see no later frame; N = T Y X."""
    frames, size = x.shape[2], x.shape[3] * x.shape[4]
    if frames == 1:
        return None
    when = torch.arange(frames, device=x.device).repeat_interleave(size)
    return torch.zeros(len(when), len(when), dtype=x.dtype, device=x.device).masked_fill(
        when[:, None] < when, -inf
    )


class Shrink(nn.Module):
    """Divides time and sides by 1 or 2."""

    def __init__(self, channels: int, time: int, space: int) -> None:
        super().__init__()
        stride = (time, space, space)
        self.conv = BorderedConv(channels, channels, 3, border=BORDER, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C, ceil(T / time), ceil(Y / space), ceil(X / space))."""
        smaller: Tensor = self.conv(x)
        return smaller


class Grow(nn.Module):
    """Multiplies time and sides by 1 or 2; the first frame stays single."""

    def __init__(self, channels: int, time: int, space: int) -> None:
        super().__init__()
        self.time = DoubleTimeNearest() if time == 2 else nn.Identity()
        self.doubled = space == 2
        self.space = double_space_nearest if self.doubled else nn.Identity()
        self.conv = BorderedConv(channels, channels, 3, border=BORDER)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C, time (T - 1) + 1, space Y, space X)."""
        if self.doubled and not learning():
            doubling = Doubling(time=isinstance(self.time, DoubleTimeNearest))
            return convolve_doubled(x, self.conv, doubling, repeat=(True, True))
        larger: Tensor = self.conv(self.space(self.time(x)))
        return larger


class CausalKL(nn.Module):
    """Video (B, 3, T, Y, X) in [-1, 1] to latents (B, C, F, Y / 8, X / 8) and back.

    T = 4 (F - 1) + 1. Clips of other sizes can be encoded too, but come back larger in rows
    and columns and shorter in time.
    """

    def __init__(self, config: CausalKLConfig) -> None:
        super().__init__()
        self.config = config
        parts, channels = CausalParts(config), config.latent_channels
        self.encoder = Encoder(config.levels, parts)
        self.decoder = Decoder(config.levels, parts)
        self.mix_moments = parts.conv(2 * channels, 2 * channels, 1)
        self.mix_latents = parts.conv(channels, channels, 1)

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest clip that comes back in its own size."""
        time, space = self.config.time, self.config.space
        return Legal(
            frames=max(0, round((frames - 1) / time)) * time + 1,
            height=max(1, round(height / space)) * space,
            width=max(1, round(width / space)) * space,
            rule=f"frames = {time} n + 1, height and width multiples of {space}",
        )

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of any clip."""
        time, space = self.config.time, self.config.space
        return (
            self.config.latent_channels,
            (frames - 1) // time + 1,
            (height - 1) // space + 1,
            (width - 1) // space + 1,
        )

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> the distribution of un-normalised latents; needs no draws."""
        video, tiling = self._enter(video), self.config.tiling
        if tiling is None:
            return as_posterior(self._moments(video))
        return as_posterior(tiling.send(self._moments, video, PIXELS, self.config.cells, lead=1))

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) in [-1, 1] -> normalised latents (B, C, F, H, W); None: the mode."""
        return self.normalise(self.posterior(video).sample(draws))

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X); needs no draws.

        Raises:
            ConfigError: `frames` is not what F latent frames give.
        """
        whole = (latents.shape[2] - 1) * self.config.time + 1
        if frames not in (None, whole):
            raise ConfigError(f"{frames} frames: {latents.shape[2]} latent frames give {whole}")
        return self.decode_raw(self.denormalise(latents))

    def decode_raw(self, latents: Tensor) -> Tensor:
        """Un-normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X)."""
        latents, tiling = self._enter(latents), self.config.tiling
        if tiling is None:
            return self._video(latents)
        return tiling.send(self._video, latents, self.config.cells, PIXELS, lead=1)

    def pieces(self) -> Sequence[Pieces]:
        """Tiles in time, whose group norms see only themselves, and in space; none are exact."""
        return ladder(self.config.cells, frames=LEAST)

    def cut(self, pieces: Pieces) -> "CausalKL":
        """The same weights, coding in pieces."""
        other = twin(self)
        other.config = replace(self.config, tiling=pieces.blocks())
        return other

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents, (B, C, F, H, W)."""
        return (latents - self.config.shift) * self.config.scale

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return latents / self.config.scale + self.config.shift

    def train_forward(self, video: Tensor, draws: Draws) -> Reconstruction:
        """(B, 3, T, Y, X) -> its reconstruction from a sample of the posterior, not tiled."""
        posterior = as_posterior(self._moments(self._enter(video)))
        return Reconstruction(self._video(posterior.sample(draws)), posterior)

    def measured(self, statistics: Statistics) -> CausalKLConfig:
        """This model's configuration with one shift and scale, as measured."""
        return replace(
            self.config,
            shift=statistics.common_mean,
            scale=1.0 / statistics.common_spread,
        )

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the decoder's last convolution."""
        return self.decoder.last_layer

    def _moments(self, video: Tensor) -> Tensor:
        moments: Tensor = self.mix_moments(self.encoder(video))
        return moments

    def _video(self, latents: Tensor) -> Tensor:
        video: Tensor = self.decoder(self.mix_latents(latents))
        return video

    def _enter(self, x: Tensor) -> Tensor:
        """To the weights' dtype, and channels last, as pieces are read."""
        return x.to(self.last_layer.dtype, memory_format=torch.channels_last_3d)
