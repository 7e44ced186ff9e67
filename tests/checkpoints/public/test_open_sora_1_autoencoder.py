"""Public names of Open-Sora 1.2's autoencoder go there and back bit for bit."""

from dataclasses import replace

import pytest
import torch

from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.time_kl import TimeKLConfig
from kineograph.checkpoints.public.open_sora_1_autoencoder import (
    stacked_config,
    stacked_key_map,
    time_kl_config,
    time_kl_key_map,
)
from kineograph.errors import CheckpointError

IMAGE = ImageKLConfig(widths=(4, 4), blocks=1, groups=2)
TIME = TimeKLConfig(base=4, factors=(1, 2, 1), halves=(True, True), blocks=1, groups=2)
TINY = StackedConfig(image=IMAGE, time=TIME)
PUBLIC_TIME = {
    "in_out_channels": 4,
    "latent_embed_dim": 4,
    "embed_dim": 4,
    "filters": 128,
    "num_res_blocks": 4,
    "channel_multipliers": [1, 2, 2, 4],
    "temporal_downsample": [False, True, True],
    "num_groups": 32,
    "activation_fn": "swish",
}
PUBLIC = {
    "vae_2d": {
        "micro_batch_size": 4,
        "diffusers_config": {
            "latent_channels": 4,
            "block_out_channels": [128, 256, 512, 512],
            "layers_per_block": 2,
            "norm_num_groups": 32,
            "scaling_factor": 0.13025,
        },
    },
    "vae_temporal": PUBLIC_TIME,
    "micro_frame_size": 17,
    "scale": [3.85, 2.32, 2.33, 3.06],
    "shift": [-0.1, 0.34, 0.27, 0.98],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_names_go_there_and_back_bit_for_bit(dtype):
    ours = TINY.build().to(dtype).state_dict()
    keys = stacked_key_map(TINY)
    public = keys.dump(ours)
    assert public["scale"].dtype == dtype
    again = keys.load(public)
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)


@pytest.mark.parametrize("halves", [(False, False), (False, True), (True, True)])
def test_a_level_that_keeps_its_length_has_no_name(halves):
    config = replace(TIME, halves=halves)
    ours = config.build().state_dict()
    public = time_kl_key_map().dump(ours)
    found = {int(name.split(".")[2]) for name in public if name.startswith("encoder.conv_blocks.")}
    assert found == {i for i, halved in enumerate(halves) if halved}
    assert time_kl_key_map().load(public).keys() == ours.keys()


def test_the_published_config_is_the_default():
    assert stacked_config(PUBLIC) == StackedConfig()


def test_other_statistics_are_refused():
    public = stacked_key_map(TINY).dump(TINY.build().state_dict())
    with pytest.raises(CheckpointError, match="differs from the constant"):
        stacked_key_map(replace(TINY, scale=(1.0, 1.0, 1.0, 1.0))).load(public)


def test_another_activation_is_refused():
    with pytest.raises(CheckpointError, match="activation_fn = 'relu'"):
        time_kl_config({**PUBLIC_TIME, "activation_fn": "relu"})


def test_one_scale_for_all_channels_is_a_single_number_in_the_file():
    public = {**PUBLIC, "scale": 2.0, "shift": 0}
    config = stacked_config(public)
    assert (config.scale, config.shift) == ((2.0,) * 4, (0.0,) * 4)
    least = stacked_config({"vae_2d": PUBLIC["vae_2d"], "vae_temporal": PUBLIC_TIME})
    assert (least.scale, least.chunk) == ((1.0,) * 4, None)
    tiny = replace(TINY, scale=(2.0,) * 4, shift=(0.5,) * 4)
    found = stacked_key_map(tiny, common=True).dump(tiny.build().state_dict())
    assert found["scale"].shape == () and float(found["shift"]) == 0.5
    stacked_key_map(tiny, common=True).load(found)
