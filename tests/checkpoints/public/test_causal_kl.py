"""Public names of HunyuanVideo's autoencoder go there and back bit for bit."""

import pytest
import torch

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.checkpoints.public.autoencoder_sizes import infer_causal_kl
from kineograph.checkpoints.public.causal_kl import causal_kl_config, causal_kl_key_map

TINY = CausalKLConfig(latent_channels=2, widths=(2, 4, 4, 4), blocks=1, groups=2)
PUBLIC = {
    "latent_channels": 16,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "block_out_channels": [128, 256, 512, 512],
    "scale_factor": 0.476986,
    "shift_factor": 0,
    "time_compression_ratio": 4,
    "spatial_compression_ratio": 8,
    "mid_block_add_attention": True,
    "sample_size": 256,
    "sample_tsize": 64,
    "tile_overlap_factor": 0.25,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_names_go_there_and_back_bit_for_bit(dtype):
    ours = TINY.build().to(dtype).state_dict()
    public = causal_kl_key_map().dump(ours)
    again = causal_kl_key_map().load(public)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)


def test_only_3d_convolutions_inside_the_coders_are_wrapped():
    public = causal_kl_key_map().dump(TINY.build().state_dict())
    assert public["encoder.down_blocks.0.downsamplers.0.conv.conv.weight"].ndim == 5
    assert public["quant_conv.weight"].ndim == 5
    assert public["decoder.mid_block.attentions.0.to_out.0.weight"].ndim == 2


@pytest.mark.parametrize(
    ("plane", "time", "tiling"),
    [
        (False, False, None),
        (True, False, OverlapTiling()),
        (False, True, OverlapTiling(space=None, frames=64)),
    ],
)
def test_public_configs_are_understood(plane, time, tiling):
    public = {**PUBLIC, "use_spatial_tiling": plane, "use_temporal_tiling": time}
    assert causal_kl_config(public) == CausalKLConfig(tiling=tiling)


def test_diffusers_config_is_understood():
    public = {name: value for name, value in PUBLIC.items() if name != "scale_factor"}
    assert causal_kl_config({**public, "scaling_factor": 0.5}).scale == 0.5


@pytest.mark.parametrize(("widths", "space"), [((4, 4, 4), 4), ((4, 4, 4, 4), 8)])
def test_names_and_shapes_say_how_often_sides_can_halve(widths, space):
    config = CausalKLConfig(latent_channels=2, widths=widths, blocks=1, groups=4, space=space)
    with torch.device("meta"):
        state = causal_kl_key_map().dump(config.build().state_dict())
    assert infer_causal_kl(state).space == space
