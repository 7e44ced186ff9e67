"""A grouping loses nothing, mixes nothing, and groups what its name says."""

import pytest
import torch

from kineograph.nn.distance import distances, skip_and_window
from kineograph.nn.grouping import PADDED, Full, GroupSkip, PerFrame, PerSite, SingleSkip, Window
from kineograph.types import Grid

GRID = Grid(frames=4, rows=2, columns=3)
GROUPINGS = [
    Full(),
    PerFrame(),
    PerSite(),
    SingleSkip(2),
    GroupSkip(2),
    SingleSkip(3),
    GroupSkip(3),
    Window(4),
    Window(5),
]
SKIPS = [SingleSkip(2), GroupSkip(2), SingleSkip(3), GroupSkip(3)]


def tokens(batch: int = 2) -> torch.Tensor:
    """Each token carries its own (sample, position), so that a mix-up is visible."""
    ids = torch.meshgrid(torch.arange(batch), torch.arange(GRID.size), indexing="ij")
    return torch.stack(ids, dim=-1)


@pytest.mark.parametrize("grouping", GROUPINGS, ids=str)
def test_merge_undoes_split(grouping):
    assert torch.equal(grouping.merge(grouping.split(tokens(), GRID), GRID), tokens())


@pytest.mark.parametrize("grouping", GROUPINGS, ids=str)
def test_a_group_never_spans_two_samples(grouping):
    groups = grouping.split(tokens() + 1, GRID)
    for group in groups:
        real = group[group[:, 1] > 0]  # padding is 0
        assert len(real[:, 0].unique()) == 1


def test_full_groups_are_whole_samples():
    groups = Full().split(tokens(), GRID)
    assert groups.shape[:2] == (2, GRID.size)
    assert torch.equal(groups[..., 0], torch.tensor([[0], [1]]).expand(2, GRID.size))


def test_single_skip_takes_every_so_many_tokens():
    groups = SingleSkip(2).split(torch.arange(24)[None], GRID)
    assert groups.tolist() == [list(range(0, 24, 2)), list(range(1, 24, 2))]


def test_group_skip_takes_every_so_many_runs_of_as_many_tokens():
    groups = GroupSkip(2).split(torch.arange(8)[None], Grid(1, 2, 4))
    assert groups.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_a_window_takes_tokens_in_a_row_and_pads_the_last_ones():
    groups = Window(5).split(torch.arange(1, 9)[None], Grid(1, 2, 4))
    assert groups.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 0, 0]]


@pytest.mark.parametrize("stride", [2, 4])
def test_skips_and_windows_in_turn_are_as_far_as_the_paper_says(stride):
    grid = Grid(4, 4, 4)  # Open-Sora Plan, eq. 9; a token is 1 away from itself there
    found = distances([SingleSkip(stride), Window(stride)], grid).clamp_min(1).float().mean()
    assert float(found) == pytest.approx(skip_and_window(grid, stride), abs=1 / grid.size)


@pytest.mark.parametrize("grouping", SKIPS, ids=str)
def test_samples_lie_side_by_side_in_a_group_of_the_same_place(grouping):
    samples = grouping.split(tokens() + 1, GRID)[:, 0, 0] - 1
    assert samples.tolist() == [0, 1] * grouping.stride


@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_two_skiparse_blocks_connect_every_pair_of_tokens(stride, rows):  # Open-Sora Plan, 2.2.2
    grid = Grid(frames=4, rows=rows, columns=4)

    def reach(grouping):
        seen = torch.zeros(grid.size + 1, grid.size + 1)
        for group in grouping.split(torch.arange(1, grid.size + 1)[None], grid):
            seen[group[:, None], group] = 1
        return seen[1:, 1:]

    assert ((reach(SingleSkip(stride)) @ reach(GroupSkip(stride))) > 0).all()


@pytest.mark.parametrize("grouping", GROUPINGS, ids=str)
def test_a_bias_goes_where_its_token_goes(grouping):
    bias = torch.arange(48.0).view(2, 24)
    found = grouping.bias(bias, tokens(), GRID)[:, 0, 0]
    real = found != PADDED
    assert torch.equal(found[real], grouping.split(bias + 1, GRID)[real] - 1)
    assert int(real.sum()) == 48


@pytest.mark.parametrize("grouping", [Full(), PerFrame(), PerSite(), SingleSkip(2)], ids=str)
def test_without_padding_and_without_a_bias_there_is_nothing_to_add(grouping):
    assert grouping.bias(None, tokens(), GRID) is None


@pytest.mark.parametrize(
    ("grouping", "padding"), [(SingleSkip(3), 3), (GroupSkip(3), 3), (Window(5), 1)], ids=str
)
def test_padding_is_hidden(grouping, padding):  # of 24 tokens
    x = tokens().float()
    found = grouping.bias(None, x, GRID)[:, 0, 0]
    assert int((found == PADDED).sum()) == 2 * padding
    assert torch.equal(found == PADDED, (grouping.split(x + 1, GRID) == 0).all(-1))
