"""LTX-Video's autoencoder goes to our names and back without a changed bit, in every layout."""

import pytest
import torch

from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.denoising_stages import (
    Attended,
    Folded,
    Residuals,
    Strided,
    Transition,
    Unfolded,
)
from kineograph.checkpoints.public.ltx_video_autoencoder import (
    PREFIX,
    autoencoder_config,
    autoencoder_key_map,
    autoencoder_layout,
)
from kineograph.errors import CheckpointError

OLD = {  # 0.9.0: one list for both halves
    "latent_channels": 3,
    "patch_size": 4,
    "encoder_base_channels": 4,
    "decoder_base_channels": 4,
    "blocks": [["res_x", 2], ["compress_all", 1], ["res_x_y", 1], ["res_x", 1], ["res_x", 1]],
}
NEW = {  # 0.9.1's decoder and 0.9.5's encoder
    "latent_channels": 3,
    "patch_size": 4,
    "encoder_base_channels": 2,
    "decoder_base_channels": 4,
    "timestep_conditioning": True,
    "encoder_blocks": [
        ["res_x", {"num_layers": 1}],
        ["compress_space_res", {"multiplier": 2}],
        ["res_x", {"num_layers": 2}],
        ["compress_time_res", {}],
        ["res_x", {"num_layers": 1}],
    ],
    "decoder_blocks": [
        ["res_x", {"num_layers": 2, "inject_noise": True}],
        ["compress_all", {"residual": True, "multiplier": 2}],
        ["res_x", {"num_layers": 1}],
    ],
}
OLD_CONFIG = DenoisingConfig(
    latent_channels=3,
    encoder_base=4,
    encoder=(
        Residuals(blocks=2),
        Strided(channels=4),
        Transition(channels=8),
        Residuals(blocks=1),
        Residuals(blocks=1),
    ),
    decoder_base=8,
    decoder=(
        Residuals(blocks=1),
        Residuals(blocks=1),
        Transition(channels=4),
        Unfolded(channels=4),
        Residuals(blocks=2),
    ),
    timed=False,
)
NEW_CONFIG = DenoisingConfig(
    latent_channels=3,
    encoder_base=2,
    encoder=(
        Residuals(blocks=1),
        Folded(stride=(1, 2, 2), channels=4),
        Residuals(blocks=2),
        Folded(stride=(2, 1, 1), channels=8),
        Residuals(blocks=1),
    ),
    decoder_base=8,
    decoder=(
        Residuals(blocks=1),
        Unfolded(channels=4, straight=True),
        Residuals(blocks=2, noise=True),
    ),
)
CONFIGS = {"old": OLD_CONFIG, "new": NEW_CONFIG}
LAYOUTS = ["original", "single_file", "diffusers"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_there_and_back_bit_for_bit(config, layout, dtype):
    keys = autoencoder_key_map(config, layout)
    ours = {name: torch.randn_like(t).to(dtype) for name, t in config.build().state_dict().items()}
    public = keys.dump(ours)
    assert len(public) == len(ours)
    back = keys.load(public)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)
    assert all(tensor.dtype == dtype for tensor in public.values())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_names_tell_the_layout(config, layout):
    public = autoencoder_key_map(config, layout).dump(config.build().state_dict())
    assert autoencoder_layout(public) == layout


def test_further_statistics_are_tolerated_and_dropped():
    keys, ours = autoencoder_key_map(OLD_CONFIG, "single_file"), OLD_CONFIG.build().state_dict()
    extra = f"{PREFIX}per_channel_statistics.mean-of-stds_over_std-of-means"
    public = {**keys.dump(ours), extra: torch.ones(3)}
    assert keys.load(public).keys() == ours.keys()
    assert keys.dropped(public) == (extra,)


def test_original_configs_are_understood():
    assert autoencoder_config(OLD) == OLD_CONFIG
    assert autoencoder_config(NEW) == NEW_CONFIG


def test_diffusers_configs_are_understood():
    old = {
        "latent_channels": 3,
        "block_out_channels": [4, 8],
        "decoder_block_out_channels": [4, 8],
        "layers_per_block": [2, 1, 1],
        "decoder_layers_per_block": [2, 1, 1],
        "spatio_temporal_scaling": [True, False],
        "decoder_spatio_temporal_scaling": [True, False],
    }
    new = {
        "latent_channels": 3,
        "timestep_conditioning": True,
        "block_out_channels": [2, 4, 8],
        "decoder_block_out_channels": [8],
        "layers_per_block": [1, 2, 1],
        "decoder_layers_per_block": [2, 1],
        "down_block_types": ["LTXVideo095DownBlock3D"] * 2,
        "downsample_type": ["spatial", "temporal"],
        "spatio_temporal_scaling": [True, True],
        "decoder_spatio_temporal_scaling": [True],
        "decoder_inject_noise": [True, False],
        "upsample_residual": [True],
        "upsample_factor": [2],
    }
    assert autoencoder_config(old) == OLD_CONFIG
    assert autoencoder_config(new) == NEW_CONFIG


def test_attention_has_names_of_its_own():
    attended = ["attn_res_x", {"num_layers": 2, "attention_head_dim": 4}]
    config = autoencoder_config({**OLD, "decoder_blocks": [*OLD["blocks"][:-1], attended]})
    assert config.decoder[0] == Attended(blocks=2, head_width=4)
    keys, ours = autoencoder_key_map(config, "original"), config.build().state_dict()
    public = keys.dump(ours)
    assert public["decoder.up_blocks.0.attention_blocks.1.q_norm.weight"].shape == (8,)
    assert keys.load(public).keys() == ours.keys()


def test_borders_are_read():
    assert autoencoder_config({**OLD, "spatial_padding_mode": "replicate"}).borders == "replicate"


def test_a_convolution_may_widen_while_it_shrinks():
    blocks = [["compress_all_x_y", {"multiplier": 3}], ["res_x", 1]]
    decoder = [["compress_all", {}], ["res_x", 1]]
    found = autoencoder_config({**OLD, "encoder_blocks": blocks, "decoder_blocks": decoder})
    assert found.encoder[0] == Strided(channels=12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"norm_layer": "group_norm"}, "norm_layer = 'group_norm': expected 'pixel_norm'"),
        ({"spatial_padding_mode": "reflect"}, "expected one of zeros, replicate"),
        ({"latent_log_var": "none"}, "latent_log_var = 'none'"),
        ({"blocks": [["attn", 1]]}, "block 'attn'"),
        ({"encoder_blocks": [["squeeze", 1]]}, "encoder block 'squeeze'"),
    ],
)
def test_a_config_of_no_published_autoencoder_is_refused(change, words):
    with pytest.raises(CheckpointError, match=words):
        autoencoder_config({**OLD, **change})


def test_a_block_to_another_width_may_add_noise_too():
    public = {
        "latent_channels": 4,
        "encoder_base_channels": 4,
        "decoder_base_channels": 4,
        "encoder_blocks": [["res_x", 1], ["compress_all", 1]],
        "decoder_blocks": [
            ["res_x", 1],
            ["res_x_y", {"multiplier": 2, "inject_noise": True}],
            ["compress_all", 1],
        ],
    }
    config = autoencoder_config(public)
    names = autoencoder_key_map(config, "original").dump(config.build().state_dict())
    assert names["decoder.up_blocks.1.per_channel_scale1"].shape == (4, 1, 1)
    assert "decoder.up_blocks.1.per_channel_scale2" in names
