"""Open-Sora 1.x's public names go there and back bit for bit."""

from dataclasses import replace

import pytest
import torch

from kineograph.checkpoints.public.open_sora_1 import (
    stdit1_config,
    stdit1_key_map,
    stdit2_config,
    stdit2_key_map,
    stdit_config,
    stdit_key_map,
)
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config
from kineograph.errors import CheckpointError

TINY = STDiTConfig(layers=2, heads=2, head_width=8, text_width=6, text_length=5)
FIRST = STDiT1Config(layers=2, heads=2, head_width=8, text_width=6, size=(3, 4, 6))
SECOND = STDiT2Config(layers=2, heads=2, head_width=12, text_width=6)
VARIANTS = {
    "published": (TINY, stdit_key_map),
    "not normed": (replace(TINY, normed=False), stdit_key_map),
    "other patch": (replace(TINY, patch=(2, 1, 3), out_channels=4), stdit_key_map),
    "1.0": (FIRST, stdit1_key_map),
    "1.1": (SECOND, stdit2_key_map),
}
PUBLIC = {
    "in_channels": 4,
    "patch_size": [1, 2, 2],
    "hidden_size": 1152,
    "depth": 28,
    "num_heads": 16,
    "mlp_ratio": 4.0,
    "pred_sigma": True,
    "caption_channels": 4096,
    "model_max_length": 300,
    "qk_norm": True,
    "input_sq_size": 512,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("config", "key_map"), VARIANTS.values(), ids=VARIANTS)
def test_names_go_there_and_back_bit_for_bit(config, key_map, dtype):
    ours = config.build().to(dtype).state_dict()
    keys = key_map(config)
    public = keys.dump(ours)
    again = keys.load(public)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)


def test_the_published_configs_are_the_defaults():
    assert stdit_config(PUBLIC) == STDiTConfig()
    second = {**PUBLIC, "model_max_length": 200, "qk_norm_legacy": True}
    assert stdit2_config(second) == STDiT2Config()
    first = {"input_size": [16, 32, 32], "space_scale": 0.5, "time_scale": 1.0}
    assert stdit1_config({**PUBLIC, **first, "model_max_length": 120}) == STDiT1Config()


def test_another_norm_than_the_published_one_of_1_1_is_refused():
    with pytest.raises(CheckpointError, match="qk_norm_legacy = None"):
        stdit2_config(PUBLIC)


def test_only_rotated_queries_are_reordered():
    ours = TINY.build().state_dict()
    public = stdit_key_map(TINY).dump(ours)
    still, turned = (
        public[f"{kind}_blocks.0.attn.qkv.weight"][:16] for kind in ("spatial", "temporal")
    )
    assert torch.equal(still, ours["spatial.0.attention.query.weight"])
    query = ours["temporal.0.attention.query.weight"]
    assert torch.equal(turned[[0, 2, 4, 6, 1, 3, 5, 7]], query[:8])


def test_a_missing_block_is_named():
    public = stdit_key_map(TINY).dump(TINY.build().state_dict())
    del public["temporal_blocks.1.cross_attn.kv_linear.bias"]
    loaded = stdit_key_map(TINY).load(public)
    assert "temporal.1.text_attention.key.bias" not in loaded  # the module then refuses it
    with pytest.raises(CheckpointError, match="no rule for stranger"):
        stdit_key_map(TINY).load({**public, "stranger": torch.zeros(1)})
