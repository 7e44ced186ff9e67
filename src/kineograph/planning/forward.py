"""What one pass of a denoiser or an autoencoder takes, from shapes alone.

Letters: B samples; C x F x H x W latents; L text tokens; N video tokens.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.nn.footprint import measure, shapes_only
from kineograph.types import Condition, Denoiser, Known, TextEmbedding

FACTS = (
    "fps",
    "frames",
    "height",
    "width",
    "guidance",
    "motion",
    "aesthetic",
    "crop_top",
    "crop_left",
    "stride",
)


class Builds(Protocol):
    """The configuration of a denoiser."""

    def build(self) -> Denoiser:
        """The module, randomly initialised."""
        ...


@dataclass(frozen=True)
class Reading:
    """What a denoiser reads of a prompt: L tokens, their width, and that of the pooled vector."""

    tokens: int
    width: int
    pooled: int = 1


@dataclass(frozen=True)
class Cost:
    """parameters: of the network; flops and peak (bytes beyond weights and inputs): of a pass."""

    parameters: int
    flops: int
    peak: int


def denoising(config: Builds, latents: tuple[int, int, int, int, int], reading: Reading) -> Cost:
    """One pass of a denoiser on latents (B, C, F, H, W)."""
    samples, _, *cells = latents
    known = None
    with shapes_only():
        denoiser = config.build()
        if isinstance(config, SkiparseConfig) and config.mask_channels:
            strength = torch.empty(samples, config.mask_channels, *cells)
            known = Known(torch.empty(*latents), strength)
        text = TextEmbedding(
            torch.empty(samples, reading.tokens, reading.width),
            torch.empty(samples, reading.tokens, dtype=torch.bool),
            torch.empty(samples, reading.pooled),
        )
        facts = {name: torch.empty(samples) for name in FACTS}
        condition = Condition(text, known, facts)
        x, time = torch.empty(*latents), torch.empty(samples, 1, 1, 1, 1)
        found = measure(partial(denoiser, x, time, condition))
    return Cost(weights(denoiser), found.flops, found.peak)


def weights(part: object) -> int:
    """How many parameters a part has.

    Raises:
        TypeError: it is no network.
    """
    if not isinstance(part, nn.Module):
        raise TypeError(f"{type(part).__name__}: expected a torch module")
    counted: dict[int, Tensor] = {id(one): one for one in part.parameters()}
    return sum(one.numel() for one in counted.values())
