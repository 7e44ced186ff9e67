"""Latents that learn from a feature network: they align with what it sees in the frames.

Open-Sora 2.0 (4.3) aligns latents of a deep-compression autoencoder with DINOv2's features;
it cites VA-VAE (2501.01423), whose two marginal losses stand here.
Letters: B clips, T frames, C channels, F x H x W the grid of latents, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders.losses_terms import Comparison, Fade, Networks
from kineograph.errors import ConfigError
from kineograph.nn.resample import fold_frames, unfold_frames


@dataclass(frozen=True, kw_only=True)
class LatentDistillationConfig:
    """Latents towards the features of a network that is passed in.

    part: which part of the reconstruction is aligned, e.g. a level of the encoder; empty: the
    latents' mean. channels and features: C of that part, D of the network. angle: the
    cosine may fall short of 1 by this much; distance: cosines between places of a frame
    may differ by this much.
    """

    kind: Literal["latent_distillation"] = "latent_distillation"
    weight: float = 0.1
    fade: Fade = field(default_factory=Fade)
    part: str = ""
    channels: int = 128
    features: int = 768
    angle: float = 0.5
    distance: float = 0.25

    def build(self, networks: Networks) -> "LatentDistillation":
        """The measure, with a projection that moves with the autoencoder.

        Raises:
            ConfigError: there is no feature network.
        """
        if networks.features is None:
            raise ConfigError("latent distillation needs a feature network, and none is given")
        return LatentDistillation(self, networks.features)


class LatentDistillation(nn.Module):
    """Cosines between projected latents and features, and between places of a frame."""

    def __init__(
        self, config: LatentDistillationConfig, features: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.config = config
        self.projection = nn.Conv3d(config.channels, config.features, 1, bias=False)
        self.features = (features,)  # in a tuple: its weights are none of this module's

    def forward(self, compared: Comparison) -> Tensor:
        """A comparison -> both losses together, ()."""
        config = self.config
        latents = compared.part(config.part) if config.part else compared.posterior.mean
        if latents.shape[1] != config.channels:
            raise ConfigError(
                f"latent distillation: {latents.shape[1]} channels, "
                f"expected channels={config.channels}"
            )
        ours = self.projection(latents.to(self.projection.weight))
        seen = self.target(compared.video, ours)
        return align(ours, seen, config.angle) + relate(latents, seen, config.distance)

    def target(self, video: Tensor, like: Tensor) -> Tensor:
        """Features of the frames at which latents stand, on their grid: (B, D, F, H, W).

        Of T frames F are looked at, evenly spread from the first to the last.
        """
        count, rows, columns = like.shape[2:]
        places = torch.linspace(0, video.shape[2] - 1, count).round().long().to(video.device)
        with torch.no_grad():
            found = self.features[0](fold_frames(video[:, :, places]))
        if found.shape[1] != like.shape[1]:
            raise ConfigError(
                f"latent distillation: the network has {found.shape[1]} features, "
                f"expected features={like.shape[1]}"
            )
        fitted = functional.interpolate(
            found.to(like), (rows, columns), mode="bilinear", antialias=True
        )
        return unfold_frames(fitted, len(video))


def align(ours: Tensor, seen: Tensor, margin: float) -> Tensor:
    """Marginal cosine loss of (B, D, F, H, W) twice (VA-VAE)."""
    cosine = functional.cosine_similarity(ours, seen, dim=1)
    return functional.relu(1.0 - margin - cosine).mean()


def relate(latents: Tensor, seen: Tensor, margin: float) -> Tensor:
    """Marginal distance-matrix loss (VA-VAE): how alike the places of a frame are.

    (B, C, F, H, W) and (B, D, F, H, W); the two matrices have (H W)^2 cosines per frame.
    """
    difference = _cosines(latents) - _cosines(seen)
    return functional.relu(difference.abs() - margin).mean()


def _cosines(x: Tensor) -> Tensor:
    """(B, C, F, H, W) -> (B F, H W, H W)."""
    places = functional.normalize(fold_frames(x).flatten(2).float(), dim=1)
    return places.transpose(1, 2) @ places
