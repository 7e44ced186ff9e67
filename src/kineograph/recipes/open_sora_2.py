"""Open-Sora 2.0 with high compression (2503.09642, 4.3): Video DC-AE and its training (4.4).

Two stages on clips of 32 frames of 256 x 256 pixels, 8 clips in all: absolute errors and half of
the perceptual distance for 250k steps; then 200k steps with an adversary, too. No divergence,
no decay. Rates, epsilon and betas are the paper's; the code has epsilon 1e-8 and betas (0.9, 0.98).
The share of single pictures and the moving average are the code's, and so is the adversary's
weight in front of the balance of gradients.
"""

from dataclasses import replace

from kineograph.autoencoders.deep_compression import DeepCompressionConfig
from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig
from kineograph.autoencoders.losses_adversarial import AdversarialConfig
from kineograph.autoencoders.losses_perceptual import LikelihoodConfig
from kineograph.conditioning.channels import GivenChannels
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.diffusion.negatives import TwoNegatives
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.times import AreaShift, Even, LogitNormal
from kineograph.optimisers.kinds import AdamW
from kineograph.recipes.recipe import Recipe, Sampling
from kineograph.recipes.stages import AutoencoderStage, Footage, Opponent, Schedule
from kineograph.text.pair import T5WithCLIPConfig

FIRST = AutoencoderStage(
    name="reconstruction",
    clips=Footage(frames=32, size=256, fps=24.0),
    images=0.2,
    schedule=Schedule(
        steps=250_000,
        batch=1,
        rate=5e-5,
        warmup=0,
        decay=0.0,
        average=0.99,
        optimiser=AdamW(betas=(0.9, 0.999), epsilon=1e-15),
    ),
    terms=(LikelihoodConfig(perceptual=0.5),),
)
SECOND = replace(
    FIRST,
    name="with an adversary",
    schedule=replace(FIRST.schedule, steps=200_000),
    adversary=AdversarialConfig(
        weight=0.05, discriminator=PatchDiscriminatorConfig(layers=5, dropout=0.3)
    ),
    opponent=Opponent(rate=1e-4),
)

OPEN_SORA_2_DC_AE = Recipe(
    name="open-sora-2-dc-ae",
    paper="Open-Sora 2.0 (2503.09642)",
    summary="Open-Sora 2.0 with high compression: MMDiT on latents of 4 x 32 x 32",
    autoencoder=DeepCompressionConfig(),
    text=T5WithCLIPConfig(),
    denoiser=MMDiTConfig(channels=128, patch=1),
    objective=Objective(times=LogitNormal(shift=AreaShift())),
    injection=GivenChannels(),
    guidance=TwoNegatives(),
    sampling=Sampling(
        steps=50,
        schedule=Even(shift=AreaShift(cells=1)),
        frames=128,
        height=576,
        width=1024,
        fps=24.0,
        multiple=32,
    ),
    autoencoder_stages=(FIRST, SECOND),
)
