"""Schedules fall from 1 to 0, shifts move towards noise, distributions are what they say."""

import math

import pytest
import torch

from kineograph.diffusion.times import (
    ConstantShift,
    Even,
    Geometric,
    LinearQuadratic,
    Listed,
    LogitNormal,
    Powers,
    RatioShift,
    Respaced,
    TokenShift,
    Uniform,
    next_level,
    shifted,
)
from kineograph.errors import ConfigError
from kineograph.types import Grid, seeded

GRID = Grid(5, 8, 8)
SCHEDULES = [
    Even(),
    Even(shift=ConstantShift(factor=3.0)),
    Even(shift=TokenShift(), terminal=0.1),
    LinearQuadratic(),
    LinearQuadratic(shift=RatioShift(base=100), terminal=0.05),
    Respaced(between=Even(terminal=0.1)),
    Respaced(between=LinearQuadratic(), rule=Powers()),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 7, 40])
def test_a_schedule_falls_from_one_to_zero(schedule, steps):
    times = schedule(steps, GRID)
    assert times.shape == (steps + 1,)
    assert times[0] == 1.0 and times[-1] == 0.0
    assert (times.diff() < 0).all()


def test_the_last_time_before_zero_is_the_terminal_one():
    assert Even(terminal=0.1)(9, GRID)[-2] == pytest.approx(0.1)


def test_a_list_of_times_refuses_another_number_of_steps():
    assert Listed(times=(1.0, 0.5))(2, GRID).tolist() == [1.0, 0.5, 0.0]
    with pytest.raises(ConfigError, match="expected 2"):
        Listed(times=(1.0, 0.5))(3, GRID)


def test_a_larger_clip_gets_noisier_times():
    small, large = Even(shift=TokenShift())(5, GRID), Even(shift=TokenShift())(5, Grid(9, 32, 32))
    assert (large[1:-1] > small[1:-1]).all()


def test_shifts_compose_by_multiplying_factors():
    time = torch.linspace(0, 1, 7)
    torch.testing.assert_close(shifted(shifted(time, 2.0), 3.0), shifted(time, 6.0))


def test_logit_normal_and_uniform_have_their_moments():
    draws = seeded([0] * 1)
    many = lambda shape: draws((1, 20000))[0]  # noqa: E731
    uniform = Uniform().sample(20000, many, GRID)
    assert uniform.mean() == pytest.approx(0.5, abs=0.02)
    assert uniform.var() == pytest.approx(1 / 12, abs=0.005)
    odds = torch.logit(LogitNormal(mean=0.5, std=2.0).sample(20000, many, GRID))
    assert odds.mean() == pytest.approx(0.5, abs=0.05)
    assert odds.std() == pytest.approx(2.0, abs=0.05)


def test_a_shift_adds_its_logarithm_to_the_odds_of_training_times():
    shift = ConstantShift(factor=2.0)
    plain, moved = LogitNormal(), LogitNormal(shift=shift)
    time = [times.sample(3, seeded([1, 2, 3]), GRID) for times in (plain, moved)]
    torch.testing.assert_close(torch.logit(time[1]), torch.logit(time[0]) + math.log(2.0))


def test_the_next_level_is_the_largest_one_below():
    levels = torch.tensor([1.0, 0.6, 0.2, 0.0])
    time = torch.tensor([[1.0, 0.6, 0.5], [0.2, 0.1, 0.0]])
    expected = torch.tensor([[0.6, 0.2, 0.2], [0.0, 0.0, 0.0]])
    assert torch.equal(next_level(time, levels), expected)
    assert torch.equal(next_level(time, levels[:-1]), expected)


@pytest.mark.parametrize("rule", [Geometric(), Powers(), Powers(rho=1.0)], ids=str)
def test_respacing_keeps_both_ends(rule):
    even = Even(shift=TokenShift(), terminal=0.1)
    found, plain = Respaced(between=even, rule=rule)(8, GRID), even(8, GRID)
    assert found.shape == plain.shape
    torch.testing.assert_close(found[[0, -2, -1]], plain[[0, -2, -1]])
    assert bool((found.diff() < 0).all())


def test_geometric_times_are_shares_and_powers_have_even_roots():
    shares = Respaced(between=Even(terminal=0.1))(6, GRID)[:-1]
    ratio = shares[1:] / shares[:-1]
    torch.testing.assert_close(ratio, ratio[:1].expand(5))
    roots = Respaced(between=Even(terminal=0.1), rule=Powers(rho=3.0))(6, GRID)[:-1] ** (1 / 3)
    torch.testing.assert_close(roots.diff(), roots.diff()[:1].expand(5))
