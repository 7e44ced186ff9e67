"""In order, no token hears of a later frame, whoever its neighbours are."""

import pytest
import torch

from kineograph.nn.attention import NoNorm, SelfAttention
from kineograph.nn.grouping import Full, Grouping, GroupSkip, PerFrame, PerSite, SingleSkip, Window
from kineograph.nn.order import BothWays, Causal, Order
from kineograph.types import Grid

GRID = Grid(frames=3, rows=2, columns=3)
GROUPINGS = [Full(), PerFrame(), PerSite(), SingleSkip(2), GroupSkip(2), Window(4)]


def attention(grouping: Grouping, order: Order) -> SelfAttention:
    torch.manual_seed(0)
    return SelfAttention(8, 2, grouping=grouping, norm=NoNorm(), order=order)


@pytest.mark.parametrize("grouping", GROUPINGS, ids=str)
@torch.no_grad()
def test_a_later_frame_is_not_heard_and_earlier_ones_are(grouping):
    layer, x = attention(grouping, Causal()), torch.randn(2, GRID.size, 8)
    before = layer(x, None, GRID)
    last, first = x.clone(), x.clone()
    last[:, 12:] += 1.0
    first[:, :6] += 1.0
    after = layer(last, None, GRID)
    torch.testing.assert_close(after[:, :12], before[:, :12])
    assert not torch.allclose(after[:, 12:], before[:, 12:])
    heard = not torch.allclose(layer(first, None, GRID)[:, 6:], before[:, 6:])
    assert heard == (grouping != PerFrame())


@pytest.mark.parametrize("grouping", GROUPINGS, ids=str)
@torch.no_grad()
def test_within_one_frame_order_changes_nothing(grouping):
    x, grid = torch.randn(2, 6, 8), Grid(1, 2, 3)
    found = attention(grouping, Causal())(x, None, grid)
    torch.testing.assert_close(found, attention(grouping, BothWays())(x, None, grid))


@torch.no_grad()
def test_tokens_may_say_themselves_when_they_are():
    layer, x = attention(Full(), Causal()), torch.randn(1, 4, 8)
    when = torch.tensor([[-1, 0, 0, 2]])  # words come before everything
    before = layer(x, None, Grid(1, 1, 4), when=when)
    x[:, 1] += 1.0
    after = layer(x, None, Grid(1, 1, 4), when=when)
    assert torch.equal(after[:, 0], before[:, 0])
    assert not torch.allclose(after[:, 1:], before[:, 1:])
