"""The first half of training the toybox's model: its clips at 64 x 64 pixels.

WF-VAE (Open-Sora Plan, 2.1) and the LTX-Video transformer (LTX-Video, 2.2) at small width,
rectified flow, words for text. World level 1: one object, five shapes, eight colours, six
motions, three floors. A clip has a quarter of the tokens here, so most is learned here.
"""

from kineograph.autoencoders.losses_terms import (
    AbsoluteConfig,
    AbsoluteEdgesConfig,
    Fade,
    MeanDivergenceConfig,
    MeanWaveletConfig,
    SquaredConfig,
    SquaredEdgesConfig,
)
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.conditioning.filling import Filled
from kineograph.conditioning.frame_masks import EVERY_TASK, FrameMasks
from kineograph.conditioning.injections import HeldFrames
from kineograph.denoisers.ltx import Local, LTXConfig
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.times import Even, LogitNormal, TokenShift
from kineograph.optimisers.kinds import Muon
from kineograph.recipes.recipe import Recipe, Sampling
from kineograph.recipes.stages import (
    AutoencoderStage,
    Clips,
    Emphasis,
    Schedule,
    Stage,
    Windows,
)
from kineograph.text.words import WordsConfig
from kineograph.toybox.captions import vocabulary

SMALL = Clips(level=1, frames=17, size=64, fps=8.0)
LONG = Clips(level=1, frames=33, size=64, fps=8.0)  # so that windows need not begin a clip

AUTOENCODER = WaveletFlowConfig(
    latent_channels=24,
    base=24,
    encoder_blocks=1,
    decoder_blocks=1,
    connect_blocks=1,
    encoder_energy=24,
    decoder_energy=24,
)

LATE = Fade(start=0.45, end=0.7)

SOFT = (  # absolute errors fade in
    SquaredConfig(weight=10.0),
    SquaredEdgesConfig(weight=4.0),
    AbsoluteConfig(fade=LATE),
    AbsoluteEdgesConfig(fade=LATE),
    MeanDivergenceConfig(weight=3e-4),
    MeanWaveletConfig(weight=0.1),
)

SHARP = (  # absolute errors from the beginning
    SquaredConfig(weight=10.0),
    SquaredEdgesConfig(weight=4.0),
    AbsoluteConfig(),
    AbsoluteEdgesConfig(),
    MeanDivergenceConfig(weight=3e-4),
    MeanWaveletConfig(weight=0.1),
)

TOYS = Emphasis(mask=6.0, motion=6.0)

AUTOENCODER_STAGES = (
    AutoencoderStage(
        name="short clips",
        clips=Clips(level=1, frames=9, size=64, fps=8.0),
        schedule=Schedule(
            steps=2200, batch=6, rate=1.5e-3, warmup=100, decay=0.6, shape="cosine", average=0.996
        ),
        terms=SOFT,
        emphasis=TOYS,
    ),
    AutoencoderStage(
        name="whole clips",
        clips=SMALL,
        schedule=Schedule(
            steps=300, batch=6, rate=4e-4, warmup=20, decay=1.0, shape="linear", average=0.99
        ),
        terms=SHARP,
        emphasis=TOYS,
    ),
    AutoencoderStage(
        name="short clips again",
        clips=Clips(level=1, frames=9, size=64, fps=8.0),
        schedule=Schedule(
            steps=1000, batch=6, rate=1.2e-3, warmup=40, decay=1.0, shape="cosine", average=0.99
        ),
        terms=SHARP,
        emphasis=TOYS,
    ),
    AutoencoderStage(
        name="decoder alone",
        clips=SMALL,
        schedule=Schedule(
            steps=400, batch=5, rate=8e-4, warmup=20, decay=1.0, shape="cosine", average=0.99
        ),
        terms=SHARP,
        emphasis=TOYS,
        frozen=("encoder.*",),
    ),
)

MUON = Muon(matrices=("denoiser.blocks.*.weight",))

DENOISER_STAGES = (
    Stage(
        name="images",
        latent_frames=1,
        schedule=Schedule(steps=450, batch=64, rate=4e-3, decay=0.3, optimiser=MUON),
    ),
    Stage(
        name="images again",
        latent_frames=1,
        schedule=Schedule(steps=500, batch=64, rate=4e-3, decay=0.65, optimiser=MUON),
    ),
    Stage(
        name="videos",
        latent_frames=5,
        schedule=Schedule(steps=1950, batch=28, rate=3e-3, decay=0.65, optimiser=MUON),
    ),
    Stage(
        name="videos again",
        latent_frames=5,
        schedule=Schedule(steps=620, batch=28, rate=2e-3, warmup=20, decay=1.0, optimiser=MUON),
    ),
    Stage(
        name="videos at last",
        latent_frames=5,
        schedule=Schedule(steps=300, batch=28, rate=2.5e-3, warmup=20, decay=1.0, optimiser=MUON),
        words_lost=0.0,
    ),
    Stage(
        name="videos once more",
        latent_frames=5,
        schedule=Schedule(steps=300, batch=28, rate=2.5e-3, warmup=20, decay=1.0, optimiser=MUON),
        words_lost=0.0,
    ),
    Stage(
        name="all tasks",
        latent_frames=5,
        windows=Windows(share=0.4, known=3),
        schedule=Schedule(
            steps=90,
            batch=16,
            rate=1.5e-3,
            warmup=8,
            decay=1.0,
            average=0.97,
            optimiser=MUON,
        ),
        given=FrameMasks(patterns=EVERY_TASK, noisiest=0.5),
    ),
)

TOYBOX_64 = Recipe(
    name="toybox-64",
    paper="none: parts of Open-Sora Plan (2412.00131) and LTX-Video (2501.00103)",
    summary="one toy on a table at 64 x 64 pixels: what `toybox` begins from",
    autoencoder=AUTOENCODER,
    text=WordsConfig(vocabulary=vocabulary(), length=24),
    denoiser=LTXConfig(
        layers=8,
        heads=4,
        head_width=64,
        in_channels=24,
        out_channels=24,
        text_width=256,
        pooled_width=256,
        patch=2,
        temporal_scale=4,
        spatial_scale=8,
        causal_positions=True,
        max_positions=(2.0, 64.0, 64.0),
        theta=50.0,
        local=Local(width=64),
    ),
    objective=Objective(
        times=LogitNormal(std=1.1, shift=TokenShift(low=(64, 0.3), high=(320, 0.5))),
        focus_weight=2.0,
    ),
    injection=HeldFrames(filling=Filled()),
    guidance=ClassifierFree(scale=4.0),
    sampling=Sampling(
        steps=24,
        schedule=Even(shift=TokenShift(low=(64, 0.5), high=(320, 0.7))),
        frames=17,
        height=64,
        width=64,
        fps=8.0,
        multiple=16,
        enlarge=4,
    ),
    autoencoder_stages=AUTOENCODER_STAGES,
    cache=LONG,
    stages=DENOISER_STAGES,
)
