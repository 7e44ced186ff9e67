"""The names that adapters of a denoiser use outside: diffusers' and those of the authors' code.

ComfyUI and kohya's scripts use the authors' names. A denoiser without public weights goes by
our own names everywhere.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from kineograph.checkpoints.adapters import Names
from kineograph.checkpoints.keymap import KeyMap, Rename
from kineograph.checkpoints.manifest import shapes
from kineograph.checkpoints.public import (
    ltx_video,
    open_sora_1,
    open_sora_2,
    open_sora_plan_denoiser,
)
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config

OURS = KeyMap((Rename("{rest}", "{rest}"),))


class Config(Protocol):
    """What builds a denoiser."""

    def build(self) -> nn.Module:
        """The module."""
        ...


def names(config: Config) -> Mapping[str, Names]:
    """The layout of each style of `checkpoints.adapters`, and of others that are read.

    Args:
        config: of the denoiser.

    Returns:
        style -> names; `diffusers` and `comfyui` and `kohya` are ours where nothing is published.
    """
    with torch.device("meta"):
        state = config.build().state_dict()
    published = _published(config)
    original = published[0] if published else OURS
    library = published[-1] if isinstance(config, LTXConfig) and published else original
    tables = {"kineograph": OURS, "diffusers": library, "comfyui": original, "kohya": original}
    tables |= {f"other {index}": keys for index, keys in enumerate(published)}
    return {style: _names(keys, state) for style, keys in tables.items()}


def _names(keys: KeyMap, state: Mapping[str, Tensor]) -> Names:
    return Names(keys, shapes(keys.dump(state)))


def _published(config: Config) -> tuple[KeyMap, ...]:
    """Every published layout, the authors' own first."""
    match config:
        case LTXConfig(local=None, pooled_width=None, patch=1):
            return (
                ltx_video.transformer_key_map(config, "original"),
                ltx_video.transformer_key_map(config, "diffusers"),
            )
        case MMDiTConfig():  # Open-Sora 2.0's, then FLUX's
            both = (open_sora_2.Layout(fused=f, interleaved=f) for f in (False, True))
            return tuple(open_sora_2.mmdit_key_map(config, layout) for layout in both)
        case SkiparseConfig():
            return (open_sora_plan_denoiser.denoiser_key_map(config),)
        case STDiTConfig():
            return (open_sora_1.stdit_key_map(config),)
        case STDiT2Config():
            return (open_sora_1.stdit2_key_map(config),)
        case STDiT1Config():
            return (open_sora_1.stdit1_key_map(config),)
        case _:
            return ()
