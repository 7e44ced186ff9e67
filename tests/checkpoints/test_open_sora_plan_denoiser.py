"""Open-Sora Plan's denoiser weights come in and go out under their public names, bit for bit."""

import pytest
import torch

from kineograph.checkpoints.public.open_sora_plan_denoiser import (
    axis_order,
    denoiser_config,
    denoiser_key_map,
)
from kineograph.errors import CheckpointError
from kineograph.nn.grouping import Full, GroupSkip, SingleSkip

PUBLIC = {
    "num_layers": 3,
    "num_attention_heads": 2,
    "attention_head_dim": 6,
    "in_channels": 3,
    "out_channels": None,
    "caption_channels": 5,
    "cross_attention_dim": 12,
    "patch_size": 2,
    "attention_bias": True,
    "sparse1d": True,
    "sparse_n": 2,
}


@pytest.mark.parametrize(
    "change", [{}, {"vae_scale_factor_t": 4}, {"attention_bias": False}, {"patch_size": 1}], ids=str
)
def test_weights_go_there_and_back_bit_for_bit(change):
    config = denoiser_config({**PUBLIC, **change})
    state = config.build().state_dict()
    keys = denoiser_key_map(config)
    public = keys.dump(state)
    assert ("transformer_blocks.0.attn1.to_q.bias" in public) is config.bias
    assert ("pos_embed_mask.1.weight" in public) is bool(config.mask_channels)
    again = keys.load(public)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_a_patch_embedding_is_the_public_convolution():
    config = denoiser_config(PUBLIC)
    model = config.build()
    public = denoiser_key_map(config).dump(model.state_dict())
    assert public["pos_embed.proj.weight"].shape == (12, 3, 2, 2)
    x = torch.randn(1, 3, 2, 2)
    expected = torch.nn.functional.conv2d(
        x, public["pos_embed.proj.weight"], public["pos_embed.proj.bias"]
    )
    cells = x.permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close(model.patch_in(cells), expected.flatten(1))


def test_rotated_rows_put_the_first_halves_of_all_axes_first():
    assert axis_order((4, 2), 12).tolist() == [0, 1, 4, 2, 3, 5, 6, 7, 10, 8, 9, 11]


def test_the_sparse_blocks_are_the_references_whatever_the_number_of_layers():
    config = denoiser_config({**PUBLIC, "num_layers": 33})
    found = [config.grouping(layer) for layer in (1, 2, 3, 29, 30, 32)]
    assert found == [Full(), SingleSkip(2), GroupSkip(2), GroupSkip(2), Full(), Full()]
    dense = denoiser_config({**PUBLIC, "sparse1d": False, "sparse_n": 1})
    assert {dense.grouping(layer) for layer in range(3)} == {Full()}


def test_a_config_may_scale_positions_and_leave_the_output_channels_out():
    config = denoiser_config({**PUBLIC, "interpolation_scale_h": 2.0})
    assert config.units == (1.0, 2.0, 1.0)
    assert config.out_channels == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_fn": "geglu"}, "expected 'gelu-approximate'"),
        ({"norm_elementwise_affine": True}, "expected False"),
        ({"patch_size_t": 2}, "expected 1"),
        ({"cross_attention_dim": 10}, "expected the width 12"),
    ],
)
def test_what_no_published_model_has_is_refused(change, message):
    with pytest.raises(CheckpointError, match=message):
        denoiser_config({**PUBLIC, **change})
