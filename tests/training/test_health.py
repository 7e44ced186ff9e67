"""Latents whose statistics are known are reported as they are."""

import math

import pytest
import torch
from torch import Tensor

from kineograph.training.health import Health, examine
from kineograph.types import Posterior


def posteriors(cells: Tensor, logvar: Tensor | None = None) -> list[Posterior]:
    """Samples (N, C) as batches of clips with C x 1 x 2 x 2 latents; logvar: (C,)."""
    mean = cells.unflatten(0, (-1, 1, 2, 2)).movedim(-1, 1)
    spread = None if logvar is None else logvar.view(1, -1, 1, 1, 1).expand_as(mean)
    one = Posterior(mean, spread)
    half = len(mean) // 2
    return [
        Posterior(part, None if one.logvar is None else one.logvar[: len(part)])
        for part in (mean[:half], mean[half:])
    ]


def signs(channels: int, count: int) -> Tensor:
    """Balanced +-1 in every channel, uncorrelated: columns of a Hadamard matrix."""
    matrix = torch.ones(1, 1)
    while len(matrix) < count:
        matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)))
    return matrix[:, 1 : channels + 1]


def test_mean_variance_and_divergence_of_each_channel() -> None:
    cells = signs(3, 64) * torch.tensor([1.0, 2.0, 0.5]) + torch.tensor([0.0, -1.0, 3.0])
    logvar = torch.tensor([0.0, -2.0, math.log(0.25)])
    found = examine(posteriors(cells, logvar))
    assert torch.allclose(found.mean, torch.tensor([0.0, -1.0, 3.0]))
    assert torch.allclose(found.variance, torch.tensor([1.0, 4.0, 0.25]))
    square = torch.tensor([1.0, 5.0, 9.25])  # mean squares
    assert found.kl is not None
    assert torch.allclose(found.kl, 0.5 * (square + logvar.exp() - 1 - logvar))


@pytest.mark.parametrize(
    ("scales", "rank", "axes"),
    [
        ((1.0, 1.0, 1.0, 1.0), 4.0, 4),
        ((1.0, 0.0, 0.0, 0.0), 1.0, 1),
        ((2.0, 2.0, 0.0, 0.0), 2.0, 2),
    ],
)
def test_the_effective_rank_counts_the_axes_that_are_used(
    scales: tuple[float, ...], rank: float, axes: int
) -> None:
    found = examine(posteriors(signs(4, 64) * torch.tensor(scales)))
    assert found.effective_rank == pytest.approx(rank)
    assert found.axes(0.99) == axes
    assert float(found.explained.sum()) == pytest.approx(1.0)


def test_axes_that_are_mixed_over_the_channels_are_found_again() -> None:
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))[0]
    cells = signs(4, 64) * torch.tensor([3.0, 1.0, 0.0, 0.0]) @ turn
    found = examine(posteriors(cells))
    assert torch.allclose(found.explained, torch.tensor([0.9, 0.1, 0.0, 0.0]), atol=1e-6)
    assert found.effective_rank == pytest.approx(
        math.exp(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    )
    assert found.axes(0.9) == 1 and found.axes(0.95) == 2


def test_the_largest_correlation_and_its_pair() -> None:
    base = signs(4, 64)
    cells = base.clone()
    cells[:, 3] = -0.8 * base[:, 1] + 0.6 * base[:, 3]
    cells[:, 2] = 0.5 * base[:, 0] + math.sqrt(0.75) * base[:, 2]
    found = examine(posteriors(cells))
    assert found.correlation == pytest.approx(-0.8, abs=1e-6) and found.pair == (1, 3)


def test_a_channel_that_is_mostly_noise_or_silent_has_collapsed() -> None:
    cells = signs(3, 64) * torch.tensor([1.0, 0.05, 0.2])
    assert examine(posteriors(cells, torch.zeros(3))).collapsed == (1,)
    silent = signs(3, 64) * torch.tensor([1.0, 0.005, 0.2])
    assert examine(posteriors(silent)).collapsed == (1,)


def test_a_single_or_constant_channel_has_no_correlation_and_no_failure() -> None:
    one = examine(posteriors(signs(1, 64)))
    assert one.correlation == 0.0 and one.effective_rank == pytest.approx(1.0)
    constant = examine(posteriors(signs(2, 64) * torch.tensor([1.0, 0.0])))
    assert constant.correlation == 0.0 and constant.collapsed == (1,)


def test_the_lines_name_every_channel_and_what_is_wrong() -> None:
    found = examine(posteriors(signs(3, 64) * torch.tensor([1.0, 0.05, 0.2]), torch.zeros(3)))
    lines = found.lines()
    assert len(lines) == 1 + 3 + 3
    assert lines[2].endswith("collapsed") and lines[4] == "collapsed channels: 1"
    assert set(found.data()) == {
        "mean",
        "variance",
        "kl",
        "collapsed",
        "explained",
        "effective_rank",
        "correlation",
        "pair",
    }


def test_statistics_keep_relative_strength_or_not() -> None:
    found: Health = examine(
        posteriors(signs(2, 64) * torch.tensor([1.0, 3.0]) + torch.tensor([2.0, 6.0]))
    )
    statistics = found.statistics
    assert statistics.common_mean == pytest.approx(4.0)
    assert statistics.spread == pytest.approx(math.sqrt(5.0))
    assert statistics.common_spread == pytest.approx(3.0)
    assert statistics.deviations.tolist() == pytest.approx([1.0, 3.0])
