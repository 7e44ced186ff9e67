"""Public names of LTX-Video: the transformer.

Layouts: "original" is the authors' code, "single_file" the same names below a prefix, as in the
published files that also hold the autoencoder, "diffusers" the folder of that library.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from kineograph.checkpoints.keymap import KeyMap, Permute, Rename, Rule
from kineograph.denoisers.ltx import LTXConfig
from kineograph.errors import CheckpointError

Layout = Literal["original", "single_file", "diffusers"]
PREFIX = "model.diffusion_model."

# What every published transformer says, and the only thing that ours does; a config may also
# say nothing. Diffusers has other words for some of it.
FIXED: Mapping[str, tuple[object, ...]] = {
    "activation_fn": ("gelu-approximate",),
    "adaptive_norm": ("single_scale_shift",),
    "attention_bias": (True,),
    "attention_out_bias": (True,),
    "attention_type": ("default",),
    "double_self_attention": (False,),
    "norm_elementwise_affine": (False,),
    "only_cross_attention": (False,),
    "patch_size": (1,),
    "patch_size_t": (1,),
    "positional_embedding_type": ("rope",),
    "qk_norm": ("rms_norm", "rms_norm_across_heads"),
    "standardization_norm": ("rms_norm",),
}


def transformer_config(public: Mapping[str, Any]) -> LTXConfig:
    """The config that a public `config.json`, or the entry in a single file, describes.

    Raises:
        CheckpointError: it asks for something that no published transformer has.
    """
    for name, allowed in FIXED.items():
        if name in public and public[name] not in allowed:
            raise CheckpointError(f"{name} = {public[name]!r}: expected {allowed[0]!r}")
    scale = public.get("timestep_scale_multiplier", 1000)
    channels = public["in_channels"]
    config = LTXConfig(
        layers=public["num_layers"],
        heads=public["num_attention_heads"],
        head_width=public["attention_head_dim"],
        in_channels=channels,
        out_channels=public.get("out_channels") or channels,
        text_width=public["caption_channels"],
        causal_positions=public.get("causal_temporal_positioning", False),
        max_positions=_three(public.get("positional_embedding_max_pos", (20, 2048, 2048))),
        theta=float(public.get("positional_embedding_theta", 10000.0)),
        time_scale=1.0 if scale is None else float(scale),
        eps=public.get("norm_eps", 1e-6),
    )
    text = public.get("cross_attention_dim", config.width)
    if text != config.width:
        raise CheckpointError(f"cross_attention_dim = {text}: expected the width {config.width}")
    return config


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    seconds, rows, columns = (float(value) for value in values)
    return seconds, rows, columns


def transformer_layout(keys: Iterable[str]) -> Layout:
    """Which layout the names of a checkpoint follow."""
    names = list(keys)
    if any(name.startswith(PREFIX) for name in names):
        return "single_file"
    return "diffusers" if any(name.startswith("proj_in.") for name in names) else "original"


def transformer_key_map(config: LTXConfig, layout: Layout) -> KeyMap:
    """All names of the transformer."""
    diffusers = layout == "diffusers"
    prefix = PREFIX if layout == "single_file" else ""
    time = "time_embed" if diffusers else "adaln_single"
    renamed = {
        "proj_in" if diffusers else "patchify_proj": "patch_in",
        f"{time}.emb.timestep_embedder.linear_1": "time.first",
        f"{time}.emb.timestep_embedder.linear_2": "time.second",
        f"{time}.linear": "modulation.linear",
        "caption_projection.linear_1": "text.up",
        "caption_projection.linear_2": "text.down",
        "proj_out": "patch_out",
        "transformer_blocks.{i}.ff.net.0.proj": "blocks.{i}.mlp.up",
        "transformer_blocks.{i}.ff.net.2": "blocks.{i}.mlp.down",
    }
    tables = {
        "transformer_blocks.{i}.scale_shift_table": "blocks.{i}.modulation.table",
        "scale_shift_table": "out_modulation.table",
    }
    rules: list[Rule] = [Rename(prefix + public, ours) for public, ours in tables.items()]
    rules += [
        Rename(f"{prefix}{public}.{{rest}}", f"{ours}.{{rest}}") for public, ours in renamed.items()
    ]
    block = prefix + "transformer_blocks.{i}."
    turned = partial(half_split_order, config.head_width)
    rules += _attention(block + "attn1.", "blocks.{i}.attention.", diffusers, turned)
    rules += _attention(block + "attn2.", "blocks.{i}.text_attention.", diffusers, torch.arange)
    return KeyMap(tuple(rules))


def _attention(
    public: str, ours: str, diffusers: bool, order: Callable[[int], Tensor]
) -> list[Rule]:
    """One attention; `order` of its query and key rows, where these are rotated."""
    query, key = ("norm_q", "norm_k") if diffusers else ("q_norm", "k_norm")
    turned = {"to_q": "query", "to_k": "key", query: "query_norm", key: "key_norm"}
    kept = {"to_v": "value", "to_out.0": "out"}
    rules: list[Rule] = [
        Permute(f"{public}{theirs}.{{rest}}", f"{ours}{name}.{{rest}}", order)
        for theirs, name in turned.items()
    ]
    return rules + [
        Rename(f"{public}{theirs}.{{rest}}", f"{ours}{name}.{{rest}}")
        for theirs, name in kept.items()
    ]


def half_split_order(head_width: int, rows: int) -> Tensor:
    """Rows for pairs (0, 1), (2, 3), ... of a head, in the order of pairs (i, i + K/2).

    Args:
        head_width: K.
        rows: A * K outputs of a query or key projection.

    Returns:
        (A * K,) indices: ours = public[order].
    """
    return torch.arange(rows).view(-1, head_width // 2, 2).transpose(1, 2).flatten()
