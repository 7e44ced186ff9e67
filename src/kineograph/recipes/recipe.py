"""What a recipe is: every part of a system, as data.

Each field lists the closed union of configurations that can stand there; the `kind` of a
configuration says which it is, so that recipes are read back from files strictly.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.deep_compression import DeepCompressionConfig
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.conditioning.channels import GivenChannels
from kineograph.conditioning.injections import HeldFrames
from kineograph.conditioning.joining import JoiningFrames
from kineograph.conditioning.keyframes import KeyFrames
from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.denoisers.laboratory import LaboratoryConfig
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config
from kineograph.denoisers.stiv import STIVConfig
from kineograph.denoisers.structure import StructureConfig
from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.joint import Joint
from kineograph.diffusion.multistep import Multistep
from kineograph.diffusion.negatives import TwoNegatives
from kineograph.diffusion.noise_table import Leading, NoiseTable, Trailing
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Data, Noise, V, Velocity
from kineograph.diffusion.samplers import Ancestral, Euler, Heun, Renoise
from kineograph.diffusion.skip_layer import SkipLayer
from kineograph.diffusion.times import Even, LinearQuadratic, Listed
from kineograph.recipes.adapter import LoRA
from kineograph.recipes.stages import AutoencoderStage, Clips, Stage
from kineograph.text.clip import CLIPConfig
from kineograph.text.pair import T5WithCLIPConfig
from kineograph.text.t5 import T5Config
from kineograph.text.words import WordsConfig

Guided: TypeAlias = Off | ClassifierFree | Joint | TwoNegatives | SkipLayer


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a recipe turns noise into a video, and the video it makes unless told otherwise.

    frames, height, width (pixels) and fps: the largest bucket that was trained on;
    multiple: rows and columns of pixels that one token of the denoiser covers;
    enlarge: the factor by which files are written larger than the model's own pixels.
    """

    steps: int
    sampler: Euler | Heun | Ancestral | Renoise | Multistep = field(default_factory=Euler)
    schedule: Even | LinearQuadratic | Listed | Trailing | Leading = field(default_factory=Even)
    frames: int
    height: int
    width: int
    fps: float
    multiple: int = 1
    enlarge: int = 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One system: its parts, how it is trained, how it samples.

    controller: steers the denoiser by drawings of frames; None: nothing does. cache: the clips
    that are stored as latents for the stages of the denoiser. adapter: what `train` adapts
    instead of moving all weights.
    """

    name: str
    paper: str
    summary: str
    autoencoder: (
        ImageKLConfig
        | StackedConfig
        | WaveletFlowConfig
        | CausalKLConfig
        | DeepCompressionConfig
        | DenoisingConfig
    )
    text: WordsConfig | T5Config | CLIPConfig | T5WithCLIPConfig
    denoiser: (
        LTXConfig
        | MMDiTConfig
        | STDiTConfig
        | STDiT1Config
        | STDiT2Config
        | STIVConfig
        | SkiparseConfig
        | LaboratoryConfig
    )
    controller: StructureConfig | None = None
    path: RectifiedFlow | NoiseTable = field(default_factory=RectifiedFlow)
    prediction: Velocity | Noise | Data | V = field(default_factory=Velocity)
    objective: Objective = field(default_factory=Objective)
    injection: (
        HeldFrames | GivenChannels | JoiningFrames | KeyFrames | MaskedVideo | ReplacedFrames
    ) = field(default_factory=HeldFrames)
    guidance: Guided = field(default_factory=Off)
    sampling: Sampling
    autoencoder_stages: tuple[AutoencoderStage, ...] = ()
    cache: Clips = field(default_factory=Clips)
    stages: tuple[Stage, ...] = ()
    adapter: LoRA | None = None
