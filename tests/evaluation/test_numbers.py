"""Intervals, ranks and distances are those of textbooks and of other programs."""

import math

import pytest
import torch

from kineograph.evaluation.frechet import features, frechet
from kineograph.evaluation.ranks import rank_correlation, ranks
from kineograph.evaluation.reader import load
from kineograph.evaluation.share import Share, difference
from kineograph.evaluation.spread import mean, student


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(30, 30, 0.8865, 1.0), (5, 10, 0.2366, 0.7634), (0, 12, 0.0, 0.2425)],
)
def test_the_interval_is_wilsons(right, total, low, high):
    assert Share(right, total).interval == pytest.approx((low, high), abs=1e-4)


def test_nothing_asked_says_nothing():
    assert Share(0, 0).value == 0 and Share(0, 0).interval == (0, 1)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [  # Newcombe (1998), table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(one, other, low, high):
    found = difference(Share(*one), Share(*other))
    assert found[0] == pytest.approx(one[0] / one[1] - other[0] / other[1])
    assert found[1:] == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (399, 1.966)],
)
def test_students_t_is_that_of_the_tables(freedom, t):
    assert student(freedom) == pytest.approx(t, abs=0.011)


def test_a_mean_has_students_interval():
    found = mean([1.0, 2.0, 3.0, 4.0])
    reach = 3.182 * math.sqrt(5 / 3) / 2
    assert found.value == 2.5 and found.count == 4
    assert (found.low, found.high) == pytest.approx((2.5 - reach, 2.5 + reach), abs=0.01)
    alone = mean([7.0])
    assert (alone.value, alone.low, alone.high) == (7.0, None, None)
    assert mean([]) is None


def test_equal_numbers_share_their_rank():
    assert ranks([10, 30, 20, 20]) == [1.0, 4.0, 2.5, 2.5]


def test_ranks_correlate_where_one_rises_with_the_other():
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert rank_correlation(x, [one**3 for one in x]).value == pytest.approx(1)
    assert rank_correlation(x, [-one for one in x]).value == pytest.approx(-1)
    some = rank_correlation(x, [2, 1, 4, 3, 6, 5, 8, 7])
    assert some.value == pytest.approx(1 - 6 * 8 / (8 * 63))  # 1 - 6 sum(d²) / (n (n² - 1))
    assert some.low < some.value < some.high < 1
    assert rank_correlation(x, [1.0] * 8) is None and rank_correlation(x[:7], x[:7]) is None


def test_scipys_correlation_is_the_same():
    stats = pytest.importorskip("scipy.stats")
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randint(6, (2, 40), generator=draw).tolist()
    assert rank_correlation(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic)


def test_the_distance_of_two_normal_sets_is_known():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 3, generator=draw)
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T  # exactly normal
    spread, shift = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.0, -1.0])
    # |m - m'|² + sum (s - s')²
    expected = float(shift.square().sum() + (spread - 1).square().sum())
    assert frechet(x, x * spread + shift) == pytest.approx(expected, rel=1e-4)
    assert frechet(x, x) == pytest.approx(0, abs=1e-6)


def test_torchmetrics_distance_is_the_same():
    image = pytest.importorskip("torchmetrics.image.fid")
    draw = torch.Generator().manual_seed(1)
    one, other = torch.randn(60, 8, generator=draw), 0.3 + torch.randn(50, 8, generator=draw)
    moments = [(x.double().mean(0), x.double().T.cov()) for x in (one, other)]
    (mean_1, cov_1), (mean_2, cov_2) = moments
    expected = float(image._compute_fid(mean_1, cov_1, mean_2, cov_2))
    assert frechet(one, other) == pytest.approx(expected, rel=1e-6)


def test_features_tell_colours_and_motions_apart():
    reader = load()
    clip = torch.full((1, 9, 64, 64, 3), 150, dtype=torch.uint8)
    clip[:, :, 20:40, 20:40, 0] = 250
    moving = torch.stack([clip[0, k].roll(2 * k, 1) for k in range(9)])[None]
    same, other = features(reader, clip), features(reader, moving)
    assert same.shape == (1, 224)
    assert torch.equal(same, features(reader, clip)) and not torch.allclose(same, other, atol=0.1)
