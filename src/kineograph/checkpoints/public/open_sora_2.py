"""Public names of Open-Sora 2.0: the denoiser, in its own layouts and in FLUX's.

The authors' code has two switches that change the weights but not the model: query, key and
value rows lie in one tensor or in three ("fused"), and the channels that turn together lie side
by side or half a head apart ("interleaved"). Open-Sora 2.0 is published with neither, FLUX with
both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from kineograph.checkpoints.keymap import KeyMap, Permute, Rename, Reshape, Rule, Split
from kineograph.checkpoints.public.ltx_video import half_split_order
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.errors import CheckpointError

Order = Callable[[int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How query, key and value rows lie."""

    fused: bool
    interleaved: bool


@dataclass(frozen=True)
class FusedRows:
    """Rows of several layers in one public tensor, each part in an order of its own."""

    public: str
    ours: tuple[str, ...]
    sizes: tuple[int, ...]
    orders: tuple[Order, ...]
    optional: bool = False

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """(sum of sizes, ...) -> one tensor per size."""
        cut = torch.split(parts[0], list(self.sizes))
        return [
            _rows(part, order(size))
            for part, order, size in zip(cut, self.orders, self.sizes, strict=True)
        ]

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The inverse."""
        return [
            torch.cat(
                [
                    _rows(part, torch.argsort(order(size)))
                    for part, order, size in zip(parts, self.orders, self.sizes, strict=True)
                ]
            )
        ]


def _rows(part: Tensor, order: Tensor) -> Tensor:
    return part.index_select(0, order.to(part.device))


def mmdit_config(public: Mapping[str, Any]) -> MMDiTConfig:
    """The config that the reference's own describes.

    Raises:
        CheckpointError: its numbers do not fit together.
    """
    patch, width, heads = public.get("patch_size", 2), public["hidden_size"], public["num_heads"]
    packed, shares = public["in_channels"], tuple(public["axes_dim"])
    if packed % patch**2:
        raise CheckpointError(
            f"in_channels = {packed}: expected a multiple of patch_size squared, {patch**2}"
        )
    if heads * sum(shares) != width:
        raise CheckpointError(
            f"axes_dim = {list(shares)}: expected a sum of {width / heads:g}, the width of a head"
        )
    return MMDiTConfig(
        channels=packed // patch**2,
        heads=heads,
        shares=shares,
        double_layers=public["depth"],
        single_layers=public["depth_single_blocks"],
        mlp_ratio=public["mlp_ratio"],
        text_width=public["context_in_dim"],
        pooled_width=public["vec_in_dim"],
        patch=patch,
        bias=public["qkv_bias"],
        given=public.get("cond_embed", False),
        guided=public["guidance_embed"],
        theta=float(public["theta"]),
    )


def mmdit_layout(public: Mapping[str, Any]) -> Layout:
    """The layout that the reference's config asks for; the names alone do not tell."""
    return Layout(
        fused=public.get("fused_qkv", True), interleaved=not public.get("use_liger_rope", False)
    )


def mmdit_key_map(config: MMDiTConfig, layout: Layout) -> KeyMap:
    """All names of the denoiser."""
    renamed = {
        "txt_in": "text",
        "time_in.in_layer": "time.first",
        "time_in.out_layer": "time.second",
        "vector_in.in_layer": "pooled.first",
        "vector_in.out_layer": "pooled.second",
        "final_layer.adaLN_modulation.1": "out_modulation.linear",
    }
    if config.guided:
        renamed["guidance_in.in_layer"] = "guidance.first"
        renamed["guidance_in.out_layer"] = "guidance.second"
    rules = _patches(config) + _renames(renamed)
    if config.double_layers:
        for theirs, ours in (("txt", "text"), ("img", "video")):
            public, own = f"double_blocks.{{i}}.{theirs}_", f"double_blocks.{{i}}.{ours}."
            rules += _renames(
                {
                    f"{public}mod.lin": f"{own}modulation.linear",
                    f"{public}attn.proj": f"{own}out",
                    f"{public}mlp.0": f"{own}mlp.up",
                    f"{public}mlp.2": f"{own}mlp.down",
                }
            )
            rules += _heads(config, layout, f"{public}attn.", f"{own}attention.")
            rules += _double(config, layout, f"{public}attn.", f"{own}attention.")
    if config.single_layers:
        public = own = "single_blocks.{i}."
        rules += _renames(
            {f"{public}modulation.lin": f"{own}modulation.linear", f"{public}linear2": f"{own}out"}
        )
        rules += _heads(config, layout, public, f"{own}attention.")
        rules += _single(config, layout, public, own)
    return KeyMap(tuple(rules))


def _renames(names: Mapping[str, str]) -> list[Rule]:
    return [Rename(f"{public}.{{rest}}", f"{ours}.{{rest}}") for public, ours in names.items()]


def _patches(config: MMDiTConfig) -> list[Rule]:
    """A public token has its channels outermost, ours innermost."""
    sizes = (("p", config.patch), ("q", config.patch))
    inward, outward = "o (c p q) -> o (p q c)", "(c p q) i -> (p q c) i"
    rules: list[Rule] = [
        Reshape("img_in.weight", "patch_in.weight", inward, sizes),
        Rename("img_in.bias", "patch_in.bias"),
        Reshape("final_layer.linear.weight", "patch_out.weight", outward, sizes),
        Reshape("final_layer.linear.bias", "patch_out.bias", "(c p q) -> (p q c)", sizes),
    ]
    if config.given:
        rules.append(Reshape("cond_in.weight", "given_in.weight", inward, sizes))
        rules.append(Rename("cond_in.bias", "given_in.bias"))
    return rules


def _order(config: MMDiTConfig, layout: Layout) -> Order:
    """Where our query and key rows come from."""
    return partial(half_split_order, sum(config.shares)) if layout.interleaved else torch.arange


def _heads(config: MMDiTConfig, layout: Layout, public: str, ours: str) -> list[Rule]:
    """The norms of queries and keys."""
    order = _order(config, layout)
    return [
        Permute(f"{public}norm.{name}_norm.scale", f"{ours}{name}_norm.weight", order)
        for name in ("query", "key")
    ]


def _double(config: MMDiTConfig, layout: Layout, public: str, ours: str) -> list[Rule]:
    order, width = _order(config, layout), config.width
    names = tuple(f"{ours}{name}.{{rest}}" for name in ("query", "key", "value"))
    if layout.fused:
        orders = (order, order, torch.arange)
        return [FusedRows(f"{public}qkv.{{rest}}", names, (width,) * 3, orders)]
    query, key, value = names
    return [
        Permute(f"{public}q_proj.{{rest}}", query, order),
        Permute(f"{public}k_proj.{{rest}}", key, order),
        Rename(f"{public}v_proj.{{rest}}", value),
    ]


def _single(config: MMDiTConfig, layout: Layout, public: str, ours: str) -> list[Rule]:
    order, width = _order(config, layout), config.width
    query, key, value = (f"{ours}attention.{name}.{{rest}}" for name in ("query", "key", "value"))
    up = f"{ours}up.{{rest}}"
    if layout.fused:
        sizes = (width, width, width, config.hidden)
        orders = (order, order, torch.arange, torch.arange)
        return [FusedRows(f"{public}linear1.{{rest}}", (query, key, value, up), sizes, orders)]
    return [
        Permute(f"{public}q_proj.{{rest}}", query, order),
        Permute(f"{public}k_proj.{{rest}}", key, order),
        Split(f"{public}v_mlp.{{rest}}", (value, up), sizes=(width, config.hidden)),
    ]
