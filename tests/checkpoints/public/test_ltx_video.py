"""LTX-Video's weights go to our names and back without a changed bit."""

from dataclasses import replace

import pytest
import torch

from kineograph.checkpoints.public.ltx_video import (
    half_split_order,
    transformer_config,
    transformer_key_map,
    transformer_layout,
)
from kineograph.denoisers.ltx import LTXConfig
from kineograph.errors import CheckpointError

CONFIG = LTXConfig(
    layers=2,
    heads=3,
    head_width=4,
    in_channels=3,
    out_channels=3,
    text_width=5,
    causal_positions=True,
)
PUBLIC = {
    "num_layers": 2,
    "num_attention_heads": 3,
    "attention_head_dim": 4,
    "cross_attention_dim": 12,
    "caption_channels": 5,
    "in_channels": 3,
    "out_channels": 3,
    "qk_norm": "rms_norm",
    "positional_embedding_max_pos": [20, 2048, 2048],
    "causal_temporal_positioning": True,
    "timestep_scale_multiplier": 1000,
}
LAYOUTS = ["original", "single_file", "diffusers"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_there_and_back_bit_for_bit(layout, dtype):
    keys = transformer_key_map(CONFIG, layout)
    ours = {name: torch.randn_like(t).to(dtype) for name, t in CONFIG.build().state_dict().items()}
    public = keys.dump(ours)
    assert len(public) == len(ours)
    back = keys.load(public)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)
    assert all(tensor.dtype == dtype for tensor in public.values())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_names_tell_the_layout(layout):
    public = transformer_key_map(CONFIG, layout).dump(CONFIG.build().state_dict())
    assert transformer_layout(public) == layout


def test_only_what_is_rotated_is_reordered():
    ours = CONFIG.build().state_dict()
    rows = torch.arange(12.0)
    for name in ("attention.query", "attention.key", "text_attention.query", "attention.value"):
        ours[f"blocks.1.{name}.bias"] = rows
    public = transformer_key_map(CONFIG, "original").dump(ours)
    block = "transformer_blocks.1."
    rotated = [0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11]
    assert public[f"{block}attn1.to_q.bias"].tolist() == rotated
    assert public[f"{block}attn1.to_k.bias"].tolist() == rotated
    assert torch.equal(public[f"{block}attn2.to_q.bias"], rows)
    assert torch.equal(public[f"{block}attn1.to_v.bias"], rows)


def test_adjacent_pairs_become_halves_of_their_head():
    assert half_split_order(6, 12).tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


def test_a_public_config_is_understood():
    assert transformer_config(PUBLIC) == CONFIG
    bare = {k: v for k, v in PUBLIC.items() if k != "causal_temporal_positioning"}
    assert transformer_config(bare) == replace(CONFIG, causal_positions=False)
    assert transformer_config(PUBLIC | {"timestep_scale_multiplier": None}).time_scale == 1.0
    assert transformer_config(PUBLIC | {"out_channels": None}) == CONFIG


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"qk_norm": "layer_norm"}, "qk_norm = 'layer_norm': expected 'rms_norm'"),
        ({"cross_attention_dim": 16}, "expected the width 12"),
        ({"patch_size": 2}, "patch_size = 2: expected 1"),
    ],
)
def test_what_no_published_transformer_has_is_refused(change, words):
    with pytest.raises(CheckpointError, match=words):
        transformer_config(PUBLIC | change)


def test_a_missing_weight_is_named():
    keys = transformer_key_map(CONFIG, "original")
    public = keys.dump(CONFIG.build().state_dict())
    del public["proj_out.weight"], public["proj_out.bias"]
    with pytest.raises(CheckpointError, match="proj_out"):
        keys.load(public)
