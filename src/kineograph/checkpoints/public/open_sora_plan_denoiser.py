"""Public names of Open-Sora Plan: the denoisers with and without image conditions."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from kineograph.checkpoints.keymap import KeyMap, Permute, Rename, Reshape, Rule
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.errors import CheckpointError

# What every published model says, and the only thing that ours does; a config may say nothing.
FIXED: Mapping[str, object] = {
    "activation_fn": "gelu-approximate",
    "double_self_attention": False,
    "norm_elementwise_affine": False,
    "only_cross_attention": False,
    "patch_size_t": 1,
}
SPARSE = (2, 30)  # written into the reference's code, whatever the number of layers


def denoiser_config(public: Mapping[str, Any]) -> SkiparseConfig:
    """The config that a public `config.json` describes; `vae_scale_factor_t` is the image model's.

    Raises:
        CheckpointError: it asks for something that no published model has.
    """
    for name, allowed in FIXED.items():
        if public.get(name, allowed) != allowed:
            raise CheckpointError(f"{name} = {public[name]!r}: expected {allowed!r}")
    channels = public["in_channels"]
    scales = [float(public.get(f"interpolation_scale_{axis}") or 1.0) for axis in "thw"]
    config = SkiparseConfig(
        layers=public["num_layers"],
        heads=public["num_attention_heads"],
        head_width=public["attention_head_dim"],
        in_channels=channels,
        out_channels=public.get("out_channels") or channels,
        text_width=public["caption_channels"],
        mask_channels=public.get("vae_scale_factor_t", 0),
        patch=public["patch_size"],
        stride=public.get("sparse_n", 1),
        sparse=SPARSE if public.get("sparse1d", False) else (0, 0),
        units=(scales[0], scales[1], scales[2]),
        bias=public.get("attention_bias", True),
        eps=public.get("norm_eps", 1e-6),
    )
    text = public.get("cross_attention_dim") or config.width
    if text != config.width:
        raise CheckpointError(f"cross_attention_dim = {text}: expected the width {config.width}")
    return config


def denoiser_key_map(config: SkiparseConfig) -> KeyMap:
    """All names of a denoiser."""
    rules = patches("pos_embed", "patch_in", config.patch)
    if config.mask_channels:
        rules += guest("pos_embed_masked_hidden_states", "known_in", config.patch)
        rules += guest("pos_embed_mask", "mask_in", config.patch)
    rules += time("adaln_single.", "")
    rules += text("caption_projection.", "text.")
    rules += [
        Rename("scale_shift_table", "out_modulation.table"),
        Rename("proj_out.{rest}", "patch_out.{rest}"),
    ]
    return KeyMap((*rules, *block("transformer_blocks.{i}.", "blocks.{i}.", config.head_width)))


def patches(public: str, ours: str, patch: int) -> list[Rule]:
    """A convolution over patches, which is a linear layer over their cells."""
    cells = (("p", patch), ("q", patch))
    return [
        Reshape(f"{public}.proj.weight", f"{ours}.weight", "d c p q -> d (p q c)", cells),
        Rename(f"{public}.proj.bias", f"{ours}.bias"),
    ]


def guest(public: str, ours: str, patch: int) -> list[Rule]:
    """The embedding of something that is given."""
    joined = Rename(f"{public}.1.weight", f"{ours}.join.weight")
    return [*patches(f"{public}.0", f"{ours}.patch", patch), joined]


def time(public: str, ours: str) -> list[Rule]:
    """The time embedding and the modulation of all blocks."""
    embedder = f"{public}emb.timestep_embedder."
    return [
        Rename(f"{embedder}linear_1.{{rest}}", f"{ours}time.first.{{rest}}"),
        Rename(f"{embedder}linear_2.{{rest}}", f"{ours}time.second.{{rest}}"),
        Rename(f"{public}linear.{{rest}}", f"{ours}modulation.linear.{{rest}}"),
    ]


def text(public: str, ours: str) -> list[Rule]:
    """The two layers that text tokens go through."""
    return [
        Rename(f"{public}linear_1.{{rest}}", f"{ours}up.{{rest}}"),
        Rename(f"{public}linear_2.{{rest}}", f"{ours}down.{{rest}}"),
    ]


def block(public: str, ours: str, head_width: int) -> list[Rule]:
    """A block; queries and keys of its self-attention are rotated axis by axis."""
    turned = partial(axis_order, (head_width // 3,) * 3)
    rules: list[Rule] = [
        Rename(f"{public}scale_shift_table", f"{ours}modulation.table"),
        Rename(f"{public}ff.net.0.proj.{{rest}}", f"{ours}mlp.up.{{rest}}"),
        Rename(f"{public}ff.net.2.{{rest}}", f"{ours}mlp.down.{{rest}}"),
        Permute(f"{public}attn1.to_q.{{rest}}", f"{ours}attention.query.{{rest}}", turned),
        Permute(f"{public}attn1.to_k.{{rest}}", f"{ours}attention.key.{{rest}}", turned),
        Rename(f"{public}attn2.to_q.{{rest}}", f"{ours}text_attention.query.{{rest}}"),
        Rename(f"{public}attn2.to_k.{{rest}}", f"{ours}text_attention.key.{{rest}}"),
    ]
    for theirs, name in (("attn1", "attention"), ("attn2", "text_attention")):
        rules.append(Rename(f"{public}{theirs}.to_v.{{rest}}", f"{ours}{name}.value.{{rest}}"))
        rules.append(Rename(f"{public}{theirs}.to_out.0.{{rest}}", f"{ours}{name}.out.{{rest}}"))
    return rules


def axis_order(shares: Sequence[int], rows: int) -> Tensor:
    """Which row of weights with half-split pairs inside each share each of ours comes from.

    Args:
        shares: channels of a head for each axis.
        rows: A * K, the outputs of a query or key projection.

    Returns:
        (A * K,) indices: ours = public[order].
    """
    width = sum(shares)
    halves = [part.view(2, -1) for part in torch.split(torch.arange(width), list(shares))]
    head = torch.cat(halves, 1).flatten()
    return (torch.arange(0, rows, width).unsqueeze(1) + head).flatten()
