"""What an autoencoder is.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent frames,
rows, columns; N video tokens; L text tokens; D width; A heads of size K.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from kineograph.types.draws import Draws


@dataclass(frozen=True)
class Legal:
    """A clip that an autoencoder can take, and the rule in words."""

    frames: int
    height: int
    width: int
    rule: str


@dataclass(frozen=True, eq=False)
class Posterior:
    """A diagonal normal distribution over un-normalised latents, (B, C, F, H, W) each."""

    mean: Tensor
    logvar: Tensor | None = None

    def sample(self, draws: Draws | None) -> Tensor:
        """A sample; the mode when there is nothing to draw from or no variance."""
        if draws is None or self.logvar is None:
            return self.mean
        noise = draws(tuple(self.mean.shape)).to(self.mean)
        return self.mean + torch.exp(0.5 * self.logvar) * noise

    def kl(self) -> Tensor:
        """Divergence from the standard normal, summed over everything but B: (B,)."""
        if self.logvar is None:
            return self.mean.new_zeros(self.mean.shape[0])
        terms = self.mean.square() + self.logvar.exp() - 1.0 - self.logvar
        return 0.5 * terms.flatten(1).sum(1)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of un-normalised latents: mean and variance of each channel, (C,) each."""

    mean: Tensor
    variance: Tensor

    @property
    def deviations(self) -> Tensor:
        """The standard deviation of each channel, (C,); a dead channel is not blown up."""
        return self.variance.sqrt().clamp_min(1e-3 * self.spread)

    @property
    def common_mean(self) -> float:
        """Of all channels together."""
        return float(self.mean.mean())

    @property
    def spread(self) -> float:
        """One standard deviation for all channels, each about its own mean."""
        return float(self.variance.mean().sqrt())

    @property
    def common_spread(self) -> float:
        """The standard deviation of all channels about their common mean."""
        between = (self.mean - self.mean.mean()).square().mean()
        return float((self.variance.mean() + between).sqrt())


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What training an autoencoder looks at.

    `parts` holds further tensors by name that a loss may compare, for instance the
    wavelet coefficients of WF-VAE on the way in and on the way out.
    """

    video: Tensor
    posterior: Posterior
    parts: Mapping[str, Tensor] = field(default_factory=dict)


class Autoencoder(Protocol):
    """Video to normalised latents and back; the statistics live inside."""

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """The nearest legal clip."""
        ...

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, F, H, W) of a legal clip."""
        ...

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) in [-1, 1] -> normalised latents (B, C, F, H, W); None: the mode."""
        ...

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Normalised latents -> (B, 3, T, Y, X), about [-1, 1]; `frames` where F is ambiguous."""
        ...

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """(B, 3, T, Y, X) -> the distribution of un-normalised latents."""
        ...

    def normalise(self, latents: Tensor) -> Tensor:
        """Un-normalised -> normalised latents."""
        ...

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        ...


class TrainableAutoencoder(Autoencoder, Protocol):
    """What `train-autoencoder` needs beyond coding."""

    def train_forward(self, video: Tensor, draws: Draws) -> Reconstruction:
        """(B, 3, T, Y, X) -> its reconstruction, with what the losses compare."""
        ...

    @property
    def last_layer(self) -> nn.Parameter:
        """The weight whose gradients balance adversarial and reconstruction terms."""
        ...

    def measured(self, statistics: Statistics) -> object:
        """Take the latents' statistics in; returns the configuration that says them too."""
        ...
