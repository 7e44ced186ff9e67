"""Public names of LTX-Video's latent upsamplers, the same in every layout."""

from collections.abc import Mapping
from typing import Any

from kineograph.autoencoders.latent_upsampler import LatentUpsamplerConfig
from kineograph.checkpoints.keymap import KeyMap, Rename, Reshape, Rule
from kineograph.errors import CheckpointError


def upsampler_config(public: Mapping[str, Any]) -> LatentUpsamplerConfig:
    """The config that the metadata of a published file describes.

    Raises:
        CheckpointError: it is one of pictures, or one that enlarges nothing.
    """
    space, time = public.get("spatial_upsample", True), public.get("temporal_upsample", False)
    if public.get("dims", 3) != 3:
        raise CheckpointError(f"dims = {public['dims']}: expected 3")
    if not (space or time):
        raise CheckpointError("spatial_upsample or temporal_upsample: expected one that is true")
    side = 2 if space else 1
    return LatentUpsamplerConfig(
        channels=public.get("in_channels", 128),
        width=public.get("mid_channels", 512),
        blocks=public.get("num_blocks_per_stage", 4),
        factors=(2 if time else 1, side, side),
    )


def upsampler_key_map(config: LatentUpsamplerConfig) -> KeyMap:
    """All names; where time does not grow, the growing convolution is public in 2D."""
    grow = "upsampler.0.weight", "grow.weight"
    flat = config.factors[0] == 1
    rules: list[Rule] = [
        Reshape(*grow, "o i y x -> o i 1 y x") if flat else Rename(*grow),
        Rename("upsampler.0.bias", "grow.bias"),
    ]
    named = {"initial_conv": "enter", "initial_norm": "norm", "final_conv": "out"}
    if config.blocks:
        for public, ours in (("res_blocks", "before"), ("post_upsample_res_blocks", "after")):
            for part in ("conv", "norm"):
                for i in (1, 2):
                    named[f"{public}.{{i}}.{part}{i}"] = f"{ours}.{{i}}.{part}_{i}"
    rules += [Rename(f"{public}.{{rest}}", f"{ours}.{{rest}}") for public, ours in named.items()]
    return KeyMap(tuple(rules))
