"""Public names of Open-Sora 1.2's autoencoder and of its two stages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.time_kl import TimeKLConfig
from kineograph.checkpoints.keymap import Below, Constant, KeyMap, Rename, Rule
from kineograph.checkpoints.public.image_kl import DIFFUSERS, diffusers_rules, image_kl_config
from kineograph.errors import CheckpointError

Rules = list[Rule]
PICTURE_SCALE = 0.18215  # Stable Diffusion's, although the architecture is called SDXL's


def stacked_config(public: Mapping[str, Any]) -> StackedConfig:
    """The config that a public description means.

    The picture stage's own factor is not used; sizes that `vae_2d` takes from another
    repository stand in `diffusers_config`.
    """
    pictures, time = public["vae_2d"], time_kl_config(public["vae_temporal"])
    image = image_kl_config(pictures.get("diffusers_config", pictures))
    batch = public.get("micro_batch_size", pictures.get("micro_batch_size"))
    return StackedConfig(
        image=replace(image, scale=PICTURE_SCALE, shift=0.0, batch=batch),
        time=time,
        chunk=public.get("micro_frame_size"),
        scale=_values(public.get("scale", 1.0), time.latent_channels),
        shift=_values(public.get("shift", 0.0), time.latent_channels),
    )


def _values(said: float | Sequence[float], channels: int) -> tuple[float, ...]:
    """One number for every channel; the reference also takes one for all."""
    values = (float(said),) if isinstance(said, int | float) else tuple(said)
    return values * channels if len(values) == 1 else values


def time_kl_config(public: Mapping[str, Any]) -> TimeKLConfig:
    """The config that a public description of the stage over time means.

    Raises:
        CheckpointError: another activation than SiLU.
    """
    if public["activation_fn"] != "swish":
        raise CheckpointError(f"activation_fn = {public['activation_fn']!r}: expected 'swish'")
    factors = tuple(public["channel_multipliers"])
    return TimeKLConfig(
        channels=public["in_out_channels"],
        inner_channels=public["latent_embed_dim"],
        latent_channels=public["embed_dim"],
        base=public["filters"],
        factors=factors,
        halves=tuple(public["temporal_downsample"][: len(factors) - 1]),
        blocks=public["num_res_blocks"],
        groups=public["num_groups"],
    )


def stacked_key_map(config: StackedConfig, *, common: bool = False) -> KeyMap:
    """All names of the published file, statistics included.

    Args:
        config: of the autoencoder.
        common: whether the file has one scale and shift for all channels, as the reference may.
    """
    rules: Rules = [
        Constant(name, partial(_statistics, values, common))
        for name, values in (("scale", config.scale), ("shift", config.shift))
    ]
    rules += [Below("spatial_vae.module.", "image.", rule) for rule in diffusers_rules(DIFFUSERS)]
    rules += [Below("temporal_vae.", "time.", rule) for rule in _time_rules()]
    return KeyMap(tuple(rules))


def time_kl_key_map() -> KeyMap:
    """All names of the stage over time alone."""
    return KeyMap(tuple(_time_rules()))


def _time_rules() -> Rules:
    rules = [
        _conv("quant_conv", "mix_moments"),
        _conv("post_quant_conv", "mix_latents"),
        _conv("encoder.conv_in", "encoder.enter"),
        _conv("encoder.conv2", "encoder.out"),
        _conv("encoder.conv_blocks.{i}", "encoder.resize.{i}", optional=True),
        _conv("decoder.conv1", "decoder.enter"),
        _conv("decoder.conv_out", "decoder.out"),
        _conv("decoder.conv_blocks.{i}", "decoder.resize.{i}.conv", optional=True),
    ]
    for coder in ("encoder", "decoder"):
        rules.append(Rename(f"{coder}.norm1.{{rest}}", f"{coder}.norm.{{rest}}"))
        rules += _residual(f"{coder}.block_res_blocks.{{i}}.{{j}}", f"{coder}.levels.{{i}}.{{j}}")
        rules += _residual(f"{coder}.res_blocks.{{j}}", f"{coder}.middle.{{j}}")
    return rules


def _residual(public: str, ours: str) -> Rules:
    return [
        *(Rename(f"{public}.norm{i}.{{rest}}", f"{ours}.norm_{i}.{{rest}}") for i in (1, 2)),
        *(_conv(f"{public}.conv{i}", f"{ours}.conv_{i}") for i in (1, 2)),
        _conv(f"{public}.conv3", f"{ours}.shortcut", optional=True),
    ]


def _conv(public: str, ours: str, *, optional: bool = False) -> Rule:
    return Rename(f"{public}.conv.{{rest}}", f"{ours}.{{rest}}", optional)


def _statistics(values: tuple[float, ...], common: bool) -> Tensor:
    return torch.tensor(values[0]) if common else torch.tensor(values).view(1, -1, 1, 1, 1)
