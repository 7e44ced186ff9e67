"""Every public layout of the MMDiT loads, goes back bit for bit, and means the same model."""

from dataclasses import replace

import pytest
import torch

from kineograph.checkpoints.public.open_sora_2 import (
    Layout,
    mmdit_config,
    mmdit_key_map,
    mmdit_layout,
)
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.errors import CheckpointError

TINY = MMDiTConfig(
    channels=3,
    heads=2,
    shares=(4, 6, 6),
    double_layers=2,
    single_layers=1,
    text_width=5,
    pooled_width=7,
    mlp_ratio=1.5,
)
VARIANTS = {
    "tiny": TINY,
    "patch of one cell": replace(TINY, patch=1),
    "no bias": replace(TINY, bias=False),
    "distilled": replace(TINY, guided=True, given=False),
    "only double blocks": replace(TINY, single_layers=0),
    "only single blocks": replace(TINY, double_layers=0),
}
LAYOUTS = [
    Layout(fused=fused, interleaved=interleaved)
    for fused in (False, True)
    for interleaved in (False, True)
]
PUBLIC = {
    "in_channels": 64,
    "vec_in_dim": 768,
    "context_in_dim": 4096,
    "hidden_size": 3072,
    "mlp_ratio": 4.0,
    "num_heads": 24,
    "depth": 19,
    "depth_single_blocks": 38,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": False,
    "cond_embed": True,
    "fused_qkv": False,
    "use_liger_rope": True,
    "patch_size": 2,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_names_go_there_and_back_bit_for_bit(config, layout, dtype):
    ours = config.build().to(dtype).state_dict()
    keys = mmdit_key_map(config, layout)
    public = keys.dump(ours)
    again = keys.load(public)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)
    assert {tensor.dtype for tensor in public.values()} == {dtype}


def test_interleaved_channels_of_a_head_alternate_between_its_halves():
    ours = TINY.build().state_dict()
    half = mmdit_key_map(TINY, Layout(fused=False, interleaved=False)).dump(ours)
    between = mmdit_key_map(TINY, Layout(fused=False, interleaved=True)).dump(ours)
    name = "single_blocks.0.k_proj.weight"
    first, second = half[name].view(2, 2, 8, -1).unbind(1)  # heads x halves x pairs
    assert torch.equal(between[name], torch.stack((first, second), 2).flatten(0, 2))
    assert torch.equal(between["img_in.weight"], half["img_in.weight"])
    name = "double_blocks.0.img_attn.v_proj.weight"
    assert torch.equal(between[name], half[name])


def test_a_public_token_has_its_channels_outermost():
    ours = TINY.build().state_dict()
    public = mmdit_key_map(TINY, LAYOUTS[0]).dump(ours)
    cell = ours["patch_in.weight"].view(-1, 2, 2, 3)[:, 1, 0, 2]  # row 1, column 0, channel 2
    assert torch.equal(public["img_in.weight"].view(-1, 3, 2, 2)[:, 2, 1, 0], cell)
    assert public["cond_in.weight"].shape[1] == 4 * 4  # mask and three channels, 2 x 2 cells


def test_the_published_config_is_the_default():
    assert mmdit_config(PUBLIC) == MMDiTConfig()
    assert mmdit_layout(PUBLIC) == Layout(fused=False, interleaved=False)
    assert mmdit_layout({}) == Layout(fused=True, interleaved=True)  # FLUX says neither


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(CheckpointError, match="multiple of patch_size squared, 4"):
        mmdit_config({**PUBLIC, "in_channels": 63})
    with pytest.raises(CheckpointError, match="expected a sum of 128"):
        mmdit_config({**PUBLIC, "axes_dim": [16, 56, 58]})


def test_a_file_of_another_layout_is_refused():
    public = mmdit_key_map(TINY, Layout(fused=True, interleaved=True)).dump(
        TINY.build().state_dict()
    )
    with pytest.raises(CheckpointError, match="qkv"):
        mmdit_key_map(TINY, Layout(fused=False, interleaved=False)).load(public)
