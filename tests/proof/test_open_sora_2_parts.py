"""What the proof of Open-Sora 2.0 is made of: public tokens, modes, and an eye for mistakes."""

from pathlib import Path

import pytest
import torch

from kineograph.proof.open_sora_2 import inward, outward, pack, unpack
from kineograph.proof.open_sora_2_sampling import sampling
from kineograph.proof.open_sora_2_training import given_frames, objective
from kineograph.proof.vector import read_vector

GOLDEN = Path(__file__).parent.parent / "golden" / "open_sora_2"


@pytest.mark.parametrize("patch", [1, 2])
def test_public_tokens_and_ours_are_the_same_cells(patch):
    x = torch.arange(2 * 3 * 2 * 4 * 6.0).view(2, 3, 2, 4, 6)
    public = pack(x, patch)
    assert torch.equal(unpack(public, patch, x), x)
    assert torch.equal(outward(inward(public, patch), patch), public)
    assert public[0, 0, patch**2] == x[0, 1, 0, 0, 0]  # the next channel after all cells of one
    assert inward(public, patch)[0, 0, 1] == x[0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("mode", "causal", "frames"),
    [
        ("t2v", True, (0, 0)),
        ("i2v_head", True, (1, 0)),
        ("i2v_tail", False, (0, 1)),
        ("i2v_loop", True, (1, 1)),
        ("v2v_head", True, (33, 0)),
        ("v2v_tail", False, (0, 32)),
        ("v2v_head_easy", True, (65, 0)),
        ("v2v_tail_easy", False, (0, 64)),
    ],
)
def test_a_mode_says_how_many_frames_are_given(mode, causal, frames):
    assert given_frames(mode, 4, causal) == frames


def relative(ours, reference):
    return float((ours - reference).norm() / reference.norm())


@torch.no_grad()
@pytest.mark.parametrize("key", ["text_osci", "image_osci", "scale_temporal_osci"])
def test_each_part_of_the_guidance_is_seen_in_the_result(key):
    vector = read_vector(GOLDEN / "sampling.i2v_loop.json")
    config = vector.meta["config"]
    config[key] = not config[key]
    assert relative(sampling(vector).outputs["latent"], vector.outputs["latent"]) > 1e-2


@torch.no_grad()
def test_a_reference_that_is_missing_is_seen_in_its_own_sample_only():
    vector = read_vector(GOLDEN / "sampling.i2v_loop.json")
    del vector.inputs["ref_1_0"], vector.inputs["ref_1_1"]
    found, stored = sampling(vector).outputs["latent"], vector.outputs["latent"]
    assert relative(found[0], stored[0]) < 1e-4
    assert relative(found[1], stored[1]) > 1e-2


def test_a_wrong_least_noise_is_seen_in_what_the_denoiser_sees():
    vector = read_vector(GOLDEN / "training.objective.json")
    vector.meta["config"]["sigma_min"] = 0.1
    found, stored = objective(vector).outputs, vector.outputs
    assert relative(found["t"], stored["t"]) < 1e-6
    for name in ("x_t_packed", "target_packed"):
        assert relative(found[name], stored[name]) > 1e-3
