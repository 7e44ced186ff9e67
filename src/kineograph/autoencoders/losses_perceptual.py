"""Terms of an autoencoder's loss that compare how frames look.

Letters: B clips, T frames of Y x X pixels.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from kineograph.autoencoders import losses
from kineograph.autoencoders.losses_terms import Comparison, Fade, Measure, Networks
from kineograph.errors import ConfigError
from kineograph.nn.perceptual import Distance, PyramidDistance
from kineograph.nn.resample import fold_frames, unfold_frames


@dataclass(frozen=True, kw_only=True)
class LPIPSConfig:
    """The trained distance; its weights come from the user's file."""

    kind: Literal["lpips"] = "lpips"

    def build(self, networks: Networks) -> Distance:
        """The given network.

        Raises:
            ConfigError: there is none.
        """
        if networks.lpips is None:
            raise ConfigError(
                "the loss needs LPIPS and no weights are given: give VGG16's and its heads' "
                "files, or choose the distance without weights, {kind: pyramid}"
            )
        return networks.lpips


@dataclass(frozen=True, kw_only=True)
class PyramidConfig:
    """Laplacian pyramids under local contrast; needs no weights (`nn/perceptual.py`)."""

    kind: Literal["pyramid"] = "pyramid"
    levels: int = 4
    floor: float = 0.1

    def build(self, networks: Networks) -> Distance:
        """The distance; needs no network."""
        return PyramidDistance(self.levels, self.floor)


@dataclass(frozen=True, kw_only=True)
class PerceptualConfig:
    """Mean distance of frames."""

    kind: Literal["perceptual"] = "perceptual"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)
    distance: LPIPSConfig | PyramidConfig = field(default_factory=LPIPSConfig)

    def build(self, networks: Networks) -> Measure:
        """The measure, over a network where the distance needs one."""
        distance = self.distance.build(networks)
        return lambda c: frame_distances(distance, c.shown, c.video).mean()


@dataclass(frozen=True, kw_only=True)
class Absolute:
    """How far a pixel is off."""

    kind: Literal["absolute"] = "absolute"

    def __call__(self, difference: Tensor) -> Tensor:
        """Any shape."""
        return difference.abs()


@dataclass(frozen=True, kw_only=True)
class Squared:
    """The square of it."""

    kind: Literal["squared"] = "squared"

    def __call__(self, difference: Tensor) -> Tensor:
        """Any shape."""
        return difference.square()


@dataclass(frozen=True, kw_only=True)
class LikelihoodConfig:
    """What VQGAN's code and its heirs (Open-Sora, Open-Sora Plan) call reconstruction.

    Of every pixel the error and `perceptual` times the distance of its frame,
    divided by exp(logvar), plus logvar; summed over a frame, the mean over frames. So it is
    3 Y X times the mean form of the papers. The publications keep `logvar` at 0.
    """

    kind: Literal["likelihood"] = "likelihood"
    weight: float = 1.0
    fade: Fade = field(default_factory=Fade)
    perceptual: float = 1.0
    distance: LPIPSConfig | PyramidConfig = field(default_factory=LPIPSConfig)
    logvar: float = 0.0
    error: Absolute | Squared = field(default_factory=Absolute)

    def build(self, networks: Networks) -> Measure:
        """The measure, over a network where the distance needs one."""
        return Likelihood(self, self.distance.build(networks))


@dataclass(frozen=True)
class Likelihood:
    """Sums of errors and distances under a fixed log-variance."""

    config: LikelihoodConfig
    distance: Distance

    def __call__(self, compared: Comparison) -> Tensor:
        """A comparison -> the negative log-likelihood, ()."""
        shown, video = compared.shown, compared.video
        error = self.config.error(shown - video)
        if self.config.perceptual:
            distances = frame_distances(self.distance, shown, video)
            error = error + self.config.perceptual * distances
        logvar = torch.tensor(self.config.logvar, device=error.device)
        return losses.negative_log_likelihood(error, logvar, compared.weight)


def frame_distances(distance: Distance, found: Tensor, video: Tensor) -> Tensor:
    """(B, 3, T, Y, X) twice -> the distance of each pair of frames, (B, 1, T, 1, 1)."""
    distances = distance(fold_frames(found), fold_frames(video))
    return unfold_frames(distances.view(-1, 1, 1, 1), len(video))
