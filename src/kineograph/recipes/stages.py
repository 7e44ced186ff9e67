"""What happens in a stage of training: numbers and names only.

A stage fixes which clips are looked at, for how long, and how the weights move. Batch
sizes count the samples of one process and one step.
"""

from dataclasses import dataclass, field
from typing import Literal

from kineograph.autoencoders.losses_adversarial import AdversarialConfig, ReconstructionGANConfig
from kineograph.autoencoders.losses_criterion import TermConfig
from kineograph.conditioning.channels import GivenEnds
from kineograph.conditioning.dropout import FirstFrame
from kineograph.conditioning.frame_masks import FrameMasks
from kineograph.conditioning.mask_mix import MaskedClips
from kineograph.conditioning.token_dropping import FixedCount, SpatialDropping, TemporalDropping
from kineograph.data.buckets import BucketTable
from kineograph.data.token_plans import EqualTokenBatches, MinMaxTokens
from kineograph.optimisers.clipping import AdaptiveClip
from kineograph.optimisers.kinds import Adafactor, AdamW, Muon


@dataclass(frozen=True, kw_only=True)
class Clips:
    """Clips of the toybox world, rendered when they are needed.

    level: preset of the world; frames, size (pixels, square) and fps: their shape.
    """

    kind: Literal["toybox"] = "toybox"
    level: int = 1
    frames: int = 17
    size: int = 64
    fps: float = 8.0


@dataclass(frozen=True, kw_only=True)
class Footage:
    """Clips of the videos of a dataset, each video as likely.

    folder: with videos at any depth, or a dataset in another layout (see `data check`); frames,
    size (pixels, square) and fps: the clips' shape. held_out: share of the videos that are never
    trained on, at least one of two or more; 0: none, what is trained on is measured.
    """

    kind: Literal["footage"] = "footage"
    folder: str = "videos"
    frames: int = 17
    size: int = 256
    fps: float = 24.0
    held_out: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Change:
    """From step `step` of a stage on (the first one is 0), its rate is `rate`."""

    step: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a stage lasts and how fast its weights move.

    The rate rises over `warmup` steps, stays, and falls to zero over the last `decay`
    share of the steps, linearly or as half a cosine. Gradients are clipped to norm `clip`
    (None: never), after what `outliers` does to them (None: nothing); `average` is the decay of
    the moving average of the weights. accumulate: batches that are looked at before a step.
    changes: rates that hold from some step on, instead of `rate`, such as a rate that is lowered
    half way.
    """

    steps: int
    batch: int
    rate: float
    warmup: int = 40
    decay: float = 0.65
    shape: Literal["linear", "cosine"] = "linear"
    clip: float | None = 1.0
    average: float = 0.996
    optimiser: AdamW | Adafactor | Muon = field(default_factory=AdamW)
    outliers: AdaptiveClip | None = None
    accumulate: int = 1
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Emphasis:
    """How much more some pixels count, in terms that weigh pixels.

    A pixel counts 1 + mask on objects (widened by one pixel) + motion times the difference
    between its frame and the neighbouring ones + path where an object is in any frame of the
    clip, scaled to mean 1.
    """

    mask: float = 0.0
    motion: float = 0.0
    path: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Opponent:
    """How a stage's discriminator moves.

    rate, clip, optimiser: its own, as in `Schedule` (optimiser None: as the stage's); everything
    else is the stage's.
    kept: go on with the discriminator of the stage before, instead of a new one.
    """

    rate: float = 1e-4
    clip: float | None = 1.0
    optimiser: AdamW | Adafactor | Muon | None = None
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class AutoencoderStage:
    """One stage of `train-autoencoder`.

    lengths: in each step the clips are cut to one of so many frames, each as likely; empty:
    never. images: share of the steps in which only their first frame is left. terms: what the
    loss is made of, beside what the adversary adds. frozen: name patterns of weights that stay.
    noise: what the noise of sampled latents is multiplied by: below 1, an autoencoder without
    pretrained weights finds out sooner that its latents can say something.
    """

    name: str
    clips: Clips | Footage
    lengths: tuple[int, ...] = ()
    images: float = 0.0
    noise: float = 1.0
    schedule: Schedule
    terms: tuple[TermConfig, ...]
    emphasis: Emphasis = field(default_factory=Emphasis)
    adversary: AdversarialConfig | ReconstructionGANConfig | None = None
    opponent: Opponent = field(default_factory=Opponent)
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Clips whose record says a number from `least` to `most`, both included; None: any.

    field: where the number stands in the record, such as `scores.aesthetic`.
    """

    field: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The clips of a stage: the first ones of each cache, and those within all bounds.

    first: how many, None: all.
    """

    first: int | None = None
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Same:
    """A stage begins with the weights of a model that is built alike.

    folder: its weights folder; what learns is taken from there.
    """

    kind: Literal["same"] = "same"
    folder: str


@dataclass(frozen=True, kw_only=True)
class Smaller:
    """A STIV denoiser begins with what smaller ones have learned (2412.07730, 2.4).

    space: weights folder of a model of images or shorter videos; time: of a model of videos that
    gives attention along time, None: it begins closed.
    """

    kind: Literal["smaller"] = "smaller"
    space: str
    time: str | None = None


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The loss on clips that are never trained on (Open-Sora 1.2, 2412.20404, 4.3).

    It is the mean over `times` equidistant times, with draws that are always the same, for
    each length and each size that a cache has.

    clips: held out at the end of each cache; lengths: in latent frames, those that a cache does not
    have are left out; times: how many.
    """

    clips: int = 16
    lengths: tuple[int, ...] = (1,)
    times: int = 10


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Clips that last longer than a stage looks at are also cut out of their middle.

    Such a cut goes on from what came before, as the windows of a long video do: its positions are
    those of a video without a beginning, and it knows its first latent frames, whatever else is
    given.

    share: of the clips that are cut at a later latent frame, any one as likely; the others begin
    with their clip. known: at most so many first latent frames are known, each number as likely.
    """

    share: float = 0.5
    known: int = 3


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of `train`.

    latent_frames: how many latent frames of each cached clip are used at most (1: images only),
    None: all; windows: where clips are cut, None: at their beginning; images: share of the steps
    in which only the first latent frame is used; buckets: how clips
    are brought to shapes and batches, None: clips of one cache, drawn at random, make a batch
    of `schedule.batch`; subset: which clips, None: all; validation: on which clips the loss is
    measured now and then.

    text_dropout: share of captions that are replaced by the null caption; words_lost: share
    of the words of the others that are replaced by the unknown word; given: which frames
    are given, and how often, on latents or (`masked_clips`) on pixels that are encoded again;
    dropping: which tokens the denoiser sees, None: all.

    frozen: name patterns of weights that stay; parents: weights to begin with, None: those of
    the stage before.
    """

    name: str
    latent_frames: int | None = None
    windows: Windows | None = None
    images: float = 0.0
    buckets: BucketTable | MinMaxTokens | EqualTokenBatches | None = None
    subset: Subset | None = None
    validation: Validation | None = None
    schedule: Schedule
    text_dropout: float = 0.1
    words_lost: float = 0.02
    given: FirstFrame | FrameMasks | GivenEnds | MaskedClips = field(
        default_factory=lambda: FirstFrame(probability=0.15)
    )
    dropping: SpatialDropping | TemporalDropping | FixedCount | None = None
    frozen: tuple[str, ...] = ()
    parents: Same | Smaller | None = None
