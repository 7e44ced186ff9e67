"""LTX-Video's autoencoder, whose decoder also takes the last step of denoising.

32 x 32 pixels of 8 frames become one latent. So strong a compression loses detail, and the
decoder has to make it up: it is told how noisy its latents are, and it may add noise of its
own between its convolutions (HaCohen et al., LTX-Video, 2501.00103, 2.1). The encoder
is causal, so that a picture is the first latent frame of its clip; the decoder looks both ways.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from kineograph.autoencoders.coding import (
    as_posterior,
    causal_pieces,
    refuse_others,
    split_evenly,
)
from kineograph.autoencoders.denoising_blocks import (
    End,
    Half,
    Moment,
    TimedEnd,
    into_channels,
    out_of_channels,
)
from kineograph.autoencoders.denoising_stages import (
    Attended,
    Folded,
    Residuals,
    Strided,
    Transition,
    Unfolded,
)
from kineograph.autoencoders.pieces import LEAST, Pieces, ladder, twin
from kineograph.autoencoders.tiled import Cells, Tiling, decode_in_tiles, encode_in_tiles
from kineograph.errors import ConfigError
from kineograph.nn.centred import CentredConv
from kineograph.nn.conv import Cache, CausalConv, in_chunks
from kineograph.nn.entrances import PointsThenSilu
from kineograph.types import Draws, Legal, Posterior, Reconstruction, Statistics

Down = Residuals | Transition | Strided | Folded
Up = Residuals | Attended | Transition | Unfolded


@dataclass(frozen=True, kw_only=True)
class DenoisingConfig:
    """A denoising autoencoder; the defaults are the one of LTX-Video 0.9.5 and later.

    encoder, decoder: stages in the order that data takes.
    encoder_base, decoder_base: width in front of the first stage.
    borders: what convolutions see beside a frame: zeros, or its outermost pixels again.
    variance: one log-variance for all channels of a latent, or one for each.
    timed: the decoder is told the time of its latents.
    decode_time, decode_noise: that time when generating, in [0, 1], and how much of the
        latents is replaced by noise before (for a timed decoder).
    train_time: largest time in training (paper: 0.2).
    chunk: latent frames that are coded at once; None: the whole clip. Every chunk size gives
        the same result up to rounding, with less memory.
    tiling: None: no tiles.
    """

    kind: Literal["denoising"] = "denoising"
    latent_channels: int = 128
    patch: int = 4
    encoder_base: int = 128
    encoder: tuple[Down, ...] = (
        Residuals(blocks=4),
        Folded(stride=(1, 2, 2), channels=256),
        Residuals(blocks=6),
        Folded(stride=(2, 1, 1), channels=512),
        Residuals(blocks=6),
        Folded(channels=1024),
        Residuals(blocks=2),
        Folded(channels=2048),
        Residuals(blocks=2),
    )
    decoder_base: int = 1024
    decoder: tuple[Up, ...] = (
        Residuals(blocks=5),
        Unfolded(channels=512, straight=True),
        Residuals(blocks=5),
        Unfolded(channels=256, straight=True),
        Residuals(blocks=5),
        Unfolded(channels=128, straight=True),
        Residuals(blocks=5),
    )
    borders: Literal["zeros", "replicate"] = "zeros"
    variance: Literal["shared", "each"] = "shared"
    timed: bool = True
    causal_decoder: bool = False
    decode_time: float = 0.05
    decode_noise: float = 0.025
    train_time: float = 0.2
    chunk: int | None = None
    tiling: Tiling | None = None

    def __post_init__(self) -> None:
        if self.chunk is not None and self.chunk < 1:
            raise ConfigError(f"chunk = {self.chunk}: expected 1 or more latent frames, or None")
        if self.chunk is not None and any(isinstance(one, Attended) for one in self.decoder):
            raise ConfigError(
                "chunk with a stage 'attended': its attention looks at the whole clip, so chunks "
                "would not give what the whole clip gives; set chunk to None"
            )
        down, up = _sizes(self.encoder), _sizes(self.decoder)
        if down != up:
            raise ConfigError(
                f"the encoder divides sizes by {down}, the decoder multiplies by {up}"
            )
        if down[1] != down[2]:
            raise ConfigError(
                f"rows are divided by {down[1]}, columns by {down[2]}: expected alike"
            )
        for name, value in (("decode_time", self.decode_time), ("train_time", self.train_time)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"{name} = {value}: expected a time in [0, 1]")

    @property
    def compression(self) -> Cells:
        """Frames, and rows or columns of pixels, per latent."""
        time, space, _ = _sizes(self.encoder)
        return Cells(time, space * self.patch)

    def build(self) -> "Denoising":
        """The module, randomly initialised."""
        return Denoising(self)


def _sizes(stages: Sequence[Down | Up]) -> tuple[int, ...]:
    """By how much stages divide or multiply time, rows and columns."""
    strides = [stage.stride for stage in stages if isinstance(stage, Strided | Folded | Unfolded)]
    return tuple(math.prod(axis) for axis in zip((1, 1, 1), *strides, strict=True))


class Encoder(nn.Module):
    """Video to moments."""

    def __init__(self, config: DenoisingConfig) -> None:
        super().__init__()
        self.patch = config.patch
        half, width = Half(CausalConv, timed=False), config.encoder_base
        self.enter = CausalConv(3 * config.patch**2, width)
        self.stages = nn.ModuleList()
        for stage in config.encoder:
            self.stages.append(stage.build(width, half))
            width = stage.behind(width)
        self.latents = config.latent_channels
        spread = 1 if config.variance == "shared" else self.latents
        self.out = CausalConv(width, self.latents + spread)

    def forward(self, video: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, 3, T, Y, X) -> mean and log-variance, stacked along the channels."""
        x = self.enter(into_channels(video, self.patch), cache)
        for stage in self.stages:
            x = stage(x, Moment(cache=cache))
        moments = self.out.after(PointsThenSilu(), x, cache)
        mean, logvar = moments.tensor_split([self.latents], dim=1)
        return torch.cat((mean, logvar.expand_as(mean)), dim=1)


class Decoder(nn.Module):
    """Latents to video."""

    def __init__(self, config: DenoisingConfig) -> None:
        super().__init__()
        self.patch = config.patch
        conv = CausalConv if config.causal_decoder else CentredConv
        half, width = Half(conv, timed=config.timed), config.decoder_base
        self.enter = conv(config.latent_channels, width)
        self.stages = nn.ModuleList()
        for stage in config.decoder:
            self.stages.append(stage.build(width, half))
            width = stage.behind(width)
        self.last = TimedEnd(width) if config.timed else End()
        self.out = conv(width, 3 * config.patch**2)

    def forward(self, latents: Tensor, moment: Moment) -> Tensor:
        """Un-normalised latents (B, C, F, H, W) and their time (B,) -> (B, 3, T, Y, X)."""
        moment = self.last.scaled(moment)
        x = self.enter(latents, moment.cache)
        for stage in self.stages:
            x = stage(x, moment)
        x = self.out.after(self.last(moment), x, moment.cache)
        return out_of_channels(x, self.patch)


class Denoising(nn.Module):
    """Video (B, 3, T, Y, X) in [-1, 1] to latents (B, C, F, H, W) and back.

    As published, rows and columns are divided by 32, and T = 8 (F - 1) + 1. `mean` and `std`
    are the latents' statistics per channel: normalised = (latent - mean) / std.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: DenoisingConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        for part in self.modules():
            if isinstance(part, CausalConv | CentredConv):
                part.padding_mode = config.borders
        self.register_buffer("mean", torch.zeros(config.latent_channels))
        self.register_buffer("std", torch.ones(config.latent_channels))

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest clip whose sides and length are legal."""
        time, space = self.config.compression
        return Legal(
            frames=max(0, round((frames - 1) / time)) * time + 1,
            height=max(1, round(height / space)) * space,
            width=max(1, round(width / space)) * space,
            rule=f"frames = {time} n + 1, height and width multiples of {space}",
        )

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of a legal clip.

        Raises:
            ConfigError: the clip is not legal.
        """
        refuse_others(self.nearest(frames, height, width), frames, height, width)
        time, space = self.config.compression
        channels = self.config.latent_channels
        return channels, (frames - 1) // time + 1, height // space, width // space

    def moments(self, video: Tensor) -> Tensor:
        """(B, 3, T, Y, X) -> (B, 2 C, F, H, W): mean and log-variance, stacked."""
        self.latent_shape(*video.shape[2:])
        video = self._enter(video)
        if self.config.tiling is None:
            return self._moments(video)
        return encode_in_tiles(self._moments, video, self.config.tiling, self.config.compression)

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> the distribution of un-normalised latents; needs no draws."""
        return as_posterior(self.moments(video))

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) in [-1, 1] -> normalised latents (B, C, F, H, W); None: the mode."""
        return self.normalise(self.posterior(video).sample(draws))

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X).

        A timed decoder draws (B, C, F, H, W) for the noise that replaces a part of the
        latents; then come the draws (B, Y', X') of blocks that add noise. None: no noise.

        Raises:
            ConfigError: `frames` is not what F latent frames give.
        """
        whole = (latents.shape[2] - 1) * self.config.compression[0] + 1
        if frames not in (None, whole):
            raise ConfigError(f"{frames} frames: {latents.shape[2]} latent frames give {whole}")
        if self.config.timed and self.config.decode_noise and draws is not None:
            noise = draws(tuple(latents.shape)).to(latents)
            latents = torch.lerp(latents, noise, self.config.decode_noise)
        return self.decode_raw(self.denormalise(latents), draws)

    def decode_raw(
        self, latents: Tensor, draws: Draws | None = None, time: Tensor | None = None
    ) -> Tensor:
        """Un-normalised latents (B, C, F, H, W) -> (B, 3, T, Y, X), without noise in front.

        Args:
            latents: what the encoder gives.
            draws: for blocks that add noise; None: they add none.
            time: of each clip, (B,) or (1,), in [0, 1]; None: `decode_time`.
        """
        if time is None:
            time = latents.new_full((1,), self.config.decode_time, dtype=torch.float32)
        network = partial(self._video, moment=Moment(time, draws))
        latents, tiling = self._enter(latents), self.config.tiling
        if tiling is None:
            return network(latents)
        return decode_in_tiles(network, latents, tiling, self.config.compression)

    def pieces(self) -> Sequence[Pieces]:
        """Exact in time, but for attention over the clip."""
        return ladder(self.config.compression, frames=LEAST)

    def cut(self, pieces: Pieces) -> "Denoising":
        """The same weights, coding in pieces."""
        other, streams = twin(self), self._streams()
        other.config = replace(
            self.config,
            chunk=pieces.latent_frames(self.config.compression) if streams else None,
            tiling=pieces.grid(in_time=not streams),
        )
        return other

    def _streams(self) -> bool:
        return not any(isinstance(stage, Attended) for stage in self.config.decoder)

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents, (B, C, F, H, W)."""
        return (latents - _per_channel(self.mean, latents)) / _per_channel(self.std, latents)

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        return latents * _per_channel(self.std, latents) + _per_channel(self.mean, latents)

    def train_forward(self, video: Tensor, draws: Draws) -> Reconstruction:
        """(B, 3, T, Y, X) -> its reconstruction from a sample of the posterior.

        A timed decoder learns to denoise: each clip's normalised latents are noised to a time
        between 0 and `train_time`, which the decoder is told (paper, 2.1.1).
        """
        posterior = self.posterior(video)
        latents = posterior.sample(draws)
        time = None
        if self.config.timed:
            time = self.config.train_time * torch.special.ndtr(draws((len(video),))).to(latents)
            noise = draws(tuple(latents.shape)).to(latents)
            latents = torch.lerp(self.normalise(latents), noise, time.view(-1, 1, 1, 1, 1))
            latents = self.denormalise(latents)
        return Reconstruction(self.decode_raw(latents, draws, time), posterior)

    def measured(self, statistics: Statistics) -> DenoisingConfig:
        """Take the statistics in; they lie beside the weights, so the configuration stays."""
        self.mean.copy_(statistics.mean)
        self.std.copy_(statistics.deviations)
        return self.config

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the decoder's last convolution."""
        return self.decoder.out.weight

    def _moments(self, video: Tensor) -> Tensor:
        """The encoder on pixels (B, 3, T, Y, X), in chunks if the config says so."""
        chunk, step = self.config.chunk, self.config.compression.frames
        if chunk is None:
            moments: Tensor = self.encoder(video)
            return moments
        pieces = causal_pieces((video.shape[2] - 1) // step + 1, chunk, step)
        return in_chunks(self.encoder, video, pieces)

    def _video(self, latents: Tensor, moment: Moment) -> Tensor:
        """The decoder on latents (B, C, F, H, W), in chunks if the config says so."""
        if self.config.chunk is None:
            video: Tensor = self.decoder(latents, moment)
            return video
        return in_chunks(
            lambda x, cache: self.decoder(x, moment._replace(cache=cache)),
            latents,
            split_evenly(latents.shape[2], self.config.chunk),
        )

    def _enter(self, x: Tensor) -> Tensor:
        """To the weights' dtype, and channels last: bf16 convolutions are slow otherwise."""
        return x.to(self.last_layer.dtype, memory_format=torch.channels_last_3d)


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like).view(-1, 1, 1, 1)
