"""Open-Sora 2.0's Video DC-AE: 4 frames of 32 x 32 pixels become one latent (2503.09642, 3.2).

An image autoencoder of deep compression (Chen et al., DC-AE, 2410.10733) with time: shallow
levels are convolutional, deep ones look over the whole clip. It has no noise, no Kullback-
Leibler term and no causality.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from kineograph.autoencoders.coding import refuse_others
from kineograph.autoencoders.deep_compression_blocks import (
    HEAD,
    RELU,
    Attentive,
    ChannelNorm,
    Down,
    Narrow,
    Residual,
    Up,
    Widen,
    conv,
)
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.autoencoders.pieces import LEAST, Pieces, ladder, twin
from kineograph.autoencoders.tiled import PIXELS, Cells
from kineograph.errors import ConfigError
from kineograph.types import Draws, Legal, Posterior, Reconstruction, Statistics


@dataclass(frozen=True, kw_only=True)
class DeepLevels:
    """One coder, from pixels to latents; every level but the last halves the sides.

    widths: channels of the levels; depths: their blocks.
    reaches: neighbourhoods that attention of a level reads beside single points; None: the
        level is convolutional. Widths of attention are multiples of 32.
    halves: between which levels time is halved too.
    """

    widths: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
    depths: tuple[int, ...] = (3, 3, 3, 3, 3, 3)
    reaches: tuple[tuple[int, ...] | None, ...] = (None, None, None, (5,), (5,), (5,))
    halves: tuple[bool, ...] = (False, False, False, True, True)

    def __post_init__(self) -> None:
        count = len(self.widths)
        for name, values, expected in (
            ("depths", self.depths, count),
            ("reaches", self.reaches, count),
            ("halves", self.halves, count - 1),
        ):
            if len(values) != expected:
                raise ConfigError(
                    f"{name} has {len(values)} values: expected {expected} for {count} levels"
                )
        for width, reaches in zip(self.widths, self.reaches, strict=True):
            if reaches is not None and width % HEAD:
                raise ConfigError(f"width {width} of attention: expected a multiple of {HEAD}")
        for width, deeper in pairwise(self.widths):
            if 4 * width % deeper:
                raise ConfigError(
                    f"width {deeper} after {width}: expected a divisor of {4 * width}"
                )

    @property
    def cells(self) -> Cells:
        """How many frames, and rows or columns, become one."""
        return Cells(int(2 ** sum(self.halves)), int(2 ** len(self.halves)))

    def blocks(self, level: int) -> list[nn.Module]:
        """The blocks of a level, 0 nearest to the pixels."""
        width, reaches = self.widths[level], self.reaches[level]
        return [
            Residual(width) if reaches is None else Attentive(width, reaches)
            for _ in range(self.depths[level])
        ]


@dataclass(frozen=True, kw_only=True)
class DeepCompressionConfig:
    """A deep-compression autoencoder; the defaults are the published one's.

    latent_channels: 128; 256 is the paper's other size.
    divisor: normalised latents are latents divided by it.
    tiling: None: every clip at once; the published sizes are 256 pixels and 32 frames.
    short_ends: let a last tile be a single latent frame, which is decoded to a single frame, as
        in the published code; otherwise the tile before it is kept to its end.
    """

    kind: Literal["deep_compression"] = "deep_compression"
    latent_channels: int = 128
    encoder: DeepLevels = field(default_factory=lambda: DeepLevels(depths=(2, 2, 2, 3, 3, 3)))
    decoder: DeepLevels = field(default_factory=DeepLevels)
    divisor: float = 1.0
    tiling: OverlapTiling | None = None
    short_ends: bool = False

    def __post_init__(self) -> None:
        cells = self.encoder.cells
        if cells != self.decoder.cells:
            raise ConfigError(
                f"the encoder compresses time and sides by {tuple(cells)}, the decoder "
                f"expands them by {tuple(self.decoder.cells)}: expected the same"
            )
        if self.tiling is not None:
            self._check_tiling(self.tiling, cells)
        for coder in (self.encoder, self.decoder):
            if coder.widths[-1] % self.latent_channels:
                raise ConfigError(
                    f"latent_channels = {self.latent_channels}: expected a divisor of the "
                    f"deepest width, {coder.widths[-1]}"
                )

    def _check_tiling(self, tiling: OverlapTiling, cells: Cells) -> None:
        tiling.check(cells)
        if tiling.frames is None or self.short_ends or cells.frames == 1:
            return
        if tiling.frames * tiling.overlap < cells.frames:
            raise ConfigError(
                f"tiles of {tiling.frames} frames with overlap {tiling.overlap}: expected an "
                f"overlap of {cells.frames} frames or more, so that no latent frame stands alone"
            )

    def build(self) -> "DeepCompression":
        """The module, randomly initialised."""
        return DeepCompression(self)


class Encoder(nn.Module):
    """RGB to latents."""

    def __init__(self, config: DeepCompressionConfig) -> None:
        super().__init__()
        levels = config.encoder
        widths = levels.widths
        self.enter = conv(3, widths[0])
        self.levels = nn.Sequential(
            *(
                nn.Sequential(*levels.blocks(i), Down(widths[i], widths[i + 1], time=halved))
                for i, halved in enumerate(levels.halves)
            ),
            nn.Sequential(*levels.blocks(len(widths) - 1)),
        )
        self.out = Narrow(widths[-1], config.latent_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, T, Y, X) -> (B, C, F, H, W)."""
        latents: Tensor = self.out(self.levels(self.enter(x)))
        return latents

    def with_levels(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, 3, T, Y, X) -> (B, C, F, H, W), and what left each level, `encoder_level_<n>`."""
        seen: dict[str, Tensor] = {}
        x = self.enter(x)
        for number, level in enumerate(self.levels, 1):
            x = seen[f"encoder_level_{number}"] = level(x)
        return self.out(x), seen


class Decoder(nn.Module):
    """Latents to RGB; levels count from the pixels and run backwards."""

    def __init__(self, config: DeepCompressionConfig) -> None:
        super().__init__()
        levels = config.decoder
        widths = levels.widths
        self.enter = Widen(config.latent_channels, widths[-1])
        self.levels = nn.ModuleList(
            nn.Sequential(Up(widths[i + 1], widths[i], time=doubled), *levels.blocks(i))
            for i, doubled in enumerate(levels.halves)
        )
        self.levels.append(nn.Sequential(*levels.blocks(len(widths) - 1)))
        self.norm = ChannelNorm(widths[0])
        self.out = conv(widths[0], 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, H, W) -> (B, 3, T, Y, X)."""
        x = self.enter(x)
        for level in reversed(self.levels):
            x = level(x)
        return self.out.after(RELU, self.norm(x))


class DeepCompression(nn.Module):
    """Video (B, 3, T, Y, X) in [-1, 1] to latents (B, C, T / 4, Y / 32, X / 32) and back."""

    def __init__(self, config: DeepCompressionConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest clip that has its length again after coding.

        One latent frame is always decoded to one frame, so clips of that size but one frame
        can be encoded only.
        """
        time, space = self.config.encoder.cells
        longer = max(2 if time > 1 else 1, round(frames / time)) * time
        return Legal(
            frames=1 if abs(frames - 1) <= abs(frames - longer) else longer,
            height=max(1, round(height / space)) * space,
            width=max(1, round(width / space)) * space,
            rule=f"1 frame or a multiple of {time} from {2 * time} on, sides multiples of {space}",
        )

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of a clip that can be encoded.

        Raises:
            ConfigError: it cannot.
        """
        time, space = self.config.encoder.cells
        halved = frames > 0 and (frames % time == 0 or time % frames == 0)
        if not halved or height % space or width % space or not height or not width:
            refuse_others(self.nearest(frames, height, width), frames, height, width)
        return self.config.latent_channels, max(1, frames // time), height // space, width // space

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> un-normalised latents (B, C, F, H, W), without variance."""
        self.latent_shape(*video.shape[2:])
        video, tiling = self._as_weights(video), self.config.tiling
        if tiling is None:
            return Posterior(self.encoder(video))
        return Posterior(tiling.send(self.encoder, video, PIXELS, self.config.encoder.cells))

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) in [-1, 1] -> normalised latents (B, C, F, H, W); needs no draws."""
        return self.normalise(self.posterior(video).mean)

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X); needs no draws.

        Raises:
            ConfigError: `frames` is not T, which is 1 for a single latent frame.
        """
        count = latents.shape[2]
        length = count * self.config.decoder.cells.frames if count > 1 else 1
        if frames not in (None, length):
            raise ConfigError(f"{frames} frames: a decoded clip of F = {count} has {length}")
        latents, tiling = self._as_weights(self.denormalise(latents)), self.config.tiling
        if tiling is None:
            video: Tensor = self.decoder(latents)
            return video
        cells, least = self.config.decoder.cells, 1 if self.config.short_ends else 2
        return tiling.send(self.decoder, latents, cells, PIXELS, least=least)

    def pieces(self) -> Sequence[Pieces]:
        """Tiles in time and space, whose attention sees only themselves; none are exact."""
        return ladder(self.config.encoder.cells, frames=LEAST)

    def cut(self, pieces: Pieces) -> "DeepCompression":
        """The same weights, coding in pieces."""
        other = twin(self)
        other.config = replace(self.config, tiling=pieces.blocks())
        return other

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents, (B, C, F, H, W)."""
        return latents / self.config.divisor

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return latents * self.config.divisor

    def train_forward(self, video: Tensor, draws: Draws) -> Reconstruction:
        """(B, 3, T, Y, X), a nearest legal clip -> its reconstruction; draws nothing.

        Parts: what left each level of the encoder, from `encoder_level_1` on, narrower in
        space from level to level: latents that can be distilled (Open-Sora 2.0, 4.3).
        """
        size = video.shape[2:]
        refuse_others(self.nearest(*size), *size)
        latents, levels = self.encoder.with_levels(self._as_weights(video))
        return Reconstruction(self.decoder(latents), Posterior(latents), levels)

    def measured(self, statistics: Statistics) -> DeepCompressionConfig:
        """This model's configuration with the divisor that was measured."""
        return replace(self.config, divisor=statistics.common_spread)

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the decoder's last convolution."""
        return self.decoder.out.get_parameter("weight")

    def _as_weights(self, x: Tensor) -> Tensor:
        """To the weights' dtype, and channels last, as pieces are read."""
        return x.to(self.last_layer.dtype, memory_format=torch.channels_last_3d)
