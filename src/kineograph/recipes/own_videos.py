"""The toybox's small model, going on with a user's own clips: 17 frames of 128 x 128 pixels.

Its parts are the toybox's, so that both trainings begin with `--start toybox`. The numbers are
for a handful of clips on a plain CPU: what is learned is those clips.
"""

from dataclasses import replace

from kineograph.autoencoders.losses_terms import (
    AbsoluteConfig,
    MeanDivergenceConfig,
    MeanWaveletConfig,
    SquaredConfig,
)
from kineograph.conditioning.dropout import FirstFrame
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.recipes.stages import AutoencoderStage, Clips, Footage, Schedule, Stage
from kineograph.recipes.toybox import TOYBOX

TERMS = (
    SquaredConfig(weight=10.0),
    AbsoluteConfig(),
    MeanDivergenceConfig(weight=1e-4),
    MeanWaveletConfig(weight=0.1),
)

AUTOENCODER_STAGES = (
    AutoencoderStage(  # more clips that are shorter teach more in the same time
        name="short clips",
        clips=Footage(frames=5, size=128, fps=8.0, held_out=0.0),
        schedule=Schedule(
            steps=400, batch=1, rate=1e-3, warmup=10, decay=0.8, shape="cosine", average=0.95
        ),
        terms=TERMS,
    ),
    AutoencoderStage(
        name="whole clips",
        clips=Footage(frames=17, size=128, fps=8.0, held_out=0.0),
        schedule=Schedule(
            steps=50, batch=1, rate=5e-4, warmup=5, decay=1.0, shape="cosine", average=0.9
        ),
        terms=TERMS,
    ),
)

STAGES = (
    Stage(
        name="clips",
        schedule=Schedule(
            steps=1000, batch=2, rate=1e-3, warmup=20, decay=0.7, shape="cosine", average=0.98
        ),
        text_dropout=0.05,
        words_lost=0.0,
        given=FirstFrame(probability=0.1),
    ),
)

OWN_VIDEOS = replace(
    TOYBOX,
    name="own-videos",
    summary="the toybox's model, fine-tuned on a few clips of one's own",
    guidance=ClassifierFree(scale=1.0),
    autoencoder_stages=AUTOENCODER_STAGES,
    cache=Clips(frames=17, size=128, fps=8.0),
    stages=STAGES,
)
