"""Text encoders come out of published folders as they went in; other networks are refused."""

import json

import pytest
import torch

from kineograph.checkpoints import files
from kineograph.checkpoints.public.text_encoders import (
    clip_config,
    clip_key_map,
    read_clip,
    read_t5,
    t5_config,
    t5_key_map,
)
from kineograph.errors import CheckpointError
from kineograph.text.clip import CLIPConfig
from kineograph.text.null import LearnedNull
from kineograph.text.padding import Unmasked
from kineograph.text.t5 import T5Config

T5_SMALL = {
    "vocab_size": 30,
    "d_model": 12,
    "num_heads": 3,
    "d_kv": 5,
    "d_ff": 20,
    "num_layers": 2,
    "relative_attention_num_buckets": 8,
    "feed_forward_proj": "gated-gelu",
}
CLIP_SMALL = {
    "vocab_size": 30,
    "hidden_size": 12,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 7,
    "hidden_act": "quick_gelu",
}


def t5_state(*tables: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return t5_key_map(tables).dump(t5_config(T5_SMALL).build().state_dict())


@pytest.mark.parametrize(
    "tables",
    [
        ("shared.weight",),
        ("encoder.embed_tokens.weight",),
        ("shared.weight", "encoder.embed_tokens.weight"),
    ],
)
def test_the_table_of_words_has_either_name_or_both(tables):
    public = t5_state(*tables)
    assert set(tables) == {name for name in public if not name.startswith("encoder.block")} - {
        "encoder.final_layer_norm.weight"
    }
    keys = t5_key_map(public.keys())
    again = keys.dump(keys.load(public))
    assert again.keys() == public.keys()
    assert all(torch.equal(again[name], public[name]) for name in public)


def test_two_tables_that_differ_are_refused():
    public = t5_state("shared.weight", "encoder.embed_tokens.weight")
    public["shared.weight"] = public["shared.weight"] + 1
    with pytest.raises(CheckpointError, match="they differ; expected the same tensor twice"):
        t5_key_map(public.keys()).load(public)


@torch.no_grad()
def test_a_published_folder_is_read_whatever_else_it_holds(tmp_path):
    public = t5_state("shared.weight")
    others = {"lm_head.weight": torch.ones(2), "decoder.block.0.layer.0.q.weight": torch.ones(2)}
    shards = [dict(list(public.items())[:6]), {**dict(list(public.items())[6:]), **others}]
    table = {}
    for index, shard in enumerate(shards):
        name = f"model-{index}.safetensors"
        files.write(tmp_path / name, shard, {})
        table |= dict.fromkeys(shard, name)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    (tmp_path / "config.json").write_text(json.dumps(T5_SMALL))
    rules = T5Config(length=11, padding=Unmasked(), tokenizer="somewhere")
    model = read_t5(tmp_path, rules)
    config = model.config
    assert (config.length, config.padding, config.tokenizer) == (11, Unmasked(), "somewhere")
    assert config.distance == 128  # as everywhere where a file does not say
    ours = t5_config(T5_SMALL).build()
    files.load_into(ours, t5_key_map(public.keys()).load(public))
    ids = torch.tensor([[3, 4, 1, 0]])
    assert torch.equal(model.embed(ids), ours.embed(ids))


def test_a_learned_null_caption_comes_from_another_file(tmp_path):
    files.write(tmp_path / "model.safetensors", t5_state("shared.weight"), {})
    (tmp_path / "config.json").write_text(json.dumps(T5_SMALL))
    rules, null = T5Config(length=4, null=LearnedNull()), torch.ones(4, 12)
    assert torch.equal(read_t5(tmp_path, rules, null).state_dict()["null.table"], null)
    with pytest.raises(CheckpointError, match=r"null\.table"):
        read_t5(tmp_path, rules)


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["text_model.", ""])
def test_clip_is_read_alone_or_out_of_the_whole(prefix, tmp_path):
    torch.manual_seed(0)
    ours = clip_config(CLIP_SMALL).build()
    public = clip_key_map({f"{prefix}x": None}).dump(ours.state_dict())
    assert all(name.startswith(prefix or ("embed", "encoder", "final")) for name in public)
    whole = {"text_config": CLIP_SMALL} if prefix else CLIP_SMALL
    others = {"logit_scale": torch.ones(1), "vision_model.x.weight": torch.ones(1)}
    files.write(tmp_path / "model.safetensors", public | (others if prefix else {}), {})
    (tmp_path / "config.json").write_text(json.dumps(whole))
    model = read_clip(tmp_path, CLIPConfig(tokenizer="somewhere"))
    ids = torch.tensor([[28, 4, 5, 29]])
    assert torch.equal(model.embed(ids)[1], ours.embed(ids)[1])
    assert model.config.tokenizer == "somewhere" and model.config.length == 7


@pytest.mark.parametrize(
    ("public", "message"),
    [
        (T5_SMALL | {"feed_forward_proj": "relu"}, "'relu': expected 'gated-gelu'"),
        (T5_SMALL | {"d_kv": None}, "d_kv = None: expected a whole number"),
        ({}, "feed_forward_proj = 'relu'"),
    ],
)
def test_another_t5_is_refused(public, message):
    with pytest.raises(CheckpointError, match=message):
        t5_config(public)


def test_another_clip_is_refused():
    with pytest.raises(CheckpointError, match="hidden_act = 'relu': expected 'quick_gelu'"):
        clip_config(CLIP_SMALL | {"hidden_act": "relu"})


def test_a_missing_weight_is_named(tmp_path):
    public = t5_state("shared.weight")
    del public["encoder.block.1.layer.0.SelfAttention.k.weight"]
    files.write(tmp_path / "model.safetensors", public, {})
    (tmp_path / "config.json").write_text(json.dumps(T5_SMALL))
    with pytest.raises(CheckpointError, match=r"blocks\.1\.attention\.key\.weight"):
        read_t5(tmp_path)
