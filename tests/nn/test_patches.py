"""Patches lose nothing, and what they add at the edges is cut off again."""

import pytest
import torch

from kineograph.nn.patches import Patch
from kineograph.types import Grid

SIZES = [(1, 4, 4), (3, 5, 7), (2, 1, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("patch", [Patch(), Patch(2, 3, 2), Patch(1, 1, 1)])
def test_merge_undoes_split(patch, size):
    x = torch.randn(2, 3, *size)
    tokens = patch.split(x)
    assert tokens.shape == (2, patch.grid(size).size, 3 * patch.cells)
    assert torch.equal(patch.merge(tokens, size), x)


def test_tokens_lie_columns_fastest_and_channels_innermost():
    x = torch.arange(2 * 4 * 4).view(1, 2, 1, 4, 4).float()
    tokens = Patch().split(x)
    assert Patch().grid((1, 4, 4)) == Grid(1, 2, 2)
    assert tokens[0, 1].tolist() == [2, 18, 3, 19, 6, 22, 7, 23]


def test_an_incomplete_patch_is_filled_with_zeros():
    tokens = Patch().split(torch.ones(1, 1, 1, 3, 3))
    assert tokens[0].tolist() == [[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
