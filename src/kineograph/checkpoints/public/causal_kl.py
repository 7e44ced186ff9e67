"""Public names of HunyuanVideo's autoencoder: diffusers' layout, 3D convolutions wrapped."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.public.image_kl import DIFFUSERS, diffusers_rules

NAMES = replace(DIFFUSERS, conv=".conv")
PUBLISHED = CausalKLConfig()


def causal_kl_config(public: Mapping[str, Any]) -> CausalKLConfig:
    """The config that a public description means; absent values are the published ones.

    Diffusers says `scaling_factor` where Open-Sora 2.0 says `scale_factor`.
    """
    return CausalKLConfig(
        latent_channels=public.get("latent_channels", PUBLISHED.latent_channels),
        widths=tuple(public.get("block_out_channels", PUBLISHED.widths)),
        blocks=public.get("layers_per_block", PUBLISHED.blocks),
        groups=public.get("norm_num_groups", PUBLISHED.groups),
        attention=public.get("mid_block_add_attention", True),
        time=public.get("time_compression_ratio", PUBLISHED.time),
        space=public.get("spatial_compression_ratio", PUBLISHED.space),
        scale=public.get("scale_factor", public.get("scaling_factor", PUBLISHED.scale)),
        shift=float(public.get("shift_factor", PUBLISHED.shift)),
        tiling=_tiling(public),
    )


def causal_kl_key_map() -> KeyMap:
    """All names."""
    return KeyMap(tuple(diffusers_rules(NAMES)))


def _tiling(public: Mapping[str, Any]) -> OverlapTiling | None:
    plane, time = (public.get(f"use_{axis}_tiling", False) for axis in ("spatial", "temporal"))
    if not plane and not time:
        return None
    return OverlapTiling(
        space=public.get("sample_size", 256) if plane else None,
        frames=public.get("sample_tsize", 64) if time else None,
        overlap=public.get("tile_overlap_factor", 0.25),
    )
