"""What a stage gives of its clips: drawn on latents, or on pixels that are encoded once more.

Letters: B clips; C x F x H x W latents.
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from kineograph.conditioning.channels import GivenEnds
from kineograph.conditioning.dropout import FirstFrame
from kineograph.conditioning.frame_masks import FrameMasks, led
from kineograph.conditioning.mask_mix import MaskedClips
from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.errors import ConfigError
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Stage
from kineograph.training.pixels import Pixels
from kineograph.training.samples import Taken
from kineograph.types import Autoencoder, Draws, Injection, Known


class Giving(Protocol):
    """Draws what is known of some clips."""

    @property
    def pixels(self) -> Pixels | None:
        """Reads the clips' pixels, where it looks at them."""

    def __call__(self, taken: Taken, latents: Tensor, draws: Draws) -> Known:
        """Clips, and their latents (B, C, F, H, W) on the device -> what is known of them."""


@dataclass(frozen=True)
class OnLatents:
    """Whole latent frames of the clean latents are given."""

    given: FirstFrame | FrameMasks | GivenEnds
    pixels: None = None

    def __call__(self, taken: Taken, latents: Tensor, draws: Draws) -> Known:
        """Cuts out of a clip's middle know their first latent frames, too."""
        known = [cut.known for cut in taken.cuts]
        return led(self.given(latents, draws), latents, known)


@dataclass(frozen=True, eq=False)
class OnPixels:
    """Frames are given before encoding, and the injection encodes them as in sampling."""

    given: MaskedClips
    injection: Injection
    autoencoder: Autoencoder
    pixels: Pixels = field(default_factory=Pixels)

    def __call__(self, taken: Taken, latents: Tensor, draws: Draws) -> Known:
        """Latents that stand for other pixels than the clip's are refused.

        Raises:
            ConfigError: the stage cuts clips where the autoencoder does not.
        """
        assert taken.video is not None
        with torch.no_grad():
            given = self.given(taken.video.to(latents.device), draws)
            known = self.injection.known(given, self.autoencoder, draws)
        if known.latents.shape != latents.shape:
            raise ConfigError(
                f"{given.frames.shape[2]} frames are {known.latents.shape[2]} latent frames, but "
                f"the stage looks at {latents.shape[2]}; expected `latent_frames` that stand for "
                "whole pieces of the autoencoder, or null"
            )
        return known


def giving(stage: Stage, recipe: Recipe, autoencoder: Autoencoder | None) -> Giving:
    """How a stage gives frames.

    Args:
        stage: says which.
        recipe: says how they enter.
        autoencoder: encodes what is given in pixels.

    Raises:
        ConfigError: the recipe's injection needs pixels and the stage does not draw on them, or
            the stage cuts windows out of clips that are encoded whole.
    """
    if not isinstance(stage.given, MaskedClips):
        if isinstance(recipe.injection, MaskedVideo):
            raise ConfigError(
                f"stage {stage.name!r} draws what is given on latents ({stage.given.kind!r}), but "
                "injection 'masked_video' encodes clips with holes; expected given of kind "
                "'masked_clips'"
            )
        return OnLatents(stage.given)
    if stage.windows is not None:
        raise ConfigError(
            f"stage {stage.name!r}: given 'masked_clips' encodes clips from their beginning; "
            "expected no windows, set them to null"
        )
    if autoencoder is None:
        raise ConfigError(
            f"stage {stage.name!r}: given 'masked_clips' encodes in each step; expected the "
            "weights of the autoencoder"
        )
    return OnPixels(stage.given, recipe.injection, autoencoder)
