"""Open-Sora 1.2's autoencoder: pictures first, then time (2412.20404, section 3).

Every frame goes through a KL autoencoder of pictures; the latents of a few frames at once
go through an autoencoder over time. Pieces know nothing of each other.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from kineograph.autoencoders.coding import as_posterior, split_evenly
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.autoencoders.pieces import Pieces, ladder, twin
from kineograph.autoencoders.tiled import PIXELS
from kineograph.autoencoders.time_kl import TimeKLConfig
from kineograph.errors import ConfigError
from kineograph.nn.tiling import Network
from kineograph.types import Draws, Legal, Posterior, Reconstruction, Statistics


@dataclass(frozen=True, kw_only=True)
class StackedConfig:
    """A stacked autoencoder; the defaults are the published one's.

    image, time: the two stages.
    chunk: frames that the second stage codes at once; None: the whole clip.
    tiling: of the second stage, in latents of pictures; None: none.
    scale, shift: normalised = (latent - shift) / scale, per channel; empty: 1 and 0.
    """

    kind: Literal["stacked"] = "stacked"
    image: ImageKLConfig = field(default_factory=lambda: ImageKLConfig(batch=4))
    time: TimeKLConfig = field(default_factory=TimeKLConfig)
    chunk: int | None = 17
    tiling: OverlapTiling | None = None
    scale: tuple[float, ...] = (3.85, 2.32, 2.33, 3.06)
    shift: tuple[float, ...] = (-0.1, 0.34, 0.27, 0.98)

    def __post_init__(self) -> None:
        if self.image.latent_channels != self.time.channels:
            raise ConfigError(
                f"pictures have {self.image.latent_channels} latent channels: expected "
                f"{self.time.channels}, what the stage over time takes"
            )
        if self.chunk is not None and self.chunk < 1:
            raise ConfigError(f"chunk = {self.chunk}: expected 1 or more frames, or None")
        for name, values in (("scale", self.scale), ("shift", self.shift)):
            if values and len(values) != self.time.latent_channels:
                raise ConfigError(
                    f"{name} has {len(values)} values: expected one for each of "
                    f"{self.time.latent_channels} latent channels, or none"
                )

    def build(self) -> "Stacked":
        """The module, randomly initialised."""
        return Stacked(self)


class Stacked(nn.Module):
    """Video (B, 3, T, Y, X) in [-1, 1] to latents (B, C, F, H, W) and back.

    Rows and columns are divided by 8, time by 4 in each chunk: 17 frames become 5. Clips of other
    sizes can be encoded too, but come back smaller.
    """

    def __init__(self, config: StackedConfig) -> None:
        super().__init__()
        self.config = config
        self.image = config.image.build()
        self.time = config.time.build()

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest clip whose sides are multiples of 8; every length is legal."""
        return self.image.nearest(frames, height, width)

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of any clip that is as large as one latent.

        Raises:
            ConfigError: the clip is smaller.
        """
        _, _, rows, columns = self.image.latent_shape(frames, height, width)
        count = sum(self.time.latent_frames(piece) for piece in self._pieces(frames))
        return self.config.time.latent_channels, count, rows, columns

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> the distribution of un-normalised latents.

        The first draw is for the latents of all pictures, (B, C, T, H, W): they are sampled
        too. Without draws they are their modes.
        """
        return self._posterior(self.image.encode(video, draws))

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) in [-1, 1] -> normalised latents (B, C, F, H, W).

        Draws: for the pictures, as in `posterior`, then for the latents; None: the modes.
        """
        return self.normalise(self.posterior(video, draws).sample(draws))

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X); needs no draws.

        Args:
            latents: (B, C, F, H, W).
            frames: T, which F alone does not say (17 and 20 frames both give 5 latent ones);
                None: the longest clip.
            draws: not used.

        Raises:
            ConfigError: `frames` is not what F latent frames give.
        """
        longest = self._longest(latents.shape[2])
        return self.image.decode(
            self._pictures(self.denormalise(latents), longest if frames is None else frames)
        )

    def pieces(self) -> Sequence[Pieces]:
        """Exact in time: chunks of the second stage stay as they are, pictures go one by one."""
        return ladder(self.config.image.cells, frames=1)

    def cut(self, pieces: Pieces) -> "Stacked":
        """The same weights, coding in pieces."""
        other, tiles = twin(self), pieces.tiles()
        other.image = self.image.cut(pieces)
        if tiles is not None:
            tiles = replace(tiles, space=(pieces.space or 0) // self.config.image.step)
        other.config = replace(self.config, image=other.image.config, tiling=tiles)
        return other

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents, (B, C, F, H, W)."""
        scale, shift = self._affine(latents)
        return (latents - shift) / scale

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        scale, shift = self._affine(latents)
        return latents * scale + shift

    def train_forward(self, video: Tensor, draws: Draws) -> Reconstruction:
        """(B, 3, T, Y, X) -> its reconstruction from samples of both stages.

        Parts: latents of all pictures, `encoder_pictures` on the way in and
        `decoder_pictures` on the way out, (B, C, T, H, W), and `latents`, (B, C, F, H, W).
        """
        pictures = self.image.encode(video, draws)
        posterior = self._posterior(pictures)
        latents = posterior.sample(draws)
        found = self._pictures(latents, video.shape[2])
        parts = {"encoder_pictures": pictures, "decoder_pictures": found, "latents": latents}
        return Reconstruction(self.image.decode(found), posterior, parts)

    def measured(self, statistics: Statistics) -> StackedConfig:
        """This model's configuration with a shift and scale for each channel, as measured."""
        return replace(
            self.config,
            shift=tuple(statistics.mean.tolist()),
            scale=tuple(statistics.deviations.tolist()),
        )

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the decoder's last convolution."""
        return self.image.last_layer

    def _posterior(self, pictures: Tensor) -> Posterior:
        """Normalised latents of pictures (B, C, T, H, W) -> the distribution of latents."""
        pieces = torch.split(pictures, self._pieces(pictures.shape[2]), dim=2)
        found = [self._send(self.time.moments, piece) for piece in pieces]
        return as_posterior(torch.cat(found, dim=2))

    def _send(self, network: Network, x: Tensor) -> Tensor:
        """A network of the second stage on (B, C, T, H, W), in tiles if the config says so."""
        tiling = self.config.tiling
        return network(x) if tiling is None else tiling.send(network, x, PIXELS, PIXELS)

    def _pictures(self, latents: Tensor, frames: int) -> Tensor:
        """Un-normalised latents (B, C, F, H, W) -> normalised ones of T pictures."""
        pieces = self._pieces(frames)
        counts = [self.time.latent_frames(piece) for piece in pieces]
        if sum(counts) != latents.shape[2]:
            raise ConfigError(
                f"{frames} frames: they have {sum(counts)} latent frames, not "
                f"{latents.shape[2]}, which give up to {self._longest(latents.shape[2])}"
            )
        latents = latents.to(self.last_layer.dtype)
        decoded = [
            self._send(partial(self.time.decode, frames=piece), latent)
            for latent, piece in zip(torch.split(latents, counts, dim=2), pieces, strict=True)
        ]
        return torch.cat(decoded, dim=2)

    def _pieces(self, frames: int) -> list[int]:
        return split_evenly(frames, self.config.chunk or frames)

    def _longest(self, count: int) -> int:
        """How many frames F latent frames are at most."""
        step, chunk = self.config.time.step, self.config.chunk
        if chunk is None:
            return count * step
        full, rest = divmod(count, self.time.latent_frames(chunk))
        return full * chunk + rest * step

    def _affine(self, like: Tensor) -> tuple[Tensor, Tensor]:
        channels = self.config.time.latent_channels
        scale = like.new_tensor(self.config.scale or (1.0,) * channels).view(-1, 1, 1, 1)
        shift = like.new_tensor(self.config.shift or (0.0,) * channels).view(-1, 1, 1, 1)
        return scale, shift
