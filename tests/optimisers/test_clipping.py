"""Outliers get no say, the others get theirs, and nobody forgets over a stop."""

import json
import math

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.optimisers.clipping import AdaptiveClip, NormClip, total_norm
from kineograph.training.warmup import LinearWarmup


def settled(**more):
    """A clipping that has seen norms of about 1 for a while."""
    clipping = AdaptiveClip(decay=0.9, **more).build()
    for index in range(100):
        clipping.decide([1.0 + 0.1 * (index % 2), 1.0])
    return clipping


def test_gradients_are_scaled_to_the_norm_and_smaller_ones_left():
    gradients = [torch.tensor([3.0]), torch.tensor([[4.0]])]
    assert NormClip(most=1.0)(gradients) == pytest.approx(5.0)
    assert total_norm(gradients) == pytest.approx(1.0, abs=1e-5)
    small = [torch.tensor([0.3])]
    NormClip(most=1.0)(small)
    assert small[0].item() == pytest.approx(0.3)


def test_the_first_step_leaves_nothing_out():
    said = AdaptiveClip().build().decide([1.0, 50.0])
    assert (said.dropped, said.bound, said.mean, said.variance) == (0, math.inf, 50.0, 50.0)


@pytest.mark.parametrize("bad", [40.0, math.inf, math.nan])
def test_an_outlier_gets_no_say_and_the_mean_is_that_of_the_others(bad):
    clipping, size = settled(), [1.0, bad, 0.9, 1.1]
    ranks = [AdaptiveClip(decay=0.9).build() for _ in size]
    gradients = [torch.tensor([0.6, 0.8]) * one for one in size]
    for rank, one in enumerate(ranks):
        one.load_state_dict(clipping.state_dict())
        said = one([gradients[rank]], lambda _: size, rank)
        assert said.dropped == 1
    mean = torch.stack(gradients).mean(0)
    torch.testing.assert_close(mean, torch.tensor([0.6, 0.8]) * 1.0)  # (1.0 + 0.9 + 1.1) / 3
    assert all(one.state_dict() == ranks[0].state_dict() for one in ranks)


def test_the_bound_follows_falling_norms():
    clipping = settled()
    before = clipping.bound
    for index in range(200):
        clipping.decide([0.1 + 0.01 * (index % 2), 0.1])
    assert clipping.bound < before / 5
    assert clipping.decide([0.1, 1.0]).dropped == 1  # it was ordinary before


def test_many_outliers_at_once_do_not_move_the_averages():
    clipping = settled()
    before = clipping.state_dict()
    clipping.decide([9.0, 9.0, 1.0])
    assert clipping.state_dict() == before
    clipping.decide([9.0, 1.0, 1.0])
    assert clipping.state_dict() != before


def test_steps_without_any_kept_gradient_do_not_close_the_door():
    clipping = settled()
    for _ in range(500):
        gradient = torch.tensor([math.nan, 1.0])
        clipping([gradient])
        assert gradient.tolist() == [0.0, 0.0]
    assert clipping.decide([1.0]).dropped == 0
    imitated = settled(hollow=True)
    for _ in range(500):
        imitated.decide([math.nan])
    assert imitated.bound < 1e-3  # what the reference would do


def test_a_first_step_without_numbers_teaches_nothing():
    clipping = AdaptiveClip().build()
    assert clipping.decide([math.nan, math.inf]).dropped == 2
    assert clipping.decide([2.0, 1.0]).dropped == 0


def test_a_stop_changes_nothing():
    clipping = settled()
    again = AdaptiveClip(decay=0.9).build()
    again.load_state_dict(json.loads(json.dumps(clipping.state_dict())))
    norms = [[1.0, 1.2], [1.1, 9.0], [1.0, 1.0]]
    assert [clipping.decide(one) for one in norms] == [again.decide(one) for one in norms]


def test_the_eight_curves_of_figure_11():
    said = settled().decide([1.0, 7.0])
    curves = said.series(loss=0.25)
    assert len(curves) == 8 and curves["loss"] == 0.25
    assert curves["gradient/dropped"] == 1 and curves["gradient/largest"] == 7.0
    assert curves["gradient/kept_largest"] == 1.0
    assert curves["gradient/deviation"] == pytest.approx((7.0 - said.mean) ** 2)
    assert 1.0 < curves["gradient/bound"] < 7.0


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="decay 1"):
        AdaptiveClip(decay=1.0)
    with pytest.raises(ConfigError, match="at most 0"):
        NormClip(most=0.0)


def test_a_rate_rises_in_even_steps_and_stays():
    warmup = LinearWarmup(steps=4, initial=1.0)
    assert [warmup(6.0, index) for index in range(6)] == pytest.approx([2, 3, 4, 5, 6, 6])
    assert LinearWarmup(steps=0)(6.0, 0) == 6.0
