"""FLUX's public names and config in diffusers' layout, which Open-Sora 2.0's denoiser shares.

Query, key and value lie apart there, channels that turn together lie side by side, and the last
modulation says its scale first.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from kineograph.checkpoints.keymap import KeyMap, Permute, Rename, Reshape, Rule
from kineograph.checkpoints.public.ltx_video import half_split_order
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.errors import CheckpointError

PATCH = 2  # packed outside of diffusers' transformer, whose own patch is one token
OUTSIDE = {
    "context_embedder": "text",
    "time_text_embed.timestep_embedder.linear_1": "time.first",
    "time_text_embed.timestep_embedder.linear_2": "time.second",
    "time_text_embed.text_embedder.linear_1": "pooled.first",
    "time_text_embed.text_embedder.linear_2": "pooled.second",
}
GUIDED = {
    "time_text_embed.guidance_embedder.linear_1": "guidance.first",
    "time_text_embed.guidance_embedder.linear_2": "guidance.second",
}
STREAMS = {
    "video": {
        "norm1.linear": "modulation.linear",
        "attn.to_v": "attention.value",
        "attn.to_out.0": "out",
        "ff.net.0.proj": "mlp.up",
        "ff.net.2": "mlp.down",
    },
    "text": {
        "norm1_context.linear": "modulation.linear",
        "attn.add_v_proj": "attention.value",
        "attn.to_add_out": "out",
        "ff_context.net.0.proj": "mlp.up",
        "ff_context.net.2": "mlp.down",
    },
}
TURNED = {
    "video": {
        "attn.to_q": "query",
        "attn.to_k": "key",
        "attn.norm_q": "query_norm",
        "attn.norm_k": "key_norm",
    },
    "text": {
        "attn.add_q_proj": "query",
        "attn.add_k_proj": "key",
        "attn.norm_added_q": "query_norm",
        "attn.norm_added_k": "key_norm",
    },
}
SINGLE = {
    "norm.linear": "modulation.linear",
    "attn.to_v": "attention.value",
    "proj_mlp": "up",
    "proj_out": "out",
}


def flux_config(public: Mapping[str, Any]) -> MMDiTConfig:
    """The config that diffusers' `config.json` of FLUX describes.

    Raises:
        CheckpointError: its numbers do not fit together.
    """
    packed, shares = public["in_channels"], tuple(public.get("axes_dims_rope", (16, 56, 56)))
    head = public["attention_head_dim"]
    if packed % PATCH**2:
        raise CheckpointError(f"in_channels = {packed}: expected a multiple of {PATCH**2}")
    if sum(shares) != head:
        raise CheckpointError(
            f"axes_dims_rope = {list(shares)}: expected a sum of {head}, the width of a head"
        )
    return MMDiTConfig(
        channels=packed // PATCH**2,
        heads=public["num_attention_heads"],
        shares=shares,
        double_layers=public["num_layers"],
        single_layers=public["num_single_layers"],
        text_width=public["joint_attention_dim"],
        pooled_width=public["pooled_projection_dim"],
        patch=PATCH,
        given=False,
        guided=public.get("guidance_embeds", False),
    )


def flux_key_map(config: MMDiTConfig) -> KeyMap:
    """All names; what is given of a video has none there."""
    sizes = (("p", config.patch), ("q", config.patch))
    turned = partial(half_split_order, sum(config.shares))
    rules: list[Rule] = [
        Reshape("x_embedder.weight", "patch_in.weight", "o (c p q) -> o (p q c)", sizes),
        Rename("x_embedder.bias", "patch_in.bias"),
        Reshape("proj_out.weight", "patch_out.weight", "(c p q) i -> (p q c) i", sizes),
        Reshape("proj_out.bias", "patch_out.bias", "(c p q) -> (p q c)", sizes),
        Permute("norm_out.linear.{rest}", "out_modulation.linear.{rest}", second_half_first),
    ]
    names = {**OUTSIDE, **(GUIDED if config.guided else {})}
    block = "transformer_blocks.{i}."
    if config.double_layers:
        for stream in STREAMS:
            ours = f"double_blocks.{{i}}.{stream}."
            names |= {block + name: ours + own for name, own in STREAMS[stream].items()}
            rules += _turned(block, f"{ours}attention.", TURNED[stream], turned)
    if config.single_layers:
        single, ours = "single_transformer_blocks.{i}.", "single_blocks.{i}."
        names |= {single + name: ours + own for name, own in SINGLE.items()}
        rules += _turned(single, f"{ours}attention.", TURNED["video"], turned)
    rules += [Rename(f"{name}.{{rest}}", f"{own}.{{rest}}") for name, own in names.items()]
    return KeyMap(tuple(rules))


def _turned(
    public: str, ours: str, names: Mapping[str, str], order: "partial[Tensor]"
) -> list[Rule]:
    return [
        Permute(f"{public}{name}.{{rest}}", f"{ours}{own}.{{rest}}", order)
        for name, own in names.items()
    ]


def second_half_first(rows: int) -> Tensor:
    """Indices (rows,) of the second half, then of the first."""
    return torch.arange(rows).roll(rows // 2)
