"""Target and split are each other's inverse, and the velocity is the path's slope."""

import pytest
import torch
from torch import Tensor

from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Data, Noise, V, Velocity
from kineograph.types import Coefficients, Prediction

PREDICTIONS: list[Prediction] = [Velocity(), Noise(), Data(), V()]


def pair() -> tuple[Tensor, Tensor]:
    make = torch.Generator().manual_seed(0)
    shape = (2, 3, 2, 4, 4)
    return (
        torch.randn(shape, generator=make, dtype=torch.float64),
        torch.randn(shape, generator=make, dtype=torch.float64),
    )


def circle(time: Tensor) -> Coefficients:
    """A variance-preserving path, so that nothing rests on straightness."""
    turn = torch.pi / 2
    sin, cos = torch.sin(turn * time), torch.cos(turn * time)
    return Coefficients(cos, sin, -turn * sin, turn * cos)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: p.kind)
@pytest.mark.parametrize("at", [RectifiedFlow().at, circle], ids=["straight", "circle"])
def test_split_finds_the_data_and_noise_of_a_perfect_output(prediction, at):
    data, noise = pair()
    c = at(torch.tensor([0.2, 0.9], dtype=torch.float64).view(2, 1, 1, 1, 1))
    x = c.alpha * data + c.sigma * noise
    estimate = prediction.split(prediction.target(data, noise, c), x, c)
    torch.testing.assert_close(estimate.data, data)
    torch.testing.assert_close(estimate.noise, noise)


@pytest.mark.parametrize("at", [RectifiedFlow().at, circle], ids=["straight", "circle"])
def test_velocity_is_the_slope_of_the_path(at):
    data, noise = pair()
    time, small = torch.tensor(0.4, dtype=torch.float64), 1e-5
    late, early = at(time + small), at(time - small)
    rise = (late.alpha - early.alpha) * data + (late.sigma - early.sigma) * noise
    torch.testing.assert_close(Velocity().target(data, noise, at(time)), rise / (2 * small))


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: p.kind)
@pytest.mark.parametrize("time", [0.0, 1.0])
def test_both_ends_of_the_path_stay_finite(prediction, time):
    data, noise = pair()
    c = RectifiedFlow().at(torch.tensor(time, dtype=torch.float64))
    x = c.alpha * data + c.sigma * noise
    estimate = prediction.split(prediction.target(data, noise, c), x, c)
    assert torch.isfinite(estimate.data).all() and torch.isfinite(estimate.noise).all()
