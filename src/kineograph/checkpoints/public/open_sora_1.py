"""Public names of Open-Sora 1.x: the transformers of 1.0, 1.1 and 1.2."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import torch

from kineograph.checkpoints.keymap import KeyMap, Permute, Rename, Reshape, Rule, Split
from kineograph.checkpoints.public.ltx_video import half_split_order
from kineograph.checkpoints.public.open_sora_2 import FusedRows
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config
from kineograph.denoisers.stdit_parts import Sizes
from kineograph.errors import CheckpointError


def stdit_config(public: Mapping[str, Any]) -> STDiTConfig:
    """The config that a public `config.json` of STDiT-3 describes."""
    rest = STDiTConfig(normed=public.get("qk_norm", True), side=public.get("input_sq_size", 512))
    return _sized(rest, public)


def stdit2_config(public: Mapping[str, Any]) -> STDiT2Config:
    """The config that a public `config.json` of STDiT-2 describes.

    Raises:
        CheckpointError: queries and keys are not normalised as in the published model.
    """
    for name in ("qk_norm", "qk_norm_legacy"):
        if public.get(name) is not True:
            raise CheckpointError(f"{name} = {public.get(name)!r}: expected True")
    return _sized(STDiT2Config(side=public["input_sq_size"]), public)


def stdit1_config(public: Mapping[str, Any]) -> STDiT1Config:
    """The config of STDiT-1, which its published files do not hold."""
    frames, rows, columns = public["input_size"]
    rest = STDiT1Config(
        size=(frames, rows, columns),
        space_scale=public["space_scale"],
        time_scale=public["time_scale"],
    )
    return _sized(rest, public)


Config = TypeVar("Config", bound=Sizes)


def _sized(config: Config, public: Mapping[str, Any]) -> Config:
    """A config with the sizes that every generation has."""
    heads, channels = public["num_heads"], public["in_channels"]
    frames, rows, columns = public["patch_size"]
    return replace(
        config,
        layers=public["depth"],
        heads=heads,
        head_width=public["hidden_size"] // heads,
        in_channels=channels,
        out_channels=2 * channels if public.get("pred_sigma", True) else channels,
        text_width=public["caption_channels"],
        text_length=public["model_max_length"],
        mlp_ratio=public.get("mlp_ratio", 4.0),
        patch=(frames, rows, columns),
    )


def stdit_key_map(config: STDiTConfig) -> KeyMap:
    """All names of STDiT-3."""
    rules: list[Rule] = [Rename("rope.freqs", "frequencies")]
    rules += _outside(config) + _numbers({"fps": "fps"})
    for name, turned in (("spatial", None), ("temporal", config.head_width)):
        public, ours = f"{name}_blocks.{{i}}.", f"{name}.{{i}}."
        names = (f"{public}attn.", f"{ours}attention.")
        rules += _block(public, ours)
        rules += _attention(names, config.width, turned, config.normed)
    return KeyMap(tuple(rules))


def stdit2_key_map(config: STDiT2Config) -> KeyMap:
    """All names of STDiT-2."""
    public, ours, width = "blocks.{i}.", "blocks.{i}.", config.width
    return KeyMap(
        (
            Rename("rope.freqs", "frequencies"),
            *_outside(config),
            *_numbers({"csize": "size", "ar": "aspect", "fl": "length", "fps": "fps"}),
            *_renames({"t_block_temp.1": "along_modulation.linear"}),
            Rename(f"{public}scale_shift_table_temporal", f"{ours}along_modulation.table"),
            *_block(public, ours),
            *_attention((f"{public}attn.", f"{ours}attention."), width, None, True),
            *_attention((f"{public}attn_temp.", f"{ours}along."), width, config.head_width, True),
        )
    )


def stdit1_key_map(config: STDiT1Config) -> KeyMap:
    """All names of STDiT-1; its tables of positions are in the file."""
    public, ours, width = "blocks.{i}.", "blocks.{i}.", config.width
    return KeyMap(
        (
            Rename("pos_embed", "sites"),
            Rename("pos_embed_temporal", "frames"),
            *_outside(config),
            *_block(public, ours),
            *_attention((f"{public}attn.", f"{ours}attention."), width, None, False),
            *_attention((f"{public}attn_temp.", f"{ours}along."), width, None, False),
        )
    )


def caption_key_map() -> KeyMap:
    """All names of the caption embedding alone."""
    return KeyMap(tuple(_captions("", "")))


def _outside(config: Sizes) -> list[Rule]:
    """What every generation has outside its blocks."""
    sizes = tuple(zip("tpq", config.patch, strict=True))
    return [
        Reshape("x_embedder.proj.weight", "patch_in.weight", "o c t p q -> o (t p q c)", sizes),
        Rename("x_embedder.proj.bias", "patch_in.bias"),
        Rename("final_layer.scale_shift_table", "last.modulation.table"),
        *_numbers({"t": "time"}),
        *_renames({"t_block.1": "modulation.linear", "final_layer.linear": "last.out"}),
        *_captions("y_embedder.", "captions."),
    ]


def _captions(public: str, ours: str) -> list[Rule]:
    """The caption embedding below two prefixes."""
    return [
        Rename(f"{public}y_embedding", f"{ours}null"),
        *_renames({f"{public}y_proj.fc1": f"{ours}up", f"{public}y_proj.fc2": f"{ours}down"}),
    ]


def _block(public: str, ours: str) -> list[Rule]:
    """A block without its self-attentions."""
    theirs, own = f"{public}cross_attn.", f"{ours}text_attention."
    return [
        Rename(f"{public}scale_shift_table", f"{ours}modulation.table"),
        Split(f"{theirs}kv_linear.{{rest}}", (f"{own}key.{{rest}}", f"{own}value.{{rest}}")),
        *_renames(
            {
                f"{theirs}q_linear": f"{own}query",
                f"{theirs}proj": f"{own}out",
                f"{public}mlp.fc1": f"{ours}mlp.up",
                f"{public}mlp.fc2": f"{ours}mlp.down",
            }
        ),
    ]


def _attention(names: tuple[str, str], width: int, turned: int | None, normed: bool) -> list[Rule]:
    """A self-attention.

    Args:
        names: public and our prefix.
        width: D.
        turned: the head's width K where it is rotated; pairs lie side by side in public.
        normed: whether queries and keys are normalised.
    """
    public, ours = names
    order = torch.arange if turned is None else partial(half_split_order, turned)
    parts = tuple(f"{ours}{part}.{{rest}}" for part in ("query", "key", "value"))
    rules: list[Rule] = [
        FusedRows(f"{public}qkv.{{rest}}", parts, (width,) * 3, (order, order, torch.arange)),
        Rename(f"{public}proj.{{rest}}", f"{ours}out.{{rest}}"),
    ]
    if normed:
        rules += [
            Permute(f"{public}{theirs}_norm.weight", f"{ours}{name}_norm.weight", order)
            for theirs, name in (("q", "query"), ("k", "key"))
        ]
    return rules


def _numbers(names: Mapping[str, str]) -> list[Rule]:
    """Embeddings of numbers."""
    layers = (("0", "first"), ("2", "second"))
    return _renames(
        {
            f"{public}_embedder.mlp.{index}": f"{ours}.{layer}"
            for public, ours in names.items()
            for index, layer in layers
        }
    )


def _renames(names: Mapping[str, str]) -> list[Rule]:
    """Modules under other names."""
    return [Rename(f"{public}.{{rest}}", f"{ours}.{{rest}}") for public, ours in names.items()]
