"""Public names of the text encoders: the T5 family and CLIP, as transformers stores them.

Files often hold more than the encoder: T5's decoder, CLIP's tower of pictures. That is left out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.checkpoints.files import load_into, read, read_config
from kineograph.checkpoints.keymap import KeyMap, Optional, Rename, Rule
from kineograph.errors import CheckpointError
from kineograph.text.clip import CLIP, Activation, CLIPConfig, Exact, Quick
from kineograph.text.t5 import T5, T5Config

SHARED, EMBEDDED = "shared.weight", "encoder.embed_tokens.weight"
LAYERS = {"q": "query", "k": "key", "v": "value", "o": "out"}
ACTIVATIONS: Mapping[str, Activation] = {"quick_gelu": Quick(), "gelu": Exact()}
OLD_END = 2  # configs with this id are wrong, and mean the largest one
CLIP_LAYERS = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "out"}


@dataclass(frozen=True)
class Twice:
    """One tensor that a file holds under two names."""

    public: tuple[str, str]
    ours: str
    optional: bool = False

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The first one, after a look at the second."""
        one, other = parts
        if one.shape != other.shape or not (one.is_meta or torch.equal(one, other)):
            raise ValueError("they differ; expected the same tensor twice")
        return [one]

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The tensor twice."""
        return [parts[0], parts[0]]


def t5_config(public: Mapping[str, Any], rules: T5Config | None = None) -> T5Config:
    """The config that a public one means.

    Args:
        public: of T5 v1.1 or mT5.
        rules: what no public config says: length, padding, null caption, tokenizer; None: the
            defaults.

    Raises:
        CheckpointError: a network that T5 v1.1 does not have, or a number that is missing.
    """
    kind = public.get("feed_forward_proj", "relu")
    if kind != "gated-gelu":
        raise CheckpointError(
            f"feed_forward_proj = {kind!r}: expected 'gated-gelu', as T5 v1.1 and mT5 have it"
        )
    rules = rules or T5Config()
    return replace(
        rules,
        vocabulary=_number(public, "vocab_size"),
        width=_number(public, "d_model"),
        heads=_number(public, "num_heads"),
        head=_number(public, "d_kv"),
        hidden=_number(public, "d_ff"),
        blocks=_number(public, "num_layers"),
        buckets=public.get("relative_attention_num_buckets", 32),
        distance=public.get("relative_attention_max_distance", 128),
        eps=public.get("layer_norm_epsilon", 1e-6),
        length=public.get("max_length", rules.length),
    )


def t5_key_map(names: Collection[str]) -> KeyMap:
    """All names of the encoder.

    Args:
        names: of the file; the table of words may have one name, the other, or both.
    """
    tables = tuple(name for name in (SHARED, EMBEDDED) if name in names) or (SHARED,)
    words: Rule = (
        Rename(tables[0], "words") if len(tables) == 1 else Twice((SHARED, EMBEDDED), "words")
    )
    block, look = "encoder.block.{i}.layer", "encoder.block.{i}.layer.0.SelfAttention"
    rules: list[Rule] = [
        words,
        Rename(
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
            "distances.weight",
        ),
        Rename("encoder.final_layer_norm.weight", "norm.weight"),
        Rename(f"{block}.0.layer_norm.weight", "blocks.{i}.attention_norm.weight"),
        Rename(f"{block}.1.layer_norm.weight", "blocks.{i}.mlp_norm.weight"),
        Rename(f"{block}.1.DenseReluDense.wi_0.weight", "blocks.{i}.mlp.gate.weight"),
        Rename(f"{block}.1.DenseReluDense.wi_1.weight", "blocks.{i}.mlp.up.weight"),
        Rename(f"{block}.1.DenseReluDense.wo.weight", "blocks.{i}.mlp.down.weight"),
    ]
    rules += [
        Rename(f"{look}.{theirs}.weight", f"blocks.{{i}}.attention.{ours}.weight")
        for theirs, ours in LAYERS.items()
    ]
    return KeyMap((*rules, Optional("decoder.{rest}"), Optional("lm_head.weight")))


def clip_config(public: Mapping[str, Any], rules: CLIPConfig | None = None) -> CLIPConfig:
    """The config that a public one means; of a whole CLIP its text half.

    Args:
        public: of CLIP's text encoder, or of the whole CLIP.
        rules: what no public config says: padding and tokenizer; None: the defaults.

    Raises:
        CheckpointError: an activation that no published model has, or a number that is missing.
    """
    public = public.get("text_config", public)
    kind = public.get("hidden_act", "quick_gelu")
    if kind not in ACTIVATIONS:
        raise CheckpointError(
            f"hidden_act = {kind!r}: expected 'quick_gelu', as in clip-vit-large-patch14, or "
            "'gelu', as in CLIP-ViT-bigG-14"
        )
    end = public.get("eos_token_id", OLD_END)
    return replace(
        rules or CLIPConfig(),
        vocabulary=_number(public, "vocab_size"),
        width=_number(public, "hidden_size"),
        heads=_number(public, "num_attention_heads"),
        hidden=_number(public, "intermediate_size"),
        blocks=_number(public, "num_hidden_layers"),
        length=_number(public, "max_position_embeddings"),
        eps=public.get("layer_norm_eps", 1e-5),
        activation=ACTIVATIONS[kind],
        end=None if end == OLD_END else end,
    )


def clip_key_map(names: Collection[str]) -> KeyMap:
    """All names of the text half.

    Args:
        names: of the file; those of the text half begin with `text_model.`, or with nothing.
    """
    outer = "text_model." if any(name.startswith("text_model.") for name in names) else ""
    block = f"{outer}encoder.layers.{{i}}"
    renamed = {
        f"{outer}final_layer_norm": "norm",
        f"{block}.layer_norm1": "blocks.{i}.attention_norm",
        f"{block}.layer_norm2": "blocks.{i}.mlp_norm",
        f"{block}.mlp.fc1": "blocks.{i}.mlp.up",
        f"{block}.mlp.fc2": "blocks.{i}.mlp.down",
    }
    renamed |= {
        f"{block}.self_attn.{theirs}": f"blocks.{{i}}.attention.{ours}"
        for theirs, ours in CLIP_LAYERS.items()
    }
    others = (
        f"{outer}embeddings.position_ids",
        "vision_model.{rest}",
        "visual_projection.weight",
        "text_projection.weight",
        "logit_scale",
    )
    return KeyMap(
        (
            Rename(f"{outer}embeddings.token_embedding.weight", "words"),
            Rename(f"{outer}embeddings.position_embedding.weight", "places"),
            *(Rename(f"{public}.{{rest}}", f"{ours}.{{rest}}") for public, ours in renamed.items()),
            *(Optional(name) for name in others),
        )
    )


def read_t5(path: Path, rules: T5Config | None = None, null: Tensor | None = None) -> T5:
    """A published encoder of the T5 family; its tensors are the file's, mapped, not copied.

    Args:
        path: a folder with weights, in one file or in shards, and `config.json`.
        rules: length, padding, null caption and tokenizer, see `t5_config`.
        null: the learned null caption, (length, width), where the rules have one; Open-Sora 1.x
            keeps it in the denoiser's file, as `y_embedder.y_embedding`.

    Raises:
        CheckpointError: something is missing, damaged, or no such encoder.
    """
    state = read(path)
    config = t5_config(read_config(path), rules)
    with torch.device("meta"):
        model = config.build()
    learned = {} if null is None else {"null.table": null}
    load_into(model, t5_key_map(state.keys()).load(state) | learned)
    return model.eval().requires_grad_(False)


def read_clip(path: Path, rules: CLIPConfig | None = None) -> CLIP:
    """CLIP's published text encoder, alone or out of the whole CLIP; otherwise as `read_t5`."""
    state = read(path)
    config = clip_config(read_config(path), rules)
    with torch.device("meta"):
        model = config.build()
    load_into(model, clip_key_map(state.keys()).load(state))
    return model.eval().requires_grad_(False)


def _number(public: Mapping[str, Any], name: str) -> int:
    found = public.get(name)
    if not isinstance(found, int):
        raise CheckpointError(f"config.json: {name} = {found!r}: expected a whole number")
    return found
