"""Terms of an autoencoder's loss that compare pixels, latents and wavelets.

A term is a configuration that a stage of training lists; `build` makes the function that
measures one number on a `Comparison`. Its share of the loss is `weight` x `fade` x number.
Letters: B clips, T frames of Y x X pixels, C x F x H x W latents.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from kineograph.autoencoders import losses
from kineograph.errors import ConfigError, nearest
from kineograph.nn.perceptual import Distance
from kineograph.types import Draws, Posterior, Reconstruction


@dataclass(frozen=True, eq=False)
class Comparison:
    """What one step of training compares.

    found: the reconstruction, (B, 3, T, Y, X), with its posterior and parts;
    video: the truth, (B, 3, T, Y, X) in [-1, 1];
    weight: how much each pixel counts, (B, 1, T, Y, X), mean 1; None: all alike;
    step: steps of the stage that are done; done: their share of the stage, in [0, 1];
    draws: for terms that are random.
    """

    found: Reconstruction
    video: Tensor
    weight: Tensor | None = None
    step: int = 0
    done: float = 0.0
    draws: Draws | None = None

    @property
    def shown(self) -> Tensor:
        """The reconstructed clip in the dtype of the truth, (B, 3, T, Y, X)."""
        return self.found.video.to(self.video)

    @property
    def posterior(self) -> Posterior:
        """Of the latents, in the dtype of the truth: long sums lose too much in half of it."""
        mean, logvar = self.found.posterior.mean, self.found.posterior.logvar
        return Posterior(mean.to(self.video), None if logvar is None else logvar.to(self.video))

    def part(self, name: str) -> Tensor:
        """A part of the reconstruction by its name, in the dtype of the truth.

        Raises:
            ConfigError: the autoencoder does not give it.
        """
        parts = self.found.parts
        if name not in parts:
            raise ConfigError(
                f"the loss needs {name!r}, which this autoencoder does not give"
                f"{nearest(name, parts)}"
            )
        return parts[name].to(self.video)


Measure = Callable[[Comparison], Tensor]
"""A comparison -> one number, ()."""


@dataclass(frozen=True, eq=False)
class Networks:
    """Frozen networks that terms may need; they are no part of an autoencoder or a recipe.

    lpips: pictures (N, 3, Y, X) twice, in [-1, 1] -> distances (N,);
    features: pictures (N, 3, Y, X) in [-1, 1] -> features (N, D, H', W').
    """

    lpips: Distance | None = None
    features: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Fade:
    """When a term sets in: from nothing at the share `start` of a stage to all at `end`."""

    start: float = 0.0
    end: float = 0.0

    def at(self, done: float) -> float:
        """The factor in [0, 1] when a share `done` of the stage is over."""
        if done >= self.end:
            return 1.0
        if done <= self.start:
            return 0.0
        return (done - self.start) / (self.end - self.start)


@dataclass(frozen=True, kw_only=True)
class SquaredConfig:
    """Mean squared error of pixels."""

    kind: Literal["squared"] = "squared"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.squared_error(c.shown, c.video, c.weight)


@dataclass(frozen=True, kw_only=True)
class SquaredEdgesConfig:
    """Mean squared error of the steps between neighbouring pixels."""

    kind: Literal["squared_edges"] = "squared_edges"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.squared_edge_error(c.shown, c.video, c.weight)


@dataclass(frozen=True, kw_only=True)
class AbsoluteConfig:
    """Mean absolute error of pixels."""

    kind: Literal["absolute"] = "absolute"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.absolute_error(c.shown, c.video, c.weight)


@dataclass(frozen=True, kw_only=True)
class AbsoluteEdgesConfig:
    """Mean absolute error of the steps between neighbouring pixels."""

    kind: Literal["absolute_edges"] = "absolute_edges"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.absolute_edge_error(c.shown, c.video, c.weight)


@dataclass(frozen=True, kw_only=True)
class TemporalDifferenceConfig:
    """Mean absolute error of the steps from frame to frame: steadies what rests."""

    kind: Literal["temporal_difference"] = "temporal_difference"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.temporal_difference_error(c.shown, c.video, c.weight)


@dataclass(frozen=True, kw_only=True)
class DivergenceConfig:
    """Divergence from the standard normal, summed over a clip's latents, as published."""

    kind: Literal["divergence"] = "divergence"
    weight: float = 1e-6
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.kl_divergence(c.posterior)


@dataclass(frozen=True, kw_only=True)
class MeanDivergenceConfig:
    """The same per number of the latents, so that it does not grow with the clip."""

    kind: Literal["mean_divergence"] = "mean_divergence"
    weight: float = 1e-4
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.kl_divergence(c.posterior) / c.posterior.mean[0].numel()


@dataclass(frozen=True, kw_only=True)
class WaveletConfig:
    """WL loss of WF-VAE (2411.17459, eq. 7): sums over a clip's coefficients, as published."""

    kind: Literal["wavelet"] = "wavelet"
    weight: float = 0.1
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network, but coefficients among the parts."""
        return lambda c: losses.wavelet_loss(_coefficients(c))


@dataclass(frozen=True, kw_only=True)
class MeanWaveletConfig:
    """The same per coefficient of each level, so that it does not grow with the clip."""

    kind: Literal["mean_wavelet"] = "mean_wavelet"
    weight: float = 0.1
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network, but coefficients among the parts."""
        return lambda c: losses.wavelet_difference(_coefficients(c))


@dataclass(frozen=True, kw_only=True)
class VideoWaveletConfig:
    """Video-DWT loss of LTX-Video (2.1.5): the eight bands of the clips, mean absolute error."""

    kind: Literal["video_wavelet"] = "video_wavelet"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network."""
        return lambda c: losses.video_wavelet_difference(c.shown, c.video)


@dataclass(frozen=True, kw_only=True)
class PictureLatentsConfig:
    """Open-Sora 1.2 (3.1): the temporal half reconstructs the latents of all pictures.

    Absolute differences, summed over each picture's latents, the mean over pictures.
    """

    kind: Literal["picture_latents"] = "picture_latents"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network, but picture latents among the parts."""
        return lambda c: losses.frame_sum(
            (c.part("decoder_pictures") - c.part("encoder_pictures")).abs()
        )


@dataclass(frozen=True, kw_only=True)
class IdentityConfig:
    """Open-Sora 1.2 (3.1): latents of a single picture stay those of the 2D autoencoder.

    Absolute differences, summed over the latents, the mean over clips; 0 for longer clips.
    """

    kind: Literal["identity"] = "identity"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)

    def build(self, networks: Networks) -> Measure:
        """The measure; needs no network, but latents of both halves among the parts."""
        return _identity


def _identity(c: Comparison) -> Tensor:
    latents, pictures = c.part("latents"), c.part("encoder_pictures")
    if pictures.shape[2] > 1:
        return latents.new_zeros(())
    if latents.shape != pictures.shape:
        raise ConfigError(
            f"identity loss: latents {tuple(latents.shape)} of a picture and "
            f"{tuple(pictures.shape)} of the 2D autoencoder: expected the same shape"
        )
    return losses.frame_sum((latents - pictures).abs())


def _coefficients(c: Comparison) -> dict[str, Tensor]:
    """The coefficients of both ways, level by level."""
    names = ("encoder_outer", "decoder_outer", "encoder_inner", "decoder_inner")
    return {name: c.part(name) for name in names}
