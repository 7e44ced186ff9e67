"""Patches lose nothing, and numbers become the waves of the equation."""

import math

import pytest
import torch

from kineograph.nn.embed import NumberEmbedding, fold, unfold, waves


@pytest.mark.parametrize("patch", [1, 2])
def test_unfold_undoes_fold(patch):
    x = torch.randn(2, 3, 4, 4, 6)
    tokens = fold(x, patch)
    assert tokens.shape == (2, 4 * 4 * 6 // patch**2, 3 * patch**2)
    assert torch.equal(unfold(tokens, patch, (4, 4, 6)), x)


def test_a_token_holds_the_cells_of_its_patch():
    cells = torch.arange(2 * 4 * 6).view(1, 1, 2, 4, 6)
    assert fold(cells, 2)[0, 1].tolist() == [2, 3, 8, 9]


def test_waves_are_cosines_and_then_sines():
    found = waves(torch.tensor([[7.5]]), channels=4)
    assert found.shape == (1, 1, 4)
    low = 7.5 / math.sqrt(10000.0)
    expected = [math.cos(7.5), math.cos(low), math.sin(7.5), math.sin(low)]
    torch.testing.assert_close(found[0, 0], torch.tensor(expected))


def test_numbers_are_not_rounded_in_half_precision():
    embed = NumberEmbedding(8).bfloat16()
    near = embed(torch.tensor([900.0, 901.0]))  # the same number in bfloat16
    assert near.dtype == torch.bfloat16
    assert not torch.equal(near[0], near[1])
