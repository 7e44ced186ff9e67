"""A path begins at the data, ends at the noise, and knows its own slope."""

import pytest
import torch

from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.times import AreaShift
from kineograph.types import Grid


@pytest.mark.parametrize("least", [0.0, 1e-5, 0.1])
def test_the_straight_line_goes_from_data_to_noise(least):
    ends = RectifiedFlow(least=least).at(torch.tensor([0.0, 1.0]))
    assert ends.alpha.tolist() == [1.0, 0.0]
    assert ends.sigma.tolist() == pytest.approx([least, 1.0])


@pytest.mark.parametrize("least", [0.0, 0.1])
def test_derivatives_are_those_of_the_coefficients(least):
    time = torch.tensor([0.2, 0.7], dtype=torch.float64, requires_grad=True)
    c = RectifiedFlow(least=least).at(time)
    for value, slope in ((c.alpha, c.d_alpha), (c.sigma, c.d_sigma)):
        (found,) = torch.autograd.grad(value.sum(), time, retain_graph=True)
        torch.testing.assert_close(found, slope.detach())


def test_larger_frames_and_longer_clips_are_shifted_further():
    shift = AreaShift()
    assert shift.of(Grid(1, 32, 32)) == 1.0
    assert shift.of(Grid(4, 32, 32)) == 2.0
    assert shift.of(Grid(1, 128, 128)) == 3.0
    assert shift.of(Grid(33, 24, 42)) == pytest.approx(5.732594807691075)
    assert AreaShift(cells=1).of(Grid(1, 16, 16)) == 1.0
