"""WF-VAE, the autoencoder with an energy flow of wavelet coefficients.

A three-level Haar pyramid of the video enters the encoder at each of its levels and
leaves the decoder at each of its levels, past the backbone, so that the main energy of a
video has a short way (Li et al., WF-VAE, 2411.17459; Open-Sora Plan, 2412.00131, 2.1).

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.coding import (
    as_posterior,
    causal_pieces,
    refuse_others,
    split_evenly,
)
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.autoencoders.pieces import LEAST, Pieces, ladder, twin
from kineograph.autoencoders.tiled import PIXELS, Cells
from kineograph.autoencoders.wavelet_blocks import (
    Chain,
    Coded,
    Down,
    FrameAttention,
    Residual,
    UpFrame,
    UpVolume,
    add_to_lowest,
    build_norm,
    in_step,
)
from kineograph.errors import ConfigError
from kineograph.nn.conv import Cache, CausalConv, in_chunks
from kineograph.nn.resample import DoubleTime, DoubleTimeLinear, DoubleTimeNearest
from kineograph.nn.wavelet import Haar, PlaneHaar, VolumeHaar
from kineograph.types import Draws, Legal, Posterior, Reconstruction, Statistics

FRAME = (1, 3, 3)  # kernel of a 2D convolution of every frame


@dataclass(frozen=True, kw_only=True)
class WaveletFlowConfig:
    """A WF-VAE; the defaults are the published 8-channel S model.

    base: width at half resolution, doubled at each level.
    encoder_blocks, decoder_blocks, connect_blocks: residual blocks of each level, and of
        the ways out of the decoder.
    encoder_energy, decoder_energy: channels of the energy flow.
    time_compression: 4 with a 2D Haar transform at the second level, 8 with a 3D one.
    scale, shift: normalised = (latent - shift) * scale, per channel; empty: 1 and 0.
    chunk: latent frames that are coded at once; None: the whole clip. Every chunk size gives
        the same result up to rounding, with less memory.
    tiling: None: no tiles. Group norms need tiles in time too, which is not exact.
    """

    kind: Literal["wavelet_flow"] = "wavelet_flow"
    latent_channels: int = 8
    base: int = 128
    encoder_blocks: int = 2
    decoder_blocks: int = 2
    connect_blocks: int = 2
    encoder_energy: int = 64
    decoder_energy: int = 128
    attention: bool = True
    norm: Literal["layer", "group"] = "layer"
    time_interpolation: Literal["linear", "nearest"] = "linear"
    time_compression: Literal[4, 8] = 4
    dropout: float = 0.0
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    chunk: int | None = None
    tiling: OverlapTiling | None = None

    def __post_init__(self) -> None:
        if self.tiling is not None:
            self.tiling.check(self.cells)
        for name, values in (("scale", self.scale), ("shift", self.shift)):
            if values and len(values) != self.latent_channels:
                raise ConfigError(
                    f"{name} has {len(values)} values: expected one for each of "
                    f"{self.latent_channels} latent channels, or none"
                )
        if self.chunk is not None and self.chunk < 1:
            raise ConfigError(f"chunk = {self.chunk}: expected 1 or more latent frames, or None")
        if self.chunk is not None and self.norm == "group":
            raise ConfigError(
                "chunk with norm = 'group': group norms average over time, so chunks would not "
                "give what the whole clip gives; set chunk to None"
            )

    @property
    def cells(self) -> Cells:
        """Frames, and rows or columns of pixels, per latent."""
        return Cells(self.time_compression, 8)

    def build(self) -> "WaveletFlow":
        """The module, randomly initialised."""
        return WaveletFlow(self)


class Builder:
    """Makes the parts of a WF-VAE as its config says."""

    def __init__(self, config: WaveletFlowConfig) -> None:
        self.config = config

    def haar(self) -> Haar:
        """The transform of the second level, in the middle of the pyramid."""
        return PlaneHaar() if self.config.time_compression == 4 else VolumeHaar()

    def norm(self, channels: int) -> nn.Module:
        """The last norm of a coder."""
        return build_norm(self.config.norm, channels, time_kernel=3)

    def residual(self, inside: int, outside: int, time_kernel: Literal[1, 3] = 3) -> Residual:
        """A residual block, causal or frame by frame."""
        return Residual(
            inside,
            outside,
            time_kernel=time_kernel,
            norm=self.config.norm,
            dropout=self.config.dropout,
        )

    def attention(self, channels: int) -> list[nn.Module]:
        """Attention of the deepest level, if there is any."""
        return [FrameAttention(channels, norm=self.config.norm)] if self.config.attention else []

    def outer_down(self, channels: int) -> Down:
        """From the second level to the third."""
        return Down(channels, channels, time_kernel=1 if self.config.time_compression == 4 else 3)

    def outer_up(self, channels: int) -> UpFrame | UpVolume:
        """The way back."""
        return UpFrame(channels) if self.config.time_compression == 4 else self.inner_up(channels)

    def inner_up(self, channels: int) -> UpVolume:
        """From the latents' resolution to the third level."""
        linear = self.config.time_interpolation == "linear"
        double_time: DoubleTime = DoubleTimeLinear() if linear else DoubleTimeNearest()
        return UpVolume(channels, channels, double_time)

    def connection(self, bands: int) -> Chain:
        """The way of an energy flow out of the decoder."""
        energy = self.config.decoder_energy
        blocks = [self.residual(energy, energy) for _ in range(self.config.connect_blocks)]
        return Chain([*blocks, CausalConv(energy, bands, FRAME)])


class Encoder(nn.Module):
    """Video to moments; each level of the Haar pyramid joins the backbone at its size."""

    def __init__(self, config: WaveletFlowConfig) -> None:
        super().__init__()
        build, base, energy = Builder(config), config.base, config.encoder_energy
        self.first_haar, self.outer_haar, self.inner_haar = VolumeHaar(), build.haar(), VolumeHaar()
        blocks = range(config.encoder_blocks)
        self.connect_outer = CausalConv(3 * self.outer_haar.bands, energy, FRAME)
        self.connect_inner = CausalConv(3 * self.inner_haar.bands, energy, FRAME)
        self.down_outer = Chain(
            [
                CausalConv(24, base, FRAME),
                *(build.residual(base, base, 1) for _ in blocks),
                build.outer_down(base),
            ]
        )
        self.down_inner = Chain(
            [
                CausalConv(base + energy, 2 * base, FRAME),
                *(build.residual(2 * base, 2 * base) for _ in blocks),
                Down(2 * base, 2 * base, time_kernel=3),
            ]
        )
        self.middle = Chain(
            [
                build.residual(2 * base + energy, 4 * base),
                *build.attention(4 * base),
                build.residual(4 * base, 4 * base),
            ]
        )
        self.norm = build.norm(4 * base)
        self.out = CausalConv(4 * base, 2 * config.latent_channels)

    def forward(self, video: Tensor, cache: Cache | None = None) -> Coded:
        """(B, 3, T, Y, X) -> moments: mean and log-variance, stacked along the channels."""
        first = self.first_haar.split(video, cache)
        outer = self.outer_haar.split(first[:, :3], cache)
        inner = self.inner_haar.split(outer[:, :3], cache)
        x = self.down_outer(first, cache)
        x = self.down_inner(torch.cat((x, self.connect_outer(outer, cache)), dim=1), cache)
        x = self.middle(torch.cat((x, self.connect_inner(inner, cache)), dim=1), cache)
        return Coded(self.out(functional.silu(self.norm(x)), cache), outer, inner)


class Decoder(nn.Module):
    """Latents to video; the last channels of each level become its wavelet coefficients."""

    def __init__(self, config: WaveletFlowConfig) -> None:
        super().__init__()
        build, base, self.energy = Builder(config), config.base, config.decoder_energy
        self.first_haar, self.outer_haar, self.inner_haar = VolumeHaar(), build.haar(), VolumeHaar()
        blocks = range(config.decoder_blocks)
        self.enter = CausalConv(config.latent_channels, 4 * base)
        self.middle = Chain(
            [
                build.residual(4 * base, 4 * base),
                *build.attention(4 * base),
                build.residual(4 * base, 4 * base + self.energy),
            ]
        )
        self.up_inner = Chain(
            [
                *(build.residual(4 * base, 4 * base) for _ in blocks),
                build.inner_up(4 * base),
                build.residual(4 * base, 4 * base + self.energy),
            ]
        )
        self.up_outer = Chain(
            [
                *(build.residual((2 if i else 4) * base, 2 * base) for i in blocks),
                build.outer_up(2 * base),
                build.residual(2 * base, 2 * base),
            ]
        )
        self.last = Chain([build.residual(2 * base, base), build.residual(base, base)])
        self.connect_outer = build.connection(3 * self.outer_haar.bands)
        self.connect_inner = build.connection(3 * self.inner_haar.bands)
        self.norm = build.norm(base)
        self.out = CausalConv(base, 24, FRAME)

    def forward(self, latents: Tensor, cache: Cache | None = None) -> Coded:
        """Un-normalised latents (B, C, F, H, W) -> video."""
        x = self.middle(self.enter(latents, cache), cache)
        inner = self.connect_inner(x[:, -self.energy :], cache)
        low = self.inner_haar.merge(inner, cache)

        x = self.up_inner(x[:, : -self.energy], cache)
        outer = self.connect_outer(x[:, -self.energy :], cache)
        outer = add_to_lowest(outer, in_step(low, self.connect_inner, outer, cache))
        low = self.outer_haar.merge(outer, cache)

        x = self.last(self.up_outer(x[:, : -self.energy], cache), cache)
        first = self.out(functional.silu(self.norm(x)), cache)
        first = add_to_lowest(first, in_step(low, self.connect_outer, first, cache))
        return Coded(self.first_haar.merge(first, cache), outer, inner)


class WaveletFlow(nn.Module):
    """Video (B, 3, T, Y, X) in [-1, 1] to latents (B, C, F, H, W) and back.

    Rows and columns are divided by 8; T = 4 (F - 1) + 1, or 8 (F - 1) + 1.
    """

    def __init__(self, config: WaveletFlowConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest clip whose sides are multiples of 8 and whose length is legal."""
        step = self.config.time_compression
        return Legal(
            frames=max(0, round((frames - 1) / step)) * step + 1,
            height=max(1, round(height / 8)) * 8,
            width=max(1, round(width / 8)) * 8,
            rule=f"frames = {step} n + 1, height and width multiples of 8",
        )

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of a legal clip.

        Raises:
            ConfigError: the clip is not legal.
        """
        refuse_others(self.nearest(frames, height, width), frames, height, width)
        step = self.config.time_compression
        return self.config.latent_channels, (frames - 1) // step + 1, height // 8, width // 8

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> the distribution of un-normalised latents; needs no draws."""
        self.latent_shape(*video.shape[2:])
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
        whole = (latents.shape[2] - 1) * self.config.time_compression + 1
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
        """With layer norms exact in time, with group norms not."""
        return ladder(self.config.cells, frames=LEAST)

    def cut(self, pieces: Pieces) -> "WaveletFlow":
        """The same weights, coding in pieces."""
        other, exact = twin(self), self.config.norm == "layer"
        other.config = replace(
            self.config,
            chunk=pieces.latent_frames(self.config.cells) if exact else None,
            tiling=pieces.tiles() if exact else pieces.blocks(),
        )
        return other

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents, (B, C, F, H, W)."""
        scale, shift = self._affine(latents)
        return (latents - shift) * scale

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        scale, shift = self._affine(latents)
        return latents / scale + shift

    def train_forward(self, video: Tensor, draws: Draws) -> Reconstruction:
        """(B, 3, T, Y, X) -> its reconstruction from a sample of the posterior.

        Parts: wavelet coefficients `encoder_outer`, `encoder_inner`, `decoder_outer`,
        `decoder_inner`, each pair of the same shape.
        """
        self.latent_shape(*video.shape[2:])
        coded = self.encoder(self._enter(video))
        posterior = as_posterior(coded.result)
        decoded = self.decoder(self._enter(posterior.sample(draws)))
        parts = {
            "encoder_outer": coded.outer,
            "encoder_inner": coded.inner,
            "decoder_outer": decoded.outer,
            "decoder_inner": decoded.inner,
        }
        return Reconstruction(decoded.result, posterior, parts)

    def measured(self, statistics: Statistics) -> WaveletFlowConfig:
        """This model's configuration with a shift for each channel and one scale, as measured."""
        mean = statistics.mean.tolist()
        return replace(self.config, shift=tuple(mean), scale=(1.0 / statistics.spread,) * len(mean))

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight of the decoder's last convolution."""
        return self.decoder.out.weight

    def _moments(self, video: Tensor) -> Tensor:
        """The encoder on pixels (B, 3, T, Y, X), in chunks if the config says so."""
        chunk, step = self.config.chunk, self.config.time_compression
        if chunk is None:
            moments: Tensor = self.encoder(video).result
            return moments
        pieces = causal_pieces((video.shape[2] - 1) // step + 1, chunk, step)
        return in_chunks(lambda x, c: self.encoder(x, c).result, video, pieces)

    def _video(self, latents: Tensor) -> Tensor:
        """The decoder on latents (B, C, F, H, W), in chunks if the config says so."""
        if self.config.chunk is None:
            video: Tensor = self.decoder(latents).result
            return video
        pieces = split_evenly(latents.shape[2], self.config.chunk)
        return in_chunks(lambda x, c: self.decoder(x, c).result, latents, pieces)

    def _enter(self, x: Tensor) -> Tensor:
        """To the weights' dtype, and channels last: bf16 convolutions are slow otherwise."""
        return x.to(self.last_layer.dtype, memory_format=torch.channels_last_3d)

    def _affine(self, like: Tensor) -> tuple[Tensor, Tensor]:
        channels = self.config.latent_channels
        scale = like.new_tensor(self.config.scale or (1.0,) * channels).view(-1, 1, 1, 1)
        shift = like.new_tensor(self.config.shift or (0.0,) * channels).view(-1, 1, 1, 1)
        return scale, shift
