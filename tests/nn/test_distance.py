"""The average attention distance is what counting gives, and the paper's table."""

import pytest
import torch

from kineograph.nn import distance
from kineograph.nn.grouping import Full, GroupSkip, PerFrame, PerSite, SingleSkip
from kineograph.types import Grid


def mean(groupings, grid):
    return float(distance.distances(groupings, grid).double().mean())


@pytest.mark.parametrize(("sides", "stride"), [((2, 4, 4), 2), ((4, 4, 4), 4), ((2, 6, 6), 3)])
def test_the_formula_is_what_counting_gives_where_nothing_is_padded(sides, stride):
    grid = Grid(*sides)
    found = mean((SingleSkip(stride), GroupSkip(stride)), grid)
    assert found == pytest.approx(distance.skiparse(grid, stride))


def test_divided_attention_is_counted_alike():
    grid = Grid(3, 2, 5)
    assert mean((PerFrame(), PerSite()), grid) == pytest.approx(distance.divided(grid))


def test_full_attention_needs_one_block():
    grid = Grid(1, 2, 3)
    assert torch.equal(distance.distances((Full(),), grid), 1 - torch.eye(6, dtype=torch.long))


def test_skiparse_is_nearer_to_full_attention_than_the_others():  # the paper's table 1
    grid = Grid(24, 32, 32)
    for stride in (2, 4, 8):
        assert distance.skiparse(grid, stride) < distance.skip_and_window(grid, stride)
    assert distance.skiparse(grid, 4) == pytest.approx(1.563, abs=1e-3)
    assert distance.skip_and_window(grid, 4) == pytest.approx(1.75, abs=1e-3)
    assert distance.divided(grid) == pytest.approx(1.957, abs=1e-3)


def test_tokens_that_never_meet_are_said_to():
    with pytest.raises(ValueError, match="do not connect"):
        distance.distances((PerFrame(),), Grid(2, 1, 2))
