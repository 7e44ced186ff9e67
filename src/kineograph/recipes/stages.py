"""What happens in a stage of training: numbers and names only.

A stage fixes which clips are looked at, for how long, and how the weights move. Batch
sizes count the samples of one process and one step.
"""

from dataclasses import dataclass, field
from typing import Literal

from kineograph.conditioning.dropout import FirstFrame


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Which clips a stage looks at.

    level: preset of the toybox world; frames, size (pixels, square) and fps: their shape.
    """

    kind: Literal["toybox"] = "toybox"
    level: int = 1
    frames: int = 17
    size: int = 64
    fps: float = 8.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a stage lasts and how fast its weights move.

    The rate rises over `warmup` steps, stays, and falls to zero over the last `decay`
    share of the steps, linearly or as half a cosine. Gradients are clipped to norm `clip`;
    `average` is the decay of the moving average of the weights.
    """

    steps: int
    batch: int
    rate: float
    warmup: int = 40
    decay: float = 0.65
    shape: Literal["linear", "cosine"] = "linear"
    clip: float = 1.0
    average: float = 0.996


@dataclass(frozen=True, kw_only=True)
class ReconstructionLoss:
    """Weights of the terms an autoencoder is trained with.

    squared and absolute errors, the squared error of spatial differences (gradient), the
    divergence of the latents per element (kl), and WF-VAE's mean wavelet difference
    (wavelet). Errors count 1 + mask on the objects (widened by one pixel) + motion times
    the frame difference, scaled to mean 1. The absolute terms fade in between the two
    shares of the stage in `fade`.
    """

    squared: float = 10.0
    gradient: float = 4.0
    absolute: float = 1.0
    kl: float = 3e-4
    wavelet: float = 0.1
    mask: float = 6.0
    motion: float = 6.0
    fade: tuple[float, float] = (0.45, 0.7)


@dataclass(frozen=True, kw_only=True)
class AutoencoderStage:
    """One stage of `train-autoencoder`; `frozen`: name patterns of weights that stay."""

    name: str
    clips: Clips
    schedule: Schedule
    loss: ReconstructionLoss = field(default_factory=ReconstructionLoss)
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of `train`.

    latent_frames: how many latent frames of each cached clip are used (1: images only);
    text_dropout: share of captions that are replaced by the null caption; words_lost: share
    of the words of the others that are replaced by the unknown word; given: how often the
    first latent frame is given; matrices: name patterns of the weights that Muon moves,
    AdamW moves the rest.
    """

    name: str
    latent_frames: int
    schedule: Schedule
    text_dropout: float = 0.1
    words_lost: float = 0.02
    given: FirstFrame = field(default_factory=lambda: FirstFrame(probability=0.15))
    matrices: tuple[str, ...] = ("denoiser.blocks.*.weight",)
