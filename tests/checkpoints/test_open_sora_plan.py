"""Every public spelling of WF-VAE loads, and goes back to the same names bit for bit."""

from dataclasses import replace

import pytest
import torch

from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.checkpoints.public.open_sora_plan import (
    discriminator_key_map,
    wavelet_flow_config,
    wavelet_flow_key_map,
    wavelet_flow_layout,
)
from kineograph.errors import CheckpointError

TINY = WaveletFlowConfig(
    latent_channels=4, base=4, connect_blocks=1, encoder_energy=3, decoder_energy=5
)
WIDE = replace(TINY, base=32, encoder_energy=64, decoder_energy=32)  # no shortcut in the middle
VARIANTS = {
    "tiny": TINY,
    "8 in time": replace(TINY, time_compression=8),
    "group norm": replace(WIDE, norm="group"),
    "no attention": replace(TINY, attention=False, encoder_blocks=1, decoder_blocks=3),
}
PUBLIC = {
    "latent_dim": 8,
    "base_channels": 128,
    "encoder_num_resblocks": 2,
    "encoder_energy_flow_hidden_size": 64,
    "decoder_num_resblocks": 2,
    "decoder_energy_flow_hidden_size": 128,
    "use_attention": True,
    "dropout": 0.0,
    "norm_type": "layernorm",
    "t_interpolation": "trilinear",
    "connect_res_layer_num": 2,
    "scale": [0.18215] * 8,
    "shift": [0.0] * 8,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", ["original", "renamed", "bare"])
@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_names_go_there_and_back_bit_for_bit(config, layout, dtype):
    ours = config.build().to(dtype).state_dict()
    keys = wavelet_flow_key_map(config, layout)
    public = keys.dump(ours)
    assert wavelet_flow_layout(public) == layout
    again = keys.load(public)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)
    assert {tensor.dtype for tensor in public.values()} == {dtype}


def test_a_changed_wavelet_is_refused():
    keys = wavelet_flow_key_map(TINY, "renamed")
    public = keys.dump(TINY.build().state_dict())
    public["encoder.wavelet_transform_l1.ad"] *= -1
    with pytest.raises(CheckpointError, match="differs from the constant"):
        keys.load(public)


def test_the_published_config_is_the_default():
    found = wavelet_flow_config(PUBLIC)
    assert replace(found, scale=(), shift=()) == WaveletFlowConfig()
    assert found.scale == (0.18215,) * 8


def test_statistics_of_another_length_are_left_out():
    assert wavelet_flow_config({**PUBLIC, "scale": [1.0] * 4, "shift": [0.0] * 4}).scale == ()


def test_blocks_that_halve_time_make_it_eight():
    blocks = {
        "l1_dowmsample_block": "Spatial2xTime2x3DDownsample",
        "l1_downsample_wavelet": "HaarWaveletTransform3D",
        "l1_upsample_block": "Spatial2xTime2x3DUpsample",
        "l1_upsample_wavelet": "InverseHaarWaveletTransform3D",
    }
    assert wavelet_flow_config({**PUBLIC, **blocks}).time_compression == 8
    with pytest.raises(CheckpointError, match="disagree"):
        wavelet_flow_config({**PUBLIC, **dict(list(blocks.items())[:2])})


def test_an_unknown_option_names_the_known_ones():
    with pytest.raises(CheckpointError, match="expected one of layernorm, groupnorm"):
        wavelet_flow_config({**PUBLIC, "norm_type": "rms"})


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_discriminator_goes_there_and_back(dropout):
    config = PatchDiscriminatorConfig(width=2, layers=3, dropout=dropout)
    ours = config.build().state_dict()
    keys = discriminator_key_map(config)
    public = keys.dump(ours)
    assert ("main.14.weight" in public) == bool(dropout)
    assert all(torch.equal(value, ours[name]) for name, value in keys.load(public).items())
