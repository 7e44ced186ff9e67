"""What the proofs of Open-Sora Plan do beyond calling our parts is right by itself."""

from pathlib import Path

import pytest
import torch

from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.proof.open_sora_plan_denoiser import collided, known, time
from kineograph.proof.open_sora_plan_scheduler import sampled_path, sampler, times
from kineograph.proof.open_sora_plan_skiparse import blocks, small_numbers
from kineograph.proof.open_sora_plan_trajectory import covered, limited
from kineograph.proof.vector import Vector
from kineograph.types import Estimate, Step, seeded

STRIPES = torch.arange(12, dtype=torch.uint8).view(1, 12, 1).expand(6, 12, 3) * 20


def test_axes_of_one_length_share_the_first_ones_unit():
    config = SkiparseConfig(units=(1.5, 2.0, 0.5))
    assert collided(config, (3, 10, 14)).units == (1.5, 2.0, 0.5)
    assert collided(config, (3, 6, 14)).units == (1.5, 1.5, 0.5)
    assert collided(config, (3, 10, 10)).units == (1.5, 2.0, 2.0)


def test_entries_of_the_noise_table_come_back_exactly():
    entries = torch.arange(1000)
    assert torch.equal((time(entries).flatten() * 1000 - 1).float(), entries.float())


def test_stored_channels_are_latents_and_a_mask_of_what_is_missing():
    channels = torch.arange(10.0).view(1, 10, 1, 1, 1)
    found = known(channels, 3)
    assert found.latents.flatten().tolist() == [3.0, 4.0, 5.0]
    assert found.strength.flatten().tolist() == [-5.0, -6.0, -7.0, -8.0]


def test_the_sampled_table_keeps_a_trace_of_signal():
    def last(config, rule):
        return float(sampled_path(config, rule).signal()[-1])

    assert last({"rescale_betas_zero_snr": True}, "EulerAncestralDiscrete") == 2.0**-24
    assert last({"rescale_betas_zero_snr": True}, "DDIM") == 0.0
    assert last({}, "EulerAncestralDiscrete") == pytest.approx(4.0358e-5, rel=1e-3)


def test_steps_lead_or_trail():
    trailing = times({"timestep_spacing": "trailing"}, 3) * 1000 - 1
    assert trailing.round().tolist() == [999.0, 666.0, 332.0, -1.0]
    assert (times({}, 2) * 1000 - 1).round().tolist() == [500.0, 0.0, -1.0]


@pytest.mark.parametrize("size", [(4, 4), (3, 9), (12, 2)])
def test_a_picture_is_cut_to_the_wanted_shape_and_resized(size):
    assert covered(STRIPES, *size).shape == (*size, 3)


def test_a_cut_picture_keeps_its_middle():
    assert covered(STRIPES, 6, 6)[0, :, 0].tolist() == [60, 80, 100, 120, 140, 160]


def test_a_picture_is_limited_in_area_and_cut_to_strides():
    assert limited(STRIPES, 1000, 4).shape == (4, 12, 3)
    assert limited(STRIPES, 32, 4).shape == (4, 8, 3)


def block_vector(name, tag, **meta):
    """A vector of one block with random weights, and what it does not say about masks."""
    torch.manual_seed(0)
    inputs = {
        "tokens": torch.randn(2, 24, 12),
        "context": torch.randn(2, 3, 12),
        "context_valid": torch.ones(2, 3),
        "modulation6": torch.randn(6, 2, 12),
    }
    state = {"scale_shift_table": torch.randn(6, 12)}
    for attention in ("attn1", "attn2"):
        for layer in ("to_q", "to_k", "to_v", "to_out.0"):
            state[f"{attention}.{layer}.weight"] = torch.randn(12, 12) / 4
            state[f"{attention}.{layer}.bias"] = torch.randn(12) / 4
    for layer, shape in (("net.0.proj", (48, 12)), ("net.2", (12, 48))):
        state[f"ff.{layer}.weight"] = torch.randn(shape) / 4
        state[f"ff.{layer}.bias"] = torch.randn(shape[0]) / 4
    return Vector(
        name=name,
        kind=f"open_sora_plan/{name}",
        path=Path(name),
        meta={"config": {"heads": 2, "head_dim": 6}, **meta},
        state={f"{tag}.{key}": tensor for key, tensor in state.items()},
        inputs={f"{tag}/{key}": tensor for key, tensor in inputs.items()},
    )


def test_a_block_that_skips_by_one_is_dense():
    sizes = {"T": 2, "H": 3, "W": 4}
    found = []
    for k, group in ((1, False), (1, True), (2, False)):
        case = {"tag": "one", "k": k, "group": group, **sizes}
        found.append(blocks(block_vector("skiparse/blocks", "one", cases=[case])).outputs["one"])
    torch.testing.assert_close(found[0], found[1])
    assert not torch.allclose(found[0], found[2], atol=1e-3)


def test_a_blocks_weights_come_back():
    case = {"tag": "one", "k": 2, "group": True, "T": 2, "H": 3, "W": 4}
    vector = block_vector("skiparse/blocks", "one", cases=[case])
    dumped = blocks(vector).dumped
    assert dumped is not None
    assert dumped.keys() == vector.state.keys()
    assert all(torch.equal(dumped[name], tensor) for name, tensor in vector.state.items())


def test_small_numbers_need_all_three_blocks():
    sizes = {"heads": 2, "head_dim": 6, "k": 2, "T": 2, "H": 3, "W": 4}
    with pytest.raises(Exception, match="block_single_tiny"):
        small_numbers(block_vector("epsilon", "block_dense_tiny", config=sizes))


def test_ddim_goes_on_by_whole_entries_and_stops_at_the_data():
    path = sampled_path({}, "DDIM")
    x = torch.randn(1, 1, 1, 2, 2, dtype=torch.float64)
    seen = []

    def look(x, step):
        seen.append(step.next)
        return Estimate(x, x)

    move = sampler({}, "DDIM", 3)
    for now in (0.667, 0.1):
        move(x, look, Step(0, 3, torch.tensor(now), torch.tensor(0.5)), path, seeded([0]))
    assert [float(then) for then in seen] == pytest.approx([0.334, 0.0])
