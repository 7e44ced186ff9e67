"""The KL autoencoder of latent diffusion for pictures, applied to every frame of a video.

Stable Diffusion, SDXL and Flux share it (Rombach et al., 2112.10752); they differ in sizes,
in statistics, and in whether 1 x 1 convolutions stand around the latents.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents, F = T.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.coding import as_posterior, refuse_others
from kineograph.autoencoders.kl_coder import Decoder, Encoder, Levels, PointAttention
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.autoencoders.pieces import Pieces, ladder, twin
from kineograph.autoencoders.tiled import PIXELS, Cells
from kineograph.errors import ConfigError
from kineograph.nn.resample import fold_frames, unfold_frames
from kineograph.nn.tiling import join
from kineograph.types import Draws, Legal, Posterior, Reconstruction, Statistics


@dataclass(frozen=True, kw_only=True)
class ImageKLConfig:
    """A KL autoencoder of pictures; the defaults are Stable Diffusion's.

    widths: of the levels, from pixels to latents; every level but the last halves the sides.
    blocks: residual blocks of each encoder level; a decoder level has one more.
    groups: of every norm.
    attention: whether the middle looks around.
    mixing: whether 1 x 1 convolutions mix moments and latents (Flux: no).
    scale, shift: normalised = (latent - shift) * scale.
    batch: frames that are coded at once, which only bounds memory; None: all.
    tiling: of every frame; None: none.
    """

    kind: Literal["image_kl"] = "image_kl"
    latent_channels: int = 4
    widths: tuple[int, ...] = (128, 256, 512, 512)
    blocks: int = 2
    groups: int = 32
    attention: bool = True
    mixing: bool = True
    scale: float = 0.18215
    shift: float = 0.0
    batch: int | None = None
    tiling: OverlapTiling | None = None

    def __post_init__(self) -> None:
        if self.tiling is not None:
            self.tiling.check(self.cells)
        for width in self.widths:
            if width % self.groups:
                raise ConfigError(f"width {width}: expected a multiple of {self.groups} groups")
        if self.batch is not None and self.batch < 1:
            raise ConfigError(f"batch = {self.batch}: expected 1 or more frames, or None")

    @property
    def levels(self) -> Levels:
        """The sizes of both coders."""
        return Levels(widths=self.widths, blocks=self.blocks, latent_channels=self.latent_channels)

    @property
    def step(self) -> int:
        """How many pixels wide a latent is."""
        return int(2 ** (len(self.widths) - 1))

    @property
    def cells(self) -> Cells:
        """Frames, and rows or columns of pixels, per latent."""
        return Cells(1, self.step)

    def build(self) -> "ImageKL":
        """The module, randomly initialised."""
        return ImageKL(self)


@dataclass(frozen=True)
class PlaneParts:
    """2D convolutions and group norms of single pictures."""

    config: ImageKLConfig

    def conv(self, inside: int, outside: int, kernel: int) -> nn.Module:
        """With zeros around the picture."""
        return nn.Conv2d(inside, outside, kernel, padding=kernel // 2)

    def norm(self, channels: int) -> nn.Module:
        """Over groups of channels and all pixels."""
        return nn.GroupNorm(self.config.groups, channels, eps=1e-6)

    def down(self, step: int, channels: int) -> nn.Module:
        """Every level but the last shrinks."""
        return nn.Identity() if self._last(step) else Halve(channels)

    def up(self, step: int, channels: int) -> nn.Module:
        """Every level but the last grows."""
        return nn.Identity() if self._last(step) else Double(channels)

    def attention(self, channels: int) -> nn.Module:
        """Among all pixels of a picture."""
        if not self.config.attention:
            return nn.Identity()
        return PointAttention(channels, self.norm(channels))

    def _last(self, step: int) -> bool:
        return step == len(self.config.widths) - 1


class Halve(nn.Module):
    """Halves rows and columns with one line of zeros below and one at the right."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, Y, X) -> (B, C, Y / 2, X / 2)."""
        smaller: Tensor = self.conv(functional.pad(x, (0, 1, 0, 1)))
        return smaller


class Double(nn.Module):
    """Doubles rows and columns: nearest neighbour, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, Y, X) -> (B, C, 2 Y, 2 X)."""
        larger: Tensor = self.conv(functional.interpolate(x, scale_factor=2, mode="nearest"))
        return larger


class ImageKL(nn.Module):
    """Video (B, 3, T, Y, X) in [-1, 1] to latents (B, C, T, Y / 8, X / 8) and back.

    Pictures of other sizes can be encoded too, but come back smaller: Open-Sora 1.2 trains on
    240 x 426 pixels, which are 30 x 53 latents.
    """

    def __init__(self, config: ImageKLConfig) -> None:
        super().__init__()
        self.config = config
        parts, channels = PlaneParts(config), config.latent_channels
        self.encoder = Encoder(config.levels, parts)
        self.decoder = Decoder(config.levels, parts)
        self.mix_moments, self.mix_latents = (
            parts.conv(width, width, 1) if config.mixing else nn.Identity()
            for width in (2 * channels, channels)
        )

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest clip whose sides are multiples of a latent's size."""
        step = self.config.step
        return Legal(
            frames=max(1, frames),
            height=max(1, round(height / step)) * step,
            width=max(1, round(width / step)) * step,
            rule=f"any number of frames, height and width multiples of {step}",
        )

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of any clip that is as large as one latent.

        Raises:
            ConfigError: the clip is smaller.
        """
        legal, step = self.nearest(frames, height, width), self.config.step
        if min(height, width) < step:
            refuse_others(legal, frames, height, width)
        return self.config.latent_channels, frames, height // step, width // step

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> the distribution of un-normalised latents; needs no draws."""
        self.latent_shape(*video.shape[2:])
        moments = self._each(
            lambda x: self.mix_moments(self.encoder(x)), video, PIXELS, self.config.cells
        )
        return as_posterior(moments)

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) in [-1, 1] -> normalised latents (B, C, F, H, W); None: the mode."""
        return self.normalise(self.posterior(video).sample(draws))

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X); needs no draws.

        Raises:
            ConfigError: `frames` is not F.
        """
        if frames not in (None, latents.shape[2]):
            raise ConfigError(f"{frames} frames: {latents.shape[2]} latent frames give as many")
        return self.decode_raw(self.denormalise(latents))

    def decode_raw(self, latents: Tensor) -> Tensor:
        """Un-normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X)."""
        return self._each(
            lambda x: self.decoder(self.mix_latents(x)), latents, self.config.cells, PIXELS
        )

    def pieces(self) -> Sequence[Pieces]:
        """Exact in time."""
        return ladder(self.config.cells, frames=1)

    def cut(self, pieces: Pieces) -> "ImageKL":
        """The same weights, coding in pieces."""
        other = twin(self)
        other.config = replace(self.config, batch=pieces.frames, tiling=pieces.tiles())
        return other

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents, (B, C, F, H, W)."""
        return (latents - self.config.shift) * self.config.scale

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return latents / self.config.scale + self.config.shift

    def train_forward(self, video: Tensor, draws: Draws) -> Reconstruction:
        """(B, 3, T, Y, X) -> its reconstruction from a sample of the posterior."""
        posterior = self.posterior(video)
        return Reconstruction(self.decode_raw(posterior.sample(draws)), posterior)

    def measured(self, statistics: Statistics) -> ImageKLConfig:
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

    def _each(
        self, network: Callable[[Tensor], Tensor], x: Tensor, reads: Cells, gives: Cells
    ) -> Tensor:
        """Send the frames of (B, C, T, Y, X) through a network, `batch` at once."""
        frames = fold_frames(x).to(self.last_layer.dtype, memory_format=torch.channels_last)
        pieces, tiling = torch.split(frames, self.config.batch or len(frames)), self.config.tiling
        if tiling is None:
            return unfold_frames(join([network(piece) for piece in pieces], dim=0), len(x))
        coded = [
            tiling.send(lambda x: network(x[:, :, 0])[:, :, None], piece[:, :, None], reads, gives)
            for piece in pieces
        ]
        return unfold_frames(join(coded, dim=0)[:, :, 0], len(x))
