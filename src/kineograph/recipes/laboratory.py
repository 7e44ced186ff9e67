"""The laboratory: every kind of autoencoder so small that it trains within minutes on a CPU.

Clips of the toybox world of 32 x 32 pixels, 8 or 9 frames. `benchmarks/laboratory_autoencoders.py`
trains them all and says what they reach. Each recipe is whole: a small transformer of the
toybox's kind stands on its latents.
"""

from dataclasses import replace

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.deep_compression import DeepCompressionConfig, DeepLevels
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.denoising_stages import Folded, Residuals, Unfolded
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.losses_terms import (
    AbsoluteConfig,
    Fade,
    MeanDivergenceConfig,
    MeanWaveletConfig,
    SquaredConfig,
    SquaredEdgesConfig,
)
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.time_kl import TimeKLConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.denoisers.ltx import Local, LTXConfig
from kineograph.recipes.stages import AutoencoderStage, Clips, Schedule
from kineograph.recipes.toybox_64 import TOYBOX_64
from kineograph.text.words import WordsConfig
from kineograph.toybox.captions import vocabulary

ODD = Clips(level=1, frames=9, size=32, fps=8.0)
EVEN = Clips(level=1, frames=8, size=32, fps=8.0)
SCHEDULE = Schedule(
    steps=400, batch=8, rate=2e-3, warmup=30, decay=0.7, shape="cosine", average=0.97
)
PIXELS = (
    SquaredConfig(weight=10.0),
    SquaredEdgesConfig(weight=4.0),
    AbsoluteConfig(fade=Fade(start=0.4, end=0.6)),
)
NOISY = (*PIXELS, MeanDivergenceConfig(weight=1e-4))

PICTURES = ImageKLConfig(
    latent_channels=8, widths=(8, 32, 64), blocks=1, groups=4, attention=False, scale=1.0
)
LEVELS = DeepLevels(
    widths=(8, 32, 64), depths=(1, 1, 1), reaches=(None, None, (5,)), halves=(True, True)
)

DENOISER = LTXConfig(
    layers=4,
    heads=4,
    head_width=32,
    text_width=128,
    pooled_width=128,
    causal_positions=True,
    max_positions=(2.0, 32.0, 32.0),
    theta=50.0,
    local=Local(width=32),
)

STAGE = AutoencoderStage(  # more clips that are shorter teach more in the same time
    name="pixels", clips=ODD, lengths=(5,), noise=0.1, schedule=SCHEDULE, terms=NOISY
)
PLAIN = replace(
    TOYBOX_64,
    name="lab",
    text=WordsConfig(vocabulary=vocabulary(), length=24, width=128),
    sampling=replace(TOYBOX_64.sampling, frames=9, height=32, width=32, multiple=8),
    autoencoder_stages=(STAGE,),
    cache=ODD,
)

IMAGE_KL = replace(
    PLAIN,
    name="lab-image-kl",
    paper="none: the KL autoencoder of pictures (2112.10752)",
    summary="laboratory: frame by frame, 1 x 4 x 4",
    autoencoder=PICTURES,
    denoiser=replace(
        DENOISER, in_channels=8, out_channels=8, temporal_scale=1, spatial_scale=4, patch=2
    ),
)

STACKED = replace(
    PLAIN,
    name="lab-stacked",
    paper="none: parts of Open-Sora (2412.20404)",
    summary="laboratory: pictures, then time, 4 x 4 x 4",
    autoencoder=StackedConfig(
        image=PICTURES,
        time=TimeKLConfig(
            channels=8,
            inner_channels=16,
            latent_channels=16,
            base=32,
            factors=(1, 1, 2),
            halves=(True, True),
            blocks=1,
            groups=8,
        ),
        chunk=9,
        scale=(),
        shift=(),
    ),
    denoiser=replace(
        DENOISER, in_channels=16, out_channels=16, temporal_scale=4, spatial_scale=4, patch=2
    ),
    autoencoder_stages=(
        replace(STAGE, lengths=(), images=0.8, schedule=replace(SCHEDULE, steps=1050, rate=1e-3)),
    ),
)

WAVELET_FLOW = replace(
    PLAIN,
    name="lab-wavelet-flow",
    paper="none: parts of WF-VAE (2411.17459)",
    summary="laboratory: wavelets, 4 x 8 x 8",
    autoencoder=WaveletFlowConfig(
        latent_channels=16,
        base=16,
        encoder_blocks=1,
        decoder_blocks=1,
        connect_blocks=1,
        encoder_energy=16,
        decoder_energy=16,
    ),
    denoiser=replace(
        DENOISER, in_channels=16, out_channels=16, temporal_scale=4, spatial_scale=8, patch=1
    ),
    autoencoder_stages=(replace(STAGE, terms=(*NOISY, MeanWaveletConfig(weight=0.1))),),
)

CAUSAL_KL = replace(
    PLAIN,
    name="lab-causal-kl",
    paper="none: parts of HunyuanVideo (2412.03603)",
    summary="laboratory: causal convolutions, 4 x 4 x 4",
    autoencoder=CausalKLConfig(
        latent_channels=16, widths=(8, 32, 48), blocks=1, groups=4, space=4, scale=1.0
    ),
    denoiser=replace(
        DENOISER, in_channels=16, out_channels=16, temporal_scale=4, spatial_scale=4, patch=2
    ),
    autoencoder_stages=(  # pictures cost a ninth and teach the plane; norms want whole clips
        replace(STAGE, lengths=(), images=0.8, schedule=replace(SCHEDULE, steps=1050)),
    ),
)

DEEP_COMPRESSION = replace(
    PLAIN,
    name="lab-deep-compression",
    paper="none: parts of Open-Sora 2.0 (2503.09642)",
    summary="laboratory: shortcuts and linear attention, 4 x 4 x 4",
    autoencoder=DeepCompressionConfig(latent_channels=32, encoder=LEVELS, decoder=LEVELS),
    denoiser=replace(
        DENOISER,
        in_channels=32,
        out_channels=32,
        temporal_scale=4,
        spatial_scale=4,
        patch=2,
        causal_positions=False,
    ),
    sampling=replace(PLAIN.sampling, frames=8),
    autoencoder_stages=(
        AutoencoderStage(
            name="pixels",
            clips=EVEN,
            schedule=replace(SCHEDULE, steps=300, batch=4, rate=2.5e-3),
            terms=PIXELS,
        ),
    ),
    cache=EVEN,
)

DENOISING = replace(
    PLAIN,
    name="lab-denoising",
    paper="none: parts of LTX-Video (2501.00103)",
    summary="laboratory: a decoder that denoises, 4 x 4 x 4",
    autoencoder=DenoisingConfig(
        latent_channels=32,
        patch=4,
        train_time=0.1,
        encoder_base=64,
        encoder=(
            Residuals(blocks=1),
            Folded(stride=(2, 1, 1), channels=64),
            Residuals(blocks=1),
            Folded(stride=(2, 1, 1), channels=64),
            Residuals(blocks=1),
        ),
        decoder_base=128,
        decoder=(
            Residuals(blocks=1),
            Unfolded(stride=(2, 1, 1), channels=64, straight=True),
            Residuals(blocks=1),
            Unfolded(stride=(2, 1, 1), channels=64, straight=True),
            Residuals(blocks=1),
        ),
    ),
    denoiser=replace(
        DENOISER, in_channels=32, out_channels=32, temporal_scale=4, spatial_scale=4, patch=2
    ),
    autoencoder_stages=(
        replace(STAGE, schedule=replace(SCHEDULE, steps=1150, batch=6, rate=1.5e-3)),
    ),
)
