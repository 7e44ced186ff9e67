"""Open-Sora Plan 1.3 as published (2412.00131), with the training of WF-VAE (2.1).

Three stages on clips of 256 x 256 pixels, 8 clips in all: 25 frames for 800k steps; 49 frames at
half the frame rate for 200k; the same with less of the perceptual distance for 200k. Each begins
with a new discriminator, which takes part from the first step on. Generator and discriminator
move in turn, as in the code, so that a step of the paper is a step of one of them. The paper
gives no frame rate: 24 and 12 stand for "half of it". Weight decays are the code's.
"""

from dataclasses import replace

from kineograph.autoencoders.losses_adversarial import Adaptive, AdversarialConfig, Alternate
from kineograph.autoencoders.losses_perceptual import LikelihoodConfig
from kineograph.autoencoders.losses_terms import DivergenceConfig, WaveletConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.noise_table import NoiseTable, Stratified, Trailing
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.prediction import V
from kineograph.diffusion.samplers import Ancestral
from kineograph.diffusion.weighting import MinSNR
from kineograph.optimisers.kinds import AdamW
from kineograph.recipes.recipe import Recipe, Sampling
from kineograph.recipes.stages import AutoencoderStage, Footage, Opponent, Schedule
from kineograph.text.t5 import T5Config

ADAM = AdamW(betas=(0.9, 0.999), weight_decay=1e-4)
LONG = Schedule(
    steps=800_000,
    batch=1,
    rate=1e-5,
    warmup=0,
    decay=0.0,
    clip=None,
    average=0.999,
    optimiser=ADAM,
)
CRITIC = AdversarialConfig(weight=0.5, balance=Adaptive(epsilon=1e-6), turns=Alternate())
MOVES = Opponent(rate=1e-5, optimiser=AdamW(betas=(0.9, 0.999), weight_decay=0.01))

FIRST = AutoencoderStage(
    name="25 frames",
    clips=Footage(frames=25, size=256, fps=24.0),
    schedule=LONG,
    terms=(LikelihoodConfig(perceptual=1.0), DivergenceConfig(weight=1e-6), WaveletConfig()),
    adversary=CRITIC,
    opponent=MOVES,
)
SECOND = replace(
    FIRST,
    name="49 frames, half the rate",
    clips=Footage(frames=49, size=256, fps=12.0),
    schedule=replace(LONG, steps=200_000),
)
THIRD = replace(
    SECOND,
    name="49 frames, steadier",
    terms=(LikelihoodConfig(perceptual=0.1), DivergenceConfig(weight=1e-6), WaveletConfig()),
)

OPEN_SORA_PLAN_1_3 = Recipe(
    name="open-sora-plan-1.3",
    paper="Open-Sora Plan (2412.00131), WF-VAE (2411.17459)",
    summary="Open-Sora Plan 1.3: WF-VAE and the Skiparse denoiser, frames given by a mask",
    autoencoder=WaveletFlowConfig(),
    text=T5Config(vocabulary=250112, length=512),
    denoiser=SkiparseConfig(mask_channels=4),
    path=NoiseTable(),
    prediction=V(),
    objective=Objective(times=Stratified(), weighting=MinSNR()),
    injection=MaskedVideo(),
    guidance=ClassifierFree(scale=7.5),
    sampling=Sampling(
        steps=100,
        sampler=Ancestral(),
        schedule=Trailing(),
        frames=93,
        height=352,
        width=640,
        fps=18.0,
        multiple=16,
    ),
    autoencoder_stages=(FIRST, SECOND, THIRD),
)
