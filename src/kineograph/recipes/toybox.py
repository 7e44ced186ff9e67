"""The small model that Kineograph trains itself: one toy on a table, at 128 x 128 pixels.

It goes on from `toybox-64`, with equal parts: positions count as shares of the picture, so that
what was learned about a small picture holds in a large one (progressive resolution, as Open-Sora
1.2 does, 2412.20404, 4.2). Both trainings begin with `--start` and the smaller model's weights.
"""

from dataclasses import replace

from kineograph.autoencoders.losses_terms import TemporalDifferenceConfig
from kineograph.conditioning.frame_masks import EVERY_TASK, FrameMasks
from kineograph.config import override
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.times import Even, LogitNormal, TokenShift
from kineograph.optimisers.kinds import Muon
from kineograph.recipes.stages import AutoencoderStage, Clips, Schedule, Stage, Windows
from kineograph.recipes.toybox_64 import MUON, SHARP, TOYBOX_64, TOYS

SIZE = 128
IMAGE, VIDEO = 256, 1280  # latent cells of a picture, and of 17 frames

SHORT = Clips(level=1, frames=9, size=SIZE, fps=8.0)
WHOLE = Clips(level=1, frames=17, size=SIZE, fps=8.0)

# Trails behind what moves are the decoder's, which knows short clips only until then.
DECODER_AGAIN = AutoencoderStage(
    name="decoder again",
    clips=WHOLE,
    schedule=Schedule(
        steps=720,
        batch=2,
        rate=1e-3,
        warmup=10,
        decay=1.0,
        shape="cosine",
        average=0.98,
        optimiser=Muon(matrices=("decoder.*weight",)),
    ),
    terms=(*SHARP, TemporalDifferenceConfig()),
    emphasis=replace(TOYS, path=1.0),
    frozen=("encoder.*",),
)

AUTOENCODER_STAGES = (
    AutoencoderStage(
        name="short clips",
        clips=SHORT,
        schedule=Schedule(
            steps=850, batch=2, rate=1.2e-3, warmup=40, decay=0.8, shape="cosine", average=0.99
        ),
        terms=SHARP,
        emphasis=TOYS,
    ),
    AutoencoderStage(
        name="decoder alone",
        clips=WHOLE,
        schedule=Schedule(
            steps=60, batch=2, rate=5e-4, warmup=6, decay=1.0, shape="cosine", average=0.98
        ),
        terms=SHARP,
        emphasis=TOYS,
        frozen=("encoder.*",),
    ),
    DECODER_AGAIN,
    replace(
        DECODER_AGAIN,
        name="decoder at last",
        schedule=replace(DECODER_AGAIN.schedule, steps=420),
        terms=(*SHARP, TemporalDifferenceConfig(weight=4.0)),
    ),
)

ALL_TASKS = Stage(
    name="all tasks",
    latent_frames=5,
    windows=Windows(share=0.4, known=3),
    schedule=Schedule(
        steps=220, batch=24, rate=1.5e-3, warmup=10, decay=1.0, average=0.97, optimiser=MUON
    ),
    words_lost=0.0,
    given=FrameMasks(patterns=EVERY_TASK, noisiest=0.5),
)

STAGES = (
    Stage(
        name="images",
        latent_frames=1,
        schedule=Schedule(
            steps=300, batch=64, rate=2.5e-3, warmup=20, decay=0.6, average=0.98, optimiser=MUON
        ),
    ),
    Stage(
        name="videos",
        latent_frames=5,
        windows=Windows(share=0.2, known=3),
        schedule=Schedule(
            steps=1000, batch=24, rate=2.5e-3, warmup=20, decay=0.7, average=0.99, optimiser=MUON
        ),
    ),
    ALL_TASKS,
    replace(
        ALL_TASKS,
        name="all tasks again",
        schedule=replace(ALL_TASKS.schedule, steps=560, rate=2e-3, average=0.98),
    ),
)

TOYBOX = replace(
    override(TOYBOX_64, f"denoiser.max_positions=[2.0, {SIZE}.0, {SIZE}.0]"),
    name="toybox",
    summary="one toy on a table: level 1 of the toybox world",
    # Four times as many cells show what one did: it takes more noise to hide as much.
    objective=Objective(
        times=LogitNormal(std=1.1, shift=TokenShift(low=(IMAGE, 0.6), high=(VIDEO, 0.9))),
        focus_weight=2.0,
    ),
    # Later guidance adds nothing that is asked for; without the first steps' too little moves.
    guidance=ClassifierFree(scale=4.0, interval=(0.5, 1.0)),
    sampling=replace(
        TOYBOX_64.sampling,
        schedule=Even(shift=TokenShift(low=(IMAGE, 0.8), high=(VIDEO, 1.1))),
        height=SIZE,
        width=SIZE,
        enlarge=2,
    ),
    autoencoder_stages=AUTOENCODER_STAGES,
    cache=Clips(level=1, frames=33, size=SIZE, fps=8.0),  # so that windows need not begin a clip
    stages=STAGES,
)
