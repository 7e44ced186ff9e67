"""The toybox's model for all three levels of its world, at 128 x 128 pixels, for one GPU.

The parts are the toybox's, so that it stays as small and as quick to sample. A batch is what fills
a GPU; on a CPU the same numbers would take days. Caches of several levels mix in `train`.
"""

from dataclasses import replace

from kineograph.recipes.stages import AutoencoderStage, Clips, Schedule, Stage
from kineograph.recipes.toybox import ALL_TASKS, DECODER_AGAIN, SIZE, TOYBOX
from kineograph.recipes.toybox_64 import MUON, SHARP, SOFT, TOYS
from kineograph.text.words import WordsConfig
from kineograph.toybox.captions import vocabulary

LEVEL = 3
WORDS = 40  # the longest caption of level 3 has 34

SHORT = Clips(level=2, frames=9, size=SIZE, fps=8.0)  # scenes of level 3 take longer to find
WHOLE = Clips(level=LEVEL, frames=17, size=SIZE, fps=8.0)

AUTOENCODER_STAGES = (
    AutoencoderStage(
        name="short clips",
        clips=SHORT,
        schedule=Schedule(
            steps=2000, batch=24, rate=1.5e-3, warmup=100, decay=0.7, shape="cosine", average=0.996
        ),
        terms=SOFT,
        emphasis=TOYS,
    ),
    AutoencoderStage(
        name="whole clips",
        clips=WHOLE,
        schedule=Schedule(
            steps=300, batch=16, rate=4e-4, warmup=20, decay=1.0, shape="cosine", average=0.99
        ),
        terms=SHARP,
        emphasis=TOYS,
    ),
    replace(  # trails behind what moves are the decoder's, and need the longest clips
        DECODER_AGAIN,
        name="decoder alone",
        clips=WHOLE,
        schedule=replace(DECODER_AGAIN.schedule, steps=700, batch=16),
    ),
)

STAGES = (
    Stage(
        name="images",
        latent_frames=1,
        schedule=Schedule(steps=900, batch=256, rate=4e-3, decay=0.5, optimiser=MUON),
    ),
    Stage(
        name="videos",
        latent_frames=5,
        schedule=Schedule(steps=2400, batch=128, rate=3e-3, decay=0.65, optimiser=MUON),
    ),
    replace(
        ALL_TASKS,
        schedule=replace(
            ALL_TASKS.schedule, steps=500, batch=128, rate=2e-3, warmup=20, average=0.99
        ),
    ),
)

TOYBOX_LARGE = replace(
    TOYBOX,
    name="toybox-large",
    summary="toys in company before moving cameras: levels 1 to 3 of the toybox world, for a GPU",
    text=WordsConfig(vocabulary=vocabulary(), length=WORDS),
    autoencoder_stages=AUTOENCODER_STAGES,
    cache=Clips(level=LEVEL, frames=33, size=SIZE, fps=8.0),
    stages=STAGES,
)
