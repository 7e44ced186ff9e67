"""Public names of the deep-compression autoencoder go there and back bit for bit."""

from typing import Any

import pytest
import torch

from kineograph.autoencoders.deep_compression import DeepCompressionConfig, DeepLevels
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.checkpoints.public.deep_compression import (
    FIXED,
    deep_compression_config,
    deep_compression_key_map,
)
from kineograph.errors import CheckpointError

TINY = DeepCompressionConfig(
    latent_channels=4,
    encoder=DeepLevels(
        widths=(8, 32, 32), depths=(1, 2, 1), reaches=(None, (5,), ()), halves=(False, True)
    ),
    decoder=DeepLevels(
        widths=(8, 32, 32), depths=(2, 1, 1), reaches=(None, (), (5,)), halves=(False, True)
    ),
)


def described(**changes: Any) -> dict[str, Any]:
    """The public description of `TINY`."""
    kinds = {
        "encoder": ["ResBlock", "EViTS5_GLU", "EViT_GLU"],
        "decoder": ["ResBlock", "EViT_GLU", "EViTS5_GLU"],
    }
    coders = {
        name: {
            **FIXED[name],
            "width_list": [8, 32, 32],
            "depth_list": list(coder.depths),
            "block_type": kinds[name],
            f"temporal_{way}sample": [False, True, False],
        }
        for name, coder, way in (("encoder", TINY.encoder, "down"), ("decoder", TINY.decoder, "up"))
    }
    return {
        "latent_channels": 4,
        **coders,
        "scaling_factor": None,
        "use_spatial_tiling": False,
        "use_temporal_tiling": False,
        "spatial_tile_size": 256,
        "temporal_tile_size": 32,
        "tile_overlap_factor": 0.25,
        **changes,
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_names_go_there_and_back_bit_for_bit(dtype):
    ours = TINY.build().to(dtype).state_dict()
    keys = deep_compression_key_map()
    again = keys.load(keys.dump(ours))
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], ours[name]) for name in ours)


def test_a_change_of_size_stands_behind_encoder_blocks_and_before_decoder_blocks():
    ours = TINY.build().state_dict()
    public = deep_compression_key_map().dump(ours)
    down = public["encoder.stages.0.op_list.1.main.conv.weight"]
    up = public["decoder.stages.0.op_list.0.main.conv.conv.weight"]
    assert torch.equal(down, ours["encoder.levels.0.1.conv.weight"])
    assert torch.equal(up, ours["decoder.levels.0.0.conv.weight"])
    assert "decoder.stages.0.op_list.2.main.conv2.norm.bias" in public
    assert "encoder.stages.1.op_list.0.context_module.main.aggreg.0.1.weight" in public


def test_public_configs_are_understood():
    assert deep_compression_config(described()) == TINY
    assert deep_compression_config(described(scaling_factor=0.493)).divisor == 0.493


@pytest.mark.parametrize(
    ("space", "frames", "tiling"),
    [
        (False, False, None),
        (True, True, OverlapTiling(space=256, frames=32)),
        (True, False, OverlapTiling(space=256, frames=None)),
        (False, True, OverlapTiling(space=None, frames=32)),
    ],
)
def test_tilings_are_understood(space, frames, tiling):
    public = described(use_spatial_tiling=space, use_temporal_tiling=frames, spatial_tile_size=256)
    assert deep_compression_config(public).tiling == tiling


def test_one_kind_of_block_may_stand_for_all_levels():
    public = described()
    for name in ("encoder", "decoder"):
        public[name] = {**public[name], "block_type": "ResBlock"}
    assert deep_compression_config(public).encoder.reaches == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("norm", "rms2d", "encoder.norm = 'rms2d': expected 'rms3d'"),
        ("block_type", ["ResBlock", "EViT", "ResBlock"], "block_type 'EViT': expected one of Res"),
        ("depth_list", [0, 1, 1], "expected blocks in every level"),
        ("downsample_shortcut", None, "expected 'averaging'"),
    ],
)
def test_variants_that_are_not_published_are_refused(name, value, words):
    public = described()
    public["encoder"] = {**public["encoder"], name: value}
    with pytest.raises(CheckpointError, match=words):
        deep_compression_config(public)
