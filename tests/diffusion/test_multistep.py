"""The sampler with a memory: its order, its first and last step, cells with times of their own."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.injections import HeldFrames
from kineograph.diffusion.guidance import Off
from kineograph.diffusion.multistep import Multistep
from kineograph.diffusion.noise_table import NoiseTable
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler, Heun
from kineograph.diffusion.sampling import History, Look, sample
from kineograph.types import (
    Condition,
    Denoiser,
    Estimate,
    Known,
    Path,
    Sampler,
    Seen,
    Step,
    TextEmbedding,
    seeded,
)

SHAPE = (2, 1, 2, 3, 3)
SPREAD = 0.5
FLOW, TABLE = RectifiedFlow(), NoiseTable()


def start() -> Tensor:
    return seeded([1, 2])(SHAPE).double()


def total(path: Path, time: Tensor) -> Tensor:
    """The variance at a time of a world whose data is normal with deviation `SPREAD`."""
    c = path.at(time)
    return (c.alpha * SPREAD) ** 2 + c.sigma**2


def normal_world(path: Path, x: Tensor, step: Step) -> Estimate:
    """There the best guess is linear in x."""
    c = path.at(step.time)
    share = x / total(path, step.time)
    return Estimate(c.alpha * SPREAD**2 * share, c.sigma * share)


def run(sampler: Sampler, path: Path, times: Tensor) -> Tensor:
    """Through times (S + 1,) or (S + 1, ...), as the library's loop does it."""
    history = History(partial(normal_world, path))
    x, count = start(), len(times) - 1
    for index in range(count):
        step = Step(index, count, times[index], times[index + 1], history.turn())
        moved = sampler(x, history, step, path, seeded([5, 6]))
        x = torch.where(step.next == step.time, x, moved)
    return x


def even(first: float, last: float, steps: int) -> Tensor:
    return torch.linspace(first, last, steps + 1, dtype=torch.float64)


@pytest.mark.parametrize("path", [FLOW, TABLE, NoiseTable(terminal=True)], ids=repr)
@pytest.mark.parametrize("first", [0.9, 1.0])
def test_it_is_of_second_order(path, first):
    times = even(first, 0.3, 1)
    exact = (total(path, times[1]) / total(path, times[0])).sqrt() * start()

    def errors(sampler: Sampler) -> list[Tensor]:
        found = [run(sampler, path, even(first, 0.3, steps)) for steps in (32, 64, 128)]
        return [(one - exact).norm() for one in found]

    multistep, euler = errors(Multistep()), errors(Euler())
    for coarse, fine in pairwise(multistep):
        assert torch.log2(coarse / fine) == pytest.approx(2, abs=0.2)
    assert torch.log2(euler[1] / euler[2]) == pytest.approx(1, abs=0.1)
    assert multistep[-1] < 0.05 * euler[-1]


@pytest.mark.parametrize("path", [FLOW, TABLE], ids=repr)
def test_a_whole_way_ends_nearer_to_the_truth_than_eulers(path):
    exact = SPREAD * start() / total(path, torch.ones(()).double()).sqrt()
    errors = [(run(one, path, even(1, 0, 50)) - exact).norm() for one in (Multistep(), Euler())]
    assert errors[0] < 0.4 * errors[1]


@pytest.mark.parametrize("path", [FLOW, RectifiedFlow(least=1e-5), TABLE], ids=repr)
def test_one_step_is_eulers_bit_for_bit(path):
    assert torch.equal(run(Multistep(), path, even(1, 0, 1)), run(Euler(), path, even(1, 0, 1)))


def test_a_step_is_the_published_one():
    times = even(0.9, 0.3, 2)
    found = run(Multistep(), TABLE, times)

    was, now, then = (TABLE.at(time) for time in times)
    first = normal_world(TABLE, start(), Step(0, 2, times[0], times[1])).data
    ratio = now.sigma / was.sigma
    x = ratio * start() + (now.alpha - was.alpha * ratio) * first
    second = normal_world(TABLE, x, Step(1, 2, times[1], times[2])).data
    lam = [(c.alpha / c.sigma).log() for c in (was, now, then)]
    h = lam[2] - lam[1]
    r = (lam[1] - lam[0]) / h
    line = (1 + 1 / (2 * r)) * second - 1 / (2 * r) * first
    wanted = then.sigma / now.sigma * x - then.alpha * (torch.exp(-h) - 1) * line
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("path", [FLOW, RectifiedFlow(least=1e-5), TABLE], ids=repr)
@pytest.mark.parametrize("steps", [2, 3, 20])
def test_the_way_from_pure_noise_to_time_zero_is_finite(path, steps):
    found = run(Multistep(), path, even(1, 0, steps))
    assert found.isfinite().all()
    assert found.abs().max() < start().abs().max()


@pytest.mark.parametrize("path", [FLOW, TABLE], ids=repr)
def test_cells_go_their_own_way_through_their_own_times(path):
    """Three kinds of frame: one moves, one waits for the others, one is held from the start."""
    moving = torch.tensor([1.0, 0.8, 0.6, 0.3, 0.0], dtype=torch.float64)
    waiting = torch.tensor([0.6, 0.6, 0.6, 0.3, 0.0], dtype=torch.float64)
    for other in (waiting, torch.zeros_like(moving)):
        both = torch.stack((moving, other), 1).view(5, 1, 1, 2, 1, 1)
        found = run(Multistep(), path, both)
        torch.testing.assert_close(found[:, :, 0], run(Multistep(), path, moving)[:, :, 0])
        torch.testing.assert_close(found[:, :, 1], run(Multistep(), path, other)[:, :, 1])
    late = run(Multistep(), path, waiting)
    torch.testing.assert_close(late, run(Multistep(), path, waiting[2:]))


def test_a_cell_that_has_become_noisier_does_not_look_back():
    """Held frames may join the others: their last estimate is from a time behind them."""
    before = Seen(torch.zeros(()).double(), torch.full(SHAPE, 9.0).double())
    step = Step(1, 3, torch.tensor(0.6).double(), torch.tensor(0.3).double(), before)
    look = partial(normal_world, FLOW)
    found = Multistep()(start(), look, step, FLOW, seeded([1, 2]))
    assert torch.equal(found, Euler()(start(), look, step, FLOW, seeded([1, 2])))


class Linear:
    """A denoiser that says the velocity of the normal world."""

    clock = "token"

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        seen = normal_world(FLOW, x, Step(0, 1, time, time))
        return seen.noise - seen.data


def look(denoiser: Denoiser, known: Known | None) -> Look:
    text = TextEmbedding(torch.zeros(2, 1, 1))
    process = Process(path=FLOW, prediction=Velocity(), injection=HeldFrames())
    return Look(
        denoiser=denoiser,
        process=process,
        guidance=Off(),
        condition=Condition(text, known),
        empty=text,
    )


def test_the_loop_gives_it_the_step_before_and_nothing_of_another_run():
    times = even(1, 0, 12)
    found = [
        sample(look(Linear(), None), Multistep(), start(), times, seeded([3, 4])) for _ in "ab"
    ]
    torch.testing.assert_close(found[0], run(Multistep(), FLOW, times))
    assert torch.equal(*found)
    eulers = sample(look(Linear(), None), Euler(), start(), times, seeded([3, 4]))
    assert (found[0] - SPREAD * start()).norm() < 0.3 * (eulers - SPREAD * start()).norm()


def test_given_frames_come_out_bit_for_bit():
    strength = torch.zeros(2, 1, 2, 3, 3).double()
    strength[:, :, 0] = 1.0
    latents = start() * strength
    known = Known(latents, strength)
    found = sample(look(Linear(), known), Multistep(), start(), even(1, 0, 5), seeded([3, 4]))
    assert torch.equal(found[:, :, 0], latents[:, :, 0])
    assert found.isfinite().all()


def test_the_history_keeps_the_first_look_of_a_step():
    seen = []

    class Spy(Heun):
        def __call__(self, x, estimate, step, path, draws):
            seen.append(step.before)
            return super().__call__(x, estimate, step, path, draws)

    run(Spy(), FLOW, even(1, 0, 3))
    assert seen[0] is None
    assert [round(float(one.time), 4) for one in seen[1:]] == [1.0, 0.6667]
