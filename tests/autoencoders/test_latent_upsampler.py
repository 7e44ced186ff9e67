"""Latents grow by their factors, and time loses its first frame."""

import pytest
import torch

from kineograph.autoencoders.latent_upsampler import LatentUpsamplerConfig
from kineograph.checkpoints.public.ltx_video_upsampler import upsampler_config, upsampler_key_map
from kineograph.errors import CheckpointError, ConfigError

SHAPES = {(1, 2, 2): (3, 8, 10), (2, 1, 1): (5, 4, 5), (2, 2, 2): (5, 8, 10)}


@pytest.mark.parametrize("factors", SHAPES)
def test_latents_grow_by_their_factors(factors):
    model = LatentUpsamplerConfig(channels=3, width=32, blocks=1, factors=factors).build()
    assert model(torch.randn(2, 3, 3, 4, 5)).shape == (2, 3, *SHAPES[factors])


def test_frames_grow_one_by_one_where_time_does_not():
    model = LatentUpsamplerConfig(channels=3, width=32, blocks=0).build()
    assert model.grow.weight.shape == (128, 32, 1, 3, 3)


@pytest.mark.parametrize("factors", SHAPES)
@pytest.mark.parametrize("blocks", [0, 2])
def test_names_go_there_and_back_bit_for_bit(factors, blocks):
    config = LatentUpsamplerConfig(channels=3, width=32, blocks=blocks, factors=factors)
    keys, ours = upsampler_key_map(config), config.build().state_dict()
    public = keys.dump(ours)
    assert public["upsampler.0.weight"].ndim == (4 if factors[0] == 1 else 5)
    back = keys.load(public)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)


def test_a_public_config_is_understood():
    public = {"in_channels": 6, "mid_channels": 64, "num_blocks_per_stage": 2, "dims": 3}
    both = upsampler_config({**public, "spatial_upsample": True, "temporal_upsample": True})
    assert both == LatentUpsamplerConfig(channels=6, width=64, blocks=2, factors=(2, 2, 2))


def test_what_cannot_work_is_refused_in_words():
    with pytest.raises(ConfigError, match="width = 48"):
        LatentUpsamplerConfig(width=48)
    with pytest.raises(CheckpointError, match="dims = 2"):
        upsampler_config({"dims": 2})
    with pytest.raises(CheckpointError, match="expected one that is true"):
        upsampler_config({"spatial_upsample": False})
