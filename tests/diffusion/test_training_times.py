"""The distributions of LTX-Video's training times are what their densities say."""

import pytest
import torch

from kineograph.diffusion.times import HeldTails, LogitNormal, Stretched, TokenShift
from kineograph.types import Draws, Grid

GRIDS = [Grid(1, 32, 32), Grid(9, 16, 16)]
COUNT = 20_000


def ranks() -> Draws:
    """Normal numbers of evenly spaced ranks, so that a sample is its distribution."""

    def draw(shape: tuple[int, ...]) -> torch.Tensor:
        even = (torch.arange(shape[0], dtype=torch.float64) + 0.5) / shape[0]
        return torch.special.ndtri(even)

    return draw


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("distribution", [HeldTails(), HeldTails(low=-1.0, high=1.0)], ids=repr)
def test_held_times_follow_their_density(distribution, grid):
    time = distribution.sample(COUNT, ranks(), grid).double()
    edges = torch.linspace(0.0, 1.0, 41, dtype=torch.float64)
    share = torch.histc(time, 40, 0.0, 1.0) / COUNT
    fine = torch.linspace(0.0, 1.0, 40_001, dtype=torch.float64)
    density = distribution.density(fine, grid)
    mass = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(density, fine)])[::1000].diff()
    assert len(mass) == len(edges) - 1
    torch.testing.assert_close(share, mass / mass.sum(), rtol=0.0, atol=5e-4)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_held_times_leave_no_time_out(grid):
    time = HeldTails().sample(COUNT, ranks(), grid)
    assert (time.diff() > -1e-7).all()
    assert time.min() < 0.01 and time.max() > 0.999
    assert HeldTails().density(torch.tensor(0.001), grid) == HeldTails().density(
        torch.tensor(0.0), grid
    )


def test_held_times_are_the_free_ones_between_the_percentiles():
    free = LogitNormal(shift=TokenShift()).sample(COUNT, ranks(), GRIDS[0])
    held = HeldTails().sample(COUNT, ranks(), GRIDS[0])
    inside = slice(COUNT // 10, 9 * COUNT // 10)
    torch.testing.assert_close(held[inside].double(), free[inside].double(), rtol=0.05, atol=0.0)


def test_stretched_times_reach_one_and_stay_above_nought():
    time = Stretched(uniform=0.0).sample(COUNT, ranks(), GRIDS[0])
    assert time.max() == 1.0
    assert time.min() >= 0.0


def test_a_share_of_the_stretched_times_is_uniform():
    generator = torch.Generator().manual_seed(0)
    few = Stretched(uniform=0.5).sample(
        COUNT, lambda shape: torch.randn(shape, generator=generator), GRIDS[0]
    )
    assert abs((few < 0.1).float().mean() - 0.05) < 0.01  # hardly any of the others is there
