"""Public names of KL autoencoders go there and back bit for bit, in every layout."""

from dataclasses import replace

import pytest
import torch

from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.checkpoints.public.image_kl import (
    image_kl_config,
    image_kl_key_map,
    image_kl_layout,
)

TINY = ImageKLConfig(widths=(4, 8, 8), blocks=1, groups=2)
VARIANTS = {"mixing": TINY, "bare": replace(TINY, mixing=False, attention=False)}
FLUX = {
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "z_channels": 16,
    "scale_factor": 0.3611,
    "shift_factor": 0.1159,
}
DIFFUSERS = {
    "latent_channels": 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "norm_num_groups": 32,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", ["original", "diffusers", "early"])
@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_names_go_there_and_back_bit_for_bit(config, layout, dtype):
    ours = config.build().to(dtype).state_dict()
    keys = image_kl_key_map(config, layout)
    public = keys.dump(ours)
    again = keys.load(public)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)


@pytest.mark.parametrize("layout", ["original", "diffusers", "early"])
def test_a_layout_is_known_by_its_names(layout):
    public = image_kl_key_map(TINY, layout).dump(TINY.build().state_dict())
    assert image_kl_layout(public) == layout


def test_original_names_count_the_decoder_from_the_pixels():
    ours = TINY.build().state_dict()
    original = image_kl_key_map(TINY, "original").dump(ours)
    diffusers = image_kl_key_map(TINY, "diffusers").dump(ours)
    deepest = ours["decoder.levels.0.resize.conv.weight"]
    assert torch.equal(original["decoder.up.2.upsample.conv.weight"], deepest)
    assert torch.equal(diffusers["decoder.up_blocks.0.upsamplers.0.conv.weight"], deepest)


def test_original_attention_is_made_of_convolutions():
    ours = TINY.build().state_dict()
    for layout, name, shape in (
        ("original", "encoder.mid.attn_1.q.weight", (8, 8, 1, 1)),
        ("diffusers", "encoder.mid_block.attentions.0.to_q.weight", (8, 8)),
        ("early", "encoder.mid_block.attentions.0.query.weight", (8, 8)),
    ):
        public = image_kl_key_map(TINY, layout).dump(ours)
        assert public[name].shape == shape
        assert torch.equal(public[name].flatten(1), ours["encoder.middle.1.query.weight"])


def test_public_configs_are_understood():
    assert image_kl_config(DIFFUSERS) == ImageKLConfig()
    flux = image_kl_config(FLUX)
    assert flux == ImageKLConfig(latent_channels=16, mixing=False, scale=0.3611, shift=0.1159)
    same = {**DIFFUSERS, "latent_channels": 16, "use_quant_conv": False}
    assert image_kl_config({**same, "scaling_factor": 0.3611, "shift_factor": 0.1159}) == flux
    assert image_kl_config({**DIFFUSERS, "shift_factor": None}).shift == 0.0
