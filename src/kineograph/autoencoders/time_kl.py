"""The autoencoder over time of Open-Sora 1.2, for the latents of a picture autoencoder.

Causal convolutions shorten a clip of latents, rows and columns stay (Zheng et al., Open-Sora,
2412.20404, section 3; the design is MAGVIT-v2's, 2310.05737). There are zeros before a
clip, so that its length is a multiple of the compression; group norms see all of its frames.

Letters: B clips, T frames of C channels on H x W, F frames after coding.
"""

from dataclasses import dataclass
from typing import Literal

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.coding import as_posterior
from kineograph.autoencoders.kl_coder import activated, residuals
from kineograph.errors import ConfigError
from kineograph.nn.borders import BorderedConv, Zeros
from kineograph.types import Posterior

BORDER = Zeros()


@dataclass(frozen=True, kw_only=True)
class TimeKLConfig:
    """An autoencoder over time; the defaults are the published one's.

    channels: of the frames that are coded.
    latent_channels: after coding; inner_channels: before the last 1 x 1 x 1 convolution.
    base: width of the first level; factors: what multiplies it in each level.
    halves: whether time is halved after each level but the last.
    blocks: residual blocks of each level, and of the deepest one once more.
    groups: of every norm.
    """

    kind: Literal["time_kl"] = "time_kl"
    channels: int = 4
    inner_channels: int = 4
    latent_channels: int = 4
    base: int = 128
    factors: tuple[int, ...] = (1, 2, 2, 4)
    halves: tuple[bool, ...] = (False, True, True)
    blocks: int = 4
    groups: int = 32

    def __post_init__(self) -> None:
        if len(self.halves) != len(self.factors) - 1:
            raise ConfigError(
                f"halves has {len(self.halves)} values: expected {len(self.factors) - 1}, "
                f"one between each two of {len(self.factors)} levels"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the levels."""
        return tuple(self.base * factor for factor in self.factors)

    @property
    def step(self) -> int:
        """How many frames become one."""
        return int(2 ** sum(self.halves))

    def build(self) -> "TimeKL":
        """The module, randomly initialised."""
        return TimeKL(self)


@dataclass(frozen=True)
class TimeLayers:
    """Layers of the residual blocks."""

    groups: int

    def conv(self, inside: int, outside: int, kernel: int) -> nn.Module:
        """Causal, without bias."""
        return BorderedConv(inside, outside, kernel, border=BORDER, bias=False)

    def norm(self, channels: int) -> nn.Module:
        """Over groups of channels and the whole clip."""
        return nn.GroupNorm(self.groups, channels)


class DoubleTime(nn.Module):
    """Twice as many frames: a convolution makes two out of the channels of one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = BorderedConv(channels, 2 * channels, 3, border=BORDER)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, 2 T, H, W)."""
        both: Tensor = self.conv(x)
        return rearrange(both, "b (c two) t h w -> b c (t two) h w", two=2)


class TimeEncoder(nn.Module):
    """Frames to moments; levels count from the full length."""

    def __init__(self, config: TimeKLConfig) -> None:
        super().__init__()
        layers, widths = TimeLayers(config.groups), config.widths
        before = (widths[0], *widths)
        self.enter = BorderedConv(config.channels, widths[0], 3, border=BORDER, bias=False)
        self.levels = nn.ModuleList(
            residuals(before[i], width, config.blocks, layers) for i, width in enumerate(widths)
        )
        self.resize = nn.ModuleList(
            BorderedConv(width, width, 3, border=BORDER, stride=(2, 1, 1))
            if halved
            else nn.Identity()
            for width, halved in zip(widths, (*config.halves, False), strict=True)
        )
        self.middle = residuals(widths[-1], widths[-1], config.blocks, layers)
        self.norm = layers.norm(widths[-1])
        self.out = BorderedConv(widths[-1], 2 * config.inner_channels, 1, border=BORDER)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, 2 C', F, H, W)."""
        x = self.enter(x)
        for level, resize in zip(self.levels, self.resize, strict=True):
            x = resize(level(x))
        return activated(self.norm, self.out, self.middle(x))


class TimeDecoder(nn.Module):
    """Latents to frames; levels count from the full length and run backwards."""

    def __init__(self, config: TimeKLConfig) -> None:
        super().__init__()
        layers, widths = TimeLayers(config.groups), config.widths
        deeper = (*widths[1:], widths[-1])
        self.enter = BorderedConv(config.inner_channels, widths[-1], 3, border=BORDER)
        self.middle = residuals(widths[-1], widths[-1], config.blocks, layers)
        self.levels = nn.ModuleList(
            residuals(deeper[i], width, config.blocks, layers) for i, width in enumerate(widths)
        )
        self.resize = nn.ModuleList(
            DoubleTime(width) if doubled else nn.Identity()
            for width, doubled in zip(deeper, (*config.halves, False), strict=True)
        )
        self.norm = layers.norm(widths[0])
        self.out = BorderedConv(widths[0], config.channels, 3, border=BORDER)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C', F, H, W) -> (B, C, T, H, W), T a multiple of the compression."""
        x = self.middle(self.enter(x))
        for level, resize in zip(reversed(self.levels), reversed(self.resize), strict=True):
            x = level(resize(x))
        return activated(self.norm, self.out, x)


class TimeKL(nn.Module):
    """Frames (B, C, T, H, W) to latents (B, C', F, H, W) and back; F = ceil(T / step)."""

    def __init__(self, config: TimeKLConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = TimeEncoder(config)
        self.decoder = TimeDecoder(config)
        inner, latent = config.inner_channels, config.latent_channels
        self.mix_moments = BorderedConv(2 * inner, 2 * latent, 1, border=BORDER)
        self.mix_latents = BorderedConv(latent, inner, 1, border=BORDER)

    def latent_frames(self, frames: int) -> int:
        """T -> F."""
        return -(-frames // self.config.step)

    def moments(self, frames: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, 2 C', F, H, W): mean and log-variance, stacked."""
        missing = -frames.shape[2] % self.config.step
        coded = self.encoder(functional.pad(frames, (0, 0, 0, 0, missing, 0)))
        moments: Tensor = self.mix_moments(coded)
        return moments

    def posterior(self, frames: Tensor) -> Posterior:
        """(B, C, T, H, W) -> the distribution of latents (B, C', F, H, W)."""
        return as_posterior(self.moments(frames))

    def decode(self, latents: Tensor, frames: int) -> Tensor:
        """Latents (B, C', F, H, W) -> their last T = `frames` frames, (B, C, T, H, W).

        Raises:
            ConfigError: T frames have not F latent frames.
        """
        count, step = latents.shape[2], self.config.step
        if self.latent_frames(frames) != count:
            raise ConfigError(
                f"{frames} frames: {count} latent frames give {(count - 1) * step + 1} "
                f"to {count * step}"
            )
        decoded: Tensor = self.decoder(self.mix_latents(latents))
        return decoded[:, :, count * step - frames :]
