"""An output passes when it is the reference's output, and only then."""

import pytest
import torch

from kineograph.errors import CheckpointError
from kineograph.proof.compare import check, same_state, tolerance

REFERENCE = torch.linspace(-1, 1, 1000)


def off_by(relative: float) -> torch.Tensor:
    return REFERENCE * (1 + relative)


def test_floats_pass_below_the_tolerance_and_fail_above():
    assert check("x", off_by(0.9e-4), REFERENCE, 1e-4).passed
    assert not check("x", off_by(1.1e-4), REFERENCE, 1e-4).passed


def test_the_errors_are_the_ones_named():
    found = check("x", torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0]), 1e-4)
    assert found.largest == pytest.approx(0.5)
    assert found.relative == pytest.approx(0.5 / 5)


def test_a_reference_near_zero_counts_as_a_thousandth_per_number():
    nothing = torch.zeros(10_000)
    assert check("x", nothing + 0.9e-7, nothing, 1e-4).passed
    assert not check("x", nothing + 1.1e-7, nothing, 1e-4).passed


def test_floats_of_another_precision_may_be_compared():
    assert check("x", REFERENCE.float(), REFERENCE.double(), 1e-4).passed


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8])
def test_integers_and_masks_must_be_equal(dtype):
    reference = torch.tensor([0, 1, 1, 0] * 100).to(dtype)
    wrong = reference.clone()
    wrong[3] = 1
    assert check("x", reference.clone(), reference, 1e-4).passed
    assert not check("x", wrong, reference, 1e-4).passed


def test_pictures_may_be_one_level_apart_in_one_value_of_a_hundred():
    reference = torch.arange(200, dtype=torch.uint8)
    near, far, many = reference.clone(), reference.clone(), reference.clone()
    near[:2] += 1
    far[0] += 2
    many[:3] += 1
    assert check("x", near, reference, 1e-4).passed
    assert not check("x", far, reference, 1e-4).passed
    assert not check("x", many, reference, 1e-4).passed


def test_nan_must_lie_where_the_reference_has_it():
    reference = REFERENCE.clone()
    reference[5] = torch.nan
    moved = REFERENCE.clone()
    moved[6] = torch.nan
    assert check("x", reference.clone(), reference, 1e-4).passed
    assert not check("x", moved, reference, 1e-4).passed
    assert "NaN" in check("x", reference, REFERENCE, 1e-4).reason


def test_infinities_must_be_the_same():
    reference = torch.tensor([1.0, torch.inf, -torch.inf])
    assert check("x", reference.clone(), reference, 1e-4).passed
    assert not check("x", reference.abs(), reference, 1e-4).passed
    assert not check("x", torch.ones(3), reference, 1e-4).passed


def test_another_shape_fails_even_if_it_would_broadcast():
    found = check("x", torch.ones(3, 1), torch.ones(1, 3), 1e-4)
    assert not found.passed
    assert found.reason == "shape 3x1, expected 1x3"


@pytest.mark.parametrize("ours", [torch.float32, torch.bool, torch.uint8])
def test_another_kind_of_numbers_fails(ours):
    found = check("x", torch.ones(3).to(ours), torch.ones(3, dtype=torch.int64), 1e-4)
    assert not found.passed
    assert "expected int64" in found.reason


def test_empty_and_scalar_tensors_can_pass():
    assert check("x", torch.empty(0, 3), torch.empty(0, 3), 1e-4).passed
    assert check("x", torch.tensor(2.0), torch.tensor(2.0), 1e-4).passed


@pytest.mark.parametrize(
    ("kind", "name", "allowed"),
    [
        ("ltx_video/transformer", "sample", 1e-4),
        ("ltx_video/pipeline/original", "latents", 1e-3),
        ("open_sora_plan/trajectory", "latents", 1e-3),
        ("open_sora_2/sampling", "latents", 1e-3),
        ("stiv/sampling_toy", "x", 1e-3),
        ("open_sora_2/training/objective", "grad/img_in.weight", 1e-3),
        ("open_sora_plan/wfvae/loss", "grad_last_layer", 1e-3),
        ("ltx_video/scheduler/timesteps", "sd3/257x704x1216/steps8", 5e-4),
        ("ltx_video/scheduler/timesteps", "sd3/121x512x768/steps8", 1e-4),
        ("ltx_video/scheduler/shift_functions", "time_shift_n27588", 5e-4),
    ],
)
def test_the_tolerance_follows_the_kind_and_the_name(kind, name, allowed):
    assert tolerance(kind, {}, name) == allowed


def test_the_stated_tolerance_comes_first():
    assert tolerance("a/pipeline", {"tolerance": 0.5}, "x") == 0.5
    table = {"tolerance": {"loss*": 0.25}}
    assert tolerance("a/b", table, "loss_total") == 0.25
    assert tolerance("a/b", table, "x") == 1e-4
    with pytest.raises(CheckpointError, match="'tight'; expected a number"):
        tolerance("a/b", {"tolerance": "tight"}, "x")


def test_a_state_is_the_same_only_bit_for_bit():
    state = {"a": torch.tensor([0.0, torch.nan]), "b": torch.ones(2, dtype=torch.bfloat16)}
    assert same_state({name: tensor.clone() for name, tensor in state.items()}, state) == []
    assert same_state(state | {"a": torch.tensor([-0.0, torch.nan])}, state) == ["other values: a"]
    assert same_state(state | {"b": torch.ones(2)}, state) == ["other dtype: b"]
    assert same_state(state | {"a": torch.zeros(2, 1)}, state) == ["other shape: a"]
    assert same_state({"a": state["a"]}, state) == ["missing b"]
    assert same_state(state | {"c": torch.ones(1)}, state) == ["unexpected c"]
