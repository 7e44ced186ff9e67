"""The noise table goes from data to noise, and its steps meet its entries."""

import math

import pytest
import torch

from kineograph.diffusion.noise_table import Leading, NoiseTable, Squares, Stratified, Trailing
from kineograph.diffusion.prediction import V, Velocity
from kineograph.diffusion.samplers import Ancestral, Euler
from kineograph.diffusion.times import Even
from kineograph.types import Grid, Step, replayed, seeded

GRID = Grid(1, 1, 1)


def normals(*uniform):
    """The normal numbers that become these uniform ones."""
    return torch.special.ndtri(torch.tensor(uniform, dtype=torch.float64))


@pytest.mark.parametrize("terminal", [True, False])
def test_variance_is_preserved(terminal):
    c = NoiseTable(terminal=terminal).at(torch.linspace(0, 1, 301))
    torch.testing.assert_close(c.alpha.square() + c.sigma.square(), torch.ones(301))
    assert bool((c.alpha.diff() < 0).all())


def test_it_goes_from_data_to_pure_noise():
    c = NoiseTable().at(torch.tensor([0.0, 1.0]))
    assert c.alpha.tolist() == [1.0, 0.0]
    assert c.sigma.tolist() == [0.0, 1.0]


def test_some_signal_may_be_left():
    c = NoiseTable(terminal=True).at(torch.tensor(1.0))
    assert float(c.alpha) == pytest.approx(math.sqrt(4.0358e-5), rel=1e-3)
    c = NoiseTable(least=2.0**-24).at(torch.tensor(1.0))
    assert float(c.alpha) == 2.0**-12


def test_entries_are_products_of_what_each_one_leaves():
    table = NoiseTable(steps=4, first=0.1, last=0.4, terminal=True)
    expected = torch.tensor([0.9, 0.72, 0.504, 0.3024], dtype=torch.float64)
    torch.testing.assert_close(table.signal(), expected, rtol=1e-6, atol=0)
    betas = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    torch.testing.assert_close(table.betas(), betas, rtol=1e-6, atol=0)
    c = table.at(torch.tensor([0.25, 1.0]))
    torch.testing.assert_close(c.alpha.square(), expected[[0, 3]].float())


def test_without_terminal_signal_the_first_entry_stays_and_the_last_beta_is_one():
    kept, stretched = NoiseTable(terminal=True), NoiseTable()
    assert float(stretched.signal()[0]) == pytest.approx(float(kept.signal()[0]), abs=1e-7)
    assert float(stretched.signal()[-1]) == 0.0
    assert float(stretched.betas()[-1]) == 1.0


def test_what_a_caller_does_to_the_signal_does_not_come_back():
    NoiseTable().signal().zero_()
    assert float(NoiseTable().signal()[0]) > 0.9


def test_derivatives_are_slopes():
    time = torch.linspace(0.1, 0.9, 9, dtype=torch.float64) + 2e-4
    table, step = NoiseTable(), 1e-6
    c, before, after = (table.at(t) for t in (time, time - step, time + step))
    torch.testing.assert_close(c.d_alpha, (after.alpha - before.alpha) / (2 * step))
    torch.testing.assert_close(c.d_sigma, (after.sigma - before.sigma) / (2 * step))


@pytest.mark.parametrize("prediction", [V(), Velocity()])
@pytest.mark.parametrize("time", [0.1, 0.5, 0.95])
def test_targets_give_data_and_noise_back(prediction, time):
    c = NoiseTable().at(torch.tensor(time, dtype=torch.float64))
    data, noise = torch.randn(2, 7, dtype=torch.float64)
    found = prediction.split(prediction.target(data, noise, c), c.alpha * data + c.sigma * noise, c)
    torch.testing.assert_close(found.data, data)
    torch.testing.assert_close(found.noise, noise)


def test_v_says_what_the_data_is_even_of_pure_noise():
    c = NoiseTable().at(torch.tensor(1.0))
    data, noise = torch.randn(2, 7)
    found = V().split(V().target(data, noise, c), noise, c)
    torch.testing.assert_close(found.data, data)


@pytest.mark.parametrize("sampler", [Euler(), Ancestral()])
def test_one_look_at_the_truth_leads_to_the_data(sampler):
    path, data = NoiseTable(), torch.randn(1, 1, 1, 2, 2)
    x, times = torch.randn(1, 1, 1, 2, 2), Trailing()(5, GRID)
    draws = seeded([0])

    def look(x, step):
        c = path.at(step.time)
        noise = (x - c.alpha * data) / c.sigma
        return V().split(V().target(data, noise, c), x, c)

    for index in range(5):
        x = sampler(x, look, Step(index, 5, times[index], times[index + 1]), path, draws)
    torch.testing.assert_close(x, data)


@pytest.mark.parametrize("count", [3, 12, 50, 100])
def test_trailing_steps_begin_at_the_last_entry_and_are_even(count):
    found = Trailing()(count, GRID)
    assert found.shape == (count + 1,)
    assert (float(found[0]), float(found[-1])) == (1.0, 0.0)
    torch.testing.assert_close(found, Even()(count, GRID), rtol=0, atol=0.5001 / 1000)
    torch.testing.assert_close(found * 1000, (found * 1000).round())


def test_leading_steps_never_see_the_last_entries():
    found = Leading()(4, GRID)
    torch.testing.assert_close(found, torch.tensor([0.751, 0.501, 0.251, 0.001, 0.0]))


def test_training_times_are_entries_and_any_is_as_likely():
    time = Stratified(steps=4).sample(4, replayed([normals(0.01, 0.26, 0.51, 0.99)]), GRID)
    assert time.tolist() == [0.25, 0.5, 0.75, 1.0]


def test_processes_share_the_entries():
    numbers = normals(0.001, 0.25, 0.5, 0.75, 0.999)
    times = [
        Stratified(share=share, shares=4).sample(5, replayed([numbers]), GRID) for share in range(4)
    ]
    for share, time in enumerate(times):
        assert bool((time > share / 4).all())
        assert bool((time <= (share + 1) / 4).all())


def test_roots_of_betas_may_grow_evenly():
    table = NoiseTable(first=0.00085, last=0.012, growth=Squares(), terminal=True)
    betas = table.betas()
    torch.testing.assert_close(
        betas[[0, 500, 999]],
        torch.tensor([0.00085, 0.0048149, 0.012], dtype=torch.float64),
        rtol=1e-3,
        atol=0,
    )
    even = betas.sqrt().diff()
    torch.testing.assert_close(even, even.mean().expand(999), rtol=0.1, atol=0)
