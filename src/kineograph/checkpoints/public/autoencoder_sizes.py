"""Sizes of published autoencoders, and sizes read off names and shapes."""

import re
from collections.abc import Mapping

from torch import Tensor

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.denoising_stages import (
    Residuals,
    Strided,
    Transition,
    Unfolded,
)
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig

State = Mapping[str, Tensor]
BLOCK = re.compile(
    r"encoder\.down(?:_blocks)?\.(\d+)\.(?:resnets|block)\.(\d+)\.conv2(?:\.conv)?\.weight"
)

IMAGE_KL: Mapping[str, ImageKLConfig] = {
    "Stable Diffusion's": ImageKLConfig(),
    "Flux's": ImageKLConfig(latent_channels=16, mixing=False, scale=0.3611, shift=0.1159),
}
WAVELET_FLOW: Mapping[str, WaveletFlowConfig] = {
    "WF-VAE-S of 8 channels": WaveletFlowConfig(scale=(0.18215,) * 8, shift=(0.0,) * 8),
    "WF-VAE-S of 4 channels": WaveletFlowConfig(
        latent_channels=4,
        connect_blocks=1,
        encoder_energy=128,
        scale=(0.18215,) * 4,
        shift=(0.0,) * 4,
    ),
    "WF-VAE-L of 16 channels": WaveletFlowConfig(
        latent_channels=16, base=192, connect_blocks=1, encoder_energy=128
    ),
}
_OLD_ENCODER = (
    Residuals(blocks=4),
    Strided(channels=128),
    Transition(channels=256),
    Residuals(blocks=3),
    Strided(channels=256),
    Transition(channels=512),
    Residuals(blocks=3),
    Strided(channels=512),
    Residuals(blocks=3),
    Residuals(blocks=4),
)
DENOISING: Mapping[str, DenoisingConfig] = {
    "LTX-Video 0.9.5": DenoisingConfig(),
    "LTX-Video 0.9.1": DenoisingConfig(
        encoder=_OLD_ENCODER,
        decoder=(
            Residuals(blocks=8),
            Unfolded(channels=512, straight=True),
            Residuals(blocks=7, noise=True),
            Unfolded(channels=256, straight=True),
            Residuals(blocks=6, noise=True),
            Unfolded(channels=128, straight=True),
            Residuals(blocks=5, noise=True),
        ),
    ),
    "LTX-Video 0.9.0": DenoisingConfig(
        encoder=_OLD_ENCODER,
        decoder_base=512,
        decoder=(
            Residuals(blocks=4),
            Residuals(blocks=3),
            Unfolded(channels=512),
            Residuals(blocks=3),
            Transition(channels=256),
            Unfolded(channels=256),
            Residuals(blocks=3),
            Transition(channels=128),
            Unfolded(channels=128),
            Residuals(blocks=4),
        ),
        timed=False,
    ),
}


def infer_image_kl(state: State) -> ImageKLConfig:
    """What names and shapes say; scale and shift are Stable Diffusion's.

    Raises:
        KeyError: a tensor without which they say nothing.
    """
    widths, blocks = _levels(state)
    return ImageKLConfig(
        latent_channels=state["decoder.conv_in.weight"].shape[1],
        widths=widths,
        blocks=blocks,
        groups=_groups(widths),
        attention=any(".attentions." in name or ".attn_1." in name for name in state),
        mixing="quant_conv.weight" in state,
    )


def infer_causal_kl(state: State) -> CausalKLConfig:
    """What names and shapes say; compression, scale and shift are HunyuanVideo's.

    Raises:
        KeyError: a tensor without which they say nothing.
    """
    widths, blocks = _levels(state)
    return CausalKLConfig(
        latent_channels=state["decoder.conv_in.conv.weight"].shape[1],
        widths=widths,
        blocks=blocks,
        groups=_groups(widths),
        attention=any(".attentions." in name for name in state),
        space=min(CausalKLConfig().space, 2 ** (len(widths) - 1)),  # what levels can halve
    )


def infer_wavelet_flow(state: State) -> WaveletFlowConfig:
    """What names and shapes say; upsampling in time is linear, as in every published model.

    Raises:
        KeyError: a tensor without which they say nothing.
    """
    encoder_blocks = _count(state, r"encoder\.down1\.\d+\.conv1\.weight")
    volume = f"encoder.down1.{encoder_blocks + 1}.conv.conv.weight"
    return WaveletFlowConfig(
        latent_channels=state["decoder.conv_in.conv.weight"].shape[1],
        base=len(state["encoder.down1.0.weight"]),
        encoder_blocks=encoder_blocks,
        decoder_blocks=_count(state, r"decoder\.up2\.\d+\.conv1\.conv\.weight") - 1,
        connect_blocks=_count(state, r"decoder\.connect_l1\.\d+\.conv1\.conv\.weight"),
        encoder_energy=len(state["encoder.connect_l1.weight"]),
        decoder_energy=len(state["decoder.connect_l1.0.conv1.conv.weight"]),
        attention="encoder.mid.1.q.conv.weight" in state,
        norm="layer" if "encoder.norm_out.norm.weight" in state else "group",
        time_compression=8 if volume in state else 4,
    )


def _levels(state: State) -> tuple[tuple[int, ...], int]:
    """Widths of the encoder's levels, and its blocks in each."""
    found = {
        (int(match[1]), int(match[2])): len(tensor)
        for name, tensor in state.items()
        if (match := BLOCK.fullmatch(name))
    }
    if not found:
        raise KeyError("encoder.down_blocks.0.resnets.0.conv2.weight")
    levels = max(level for level, _ in found) + 1
    return tuple(found[level, 0] for level in range(levels)), max(j for _, j in found) + 1


def _groups(widths: tuple[int, ...]) -> int:
    """As many as published, or as fit."""
    return next(n for n in (32, 16, 8, 4, 2, 1) if all(width % n == 0 for width in widths))


def _count(state: State, pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in state)
