"""Samplers against worlds whose answer is known."""

from functools import partial

import pytest
import torch
from torch import Tensor

from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.samplers import Ancestral, Euler, Heun, Renoise
from kineograph.types import Estimate, Step, seeded

SHAPE = (2, 1, 2, 3, 3)
SAMPLERS = [Euler(), Heun(), Ancestral(), Ancestral(eta=0.3), Renoise()]


def run(sampler, estimate, start: Tensor, steps: int) -> Tensor:
    """From time 1 to 0 in even steps, in double precision."""
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    draws = seeded([5, 6])
    x = start
    for index in range(steps):
        step = Step(index, steps, times[index], times[index + 1])
        x = sampler(x, estimate, step, RectifiedFlow(), draws)
    return x


def start() -> Tensor:
    return seeded([1, 2])(SHAPE).double()


def one_point(point: Tensor, x: Tensor, step: Step) -> Estimate:
    """The world holds one point: the data is known, and the path straight."""
    noise = (x - (1 - step.time) * point) / step.time.clamp_min(1e-12)
    return Estimate(point.expand_as(x), noise)


def normal_world(spread: float, x: Tensor, step: Step) -> Estimate:
    """Data is normal with standard deviation `spread`: the best guess is linear in x."""
    t = step.time
    total = (1 - t) ** 2 * spread**2 + t**2
    return Estimate((1 - t) * spread**2 / total * x, t / total * x)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=repr)
@pytest.mark.parametrize("steps", [1, 3])
def test_every_sampler_is_exact_on_a_straight_path(sampler, steps):
    point = torch.full(SHAPE, 0.7, dtype=torch.float64)
    found = run(sampler, partial(one_point, point), start(), steps)
    torch.testing.assert_close(found, point)


@pytest.mark.parametrize(("sampler", "order"), [(Euler(), 1), (Heun(), 2)], ids=["euler", "heun"])
def test_the_error_falls_with_the_order_of_the_sampler(sampler, order):
    exact = 0.5 * start()  # the flow carries N(0, 1) to N(0, 0.5^2), a pure scaling
    errors = [
        (run(sampler, partial(normal_world, 0.5), start(), steps) - exact).norm()
        for steps in (16, 32)
    ]
    # Heun's last step is Euler's, whose local error is of second order as well.
    assert torch.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("sampler", [Ancestral(), Ancestral(eta=0.5)], ids=repr)
def test_fresh_noise_keeps_the_distribution(sampler):
    make = torch.Generator().manual_seed(0)
    x = torch.randn(2, 20000, generator=make, dtype=torch.float64)
    found = run(sampler, partial(normal_world, 0.5), x, 256)
    assert found.std() == pytest.approx(0.5, abs=0.02)


def test_without_fresh_noise_an_ancestral_step_is_eulers():
    world = partial(normal_world, 0.5)
    torch.testing.assert_close(
        run(Ancestral(eta=0.0), world, start(), 5), run(Euler(), world, start(), 5)
    )


def test_heun_does_not_take_its_second_look_from_moved_held_frames():
    seen = []

    def look(x: Tensor, step: Step) -> Estimate:
        seen.append(x)
        return normal_world(0.5, x, step)

    time = torch.full(SHAPE, 0.8, dtype=torch.float64)
    time[:, :, 0] = 0.0
    following = torch.where(time > 0, 0.4, 0.0)
    Heun()(start(), look, Step(0, 2, time, following), RectifiedFlow(), seeded([5, 6]))
    assert torch.equal(seen[1][:, :, 0], start()[:, :, 0])
