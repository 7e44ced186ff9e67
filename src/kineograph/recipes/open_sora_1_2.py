"""Open-Sora 1.2 as published (2412.20404), with the training of its autoencoder (3.1).

Three stages on clips of 256 x 256 pixels: what the time half makes of the picture latents, with
single pictures held in place; the same without; then pixels, with clips of every length. Paper
and code agree on this order; rates, weights and shares are the code's. The paper counts 380k,
260k and 560k steps on 8, 8 and 24 GPUs with one clip each.
"""

from dataclasses import replace

from kineograph.autoencoders.losses_perceptual import LikelihoodConfig
from kineograph.autoencoders.losses_terms import (
    DivergenceConfig,
    IdentityConfig,
    PictureLatentsConfig,
)
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.conditioning.joining import JoiningFrames
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.diffusion.clip_shift import ClipShift
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.times import Even, LogitNormal
from kineograph.optimisers.kinds import AdamW
from kineograph.recipes.recipe import Recipe, Sampling
from kineograph.recipes.stages import AutoencoderStage, Footage, Schedule
from kineograph.text.t5 import T5Config

FIRST = AutoencoderStage(
    name="time half, pictures held",
    clips=Footage(frames=17, size=256, fps=24.0),
    images=0.2,
    schedule=Schedule(
        steps=380_000,
        batch=1,
        rate=1e-5,
        warmup=0,
        decay=0.0,
        average=0.0,
        optimiser=AdamW(betas=(0.9, 0.999)),
    ),
    terms=(PictureLatentsConfig(), IdentityConfig()),
    frozen=("image.*",),
)
SECOND = replace(
    FIRST,
    name="picture latents",
    schedule=replace(FIRST.schedule, steps=260_000),
    terms=(PictureLatentsConfig(),),
    frozen=(),
)
THIRD = AutoencoderStage(
    name="pixels, mixed lengths",
    clips=Footage(frames=33, size=256, fps=24.0),
    lengths=tuple(range(1, 34)),
    schedule=replace(FIRST.schedule, steps=560_000),
    terms=(LikelihoodConfig(perceptual=0.1), DivergenceConfig(weight=1e-6)),
)

OPEN_SORA_1_2 = Recipe(
    name="open-sora-1.2",
    paper="Open-Sora (2412.20404)",
    summary="Open-Sora 1.2: STDiT-3 on latents of 4 x 8 x 8",
    autoencoder=StackedConfig(),
    text=T5Config(length=300),
    denoiser=STDiTConfig(),
    objective=Objective(times=LogitNormal(shift=ClipShift())),
    injection=JoiningFrames(),
    guidance=ClassifierFree(scale=7.0),
    sampling=Sampling(
        steps=30,
        schedule=Even(shift=ClipShift()),
        frames=51,
        height=240,
        width=432,
        fps=24.0,
        multiple=16,
    ),
    autoencoder_stages=(FIRST, SECOND, THIRD),
)
