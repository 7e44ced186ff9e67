"""Joint attention is softmax attention over all tokens, with every head normalised by itself."""

import math

import pytest
import torch

from kineograph.nn.joint import HeadProjections, attend_jointly
from kineograph.nn.rotary import AxisPositions, Rotary

WIDTH, HEADS, TOKENS = 12, 3, 5
STILL = Rotary(torch.ones(1, TOKENS, 1, 2), torch.zeros(1, TOKENS, 1, 2))


def heads(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 2, TOKENS, HEADS, 4, generator=generator)


@pytest.mark.parametrize("bias", [False, True])
def test_queries_and_keys_are_normalised_inside_each_head(bias):
    parts = HeadProjections(WIDTH, HEADS, bias=bias)
    assert (parts.query.bias is not None) == bias
    x = torch.randn(2, TOKENS, WIDTH)
    query, key, value = parts(x)
    for found in (query, key):
        squares = found.square().mean(-1)
        torch.testing.assert_close(squares, torch.ones(2, TOKENS, HEADS), atol=1e-3, rtol=0)
    assert torch.equal(value.flatten(2), parts.value(x))


def test_without_turning_it_is_the_equation():
    query, key, value = heads()
    scores = torch.einsum("bnak,blak->banl", query, key) / math.sqrt(4)
    expected = torch.einsum("banl,blak->bnak", scores.softmax(-1), value).flatten(2)
    torch.testing.assert_close(attend_jointly(query, key, value, STILL, None), expected)


def test_only_distances_between_places_count():
    places = AxisPositions(shares=(4,), units=(1.0,))
    query, key, value = heads()
    near, far = (
        attend_jointly(query, key, value, places(start + torch.arange(TOKENS)[None, None]), None)
        for start in (0.0, 7.0)
    )
    torch.testing.assert_close(near, far)
    assert not torch.allclose(near, attend_jointly(query, key, value, STILL, None), atol=1e-3)


def test_masked_tokens_are_not_seen():
    query, key, value = heads()
    bias = torch.zeros(2, 1, 1, TOKENS)
    bias[..., -1] = -10000.0
    value[:, -1] = 1e6
    assert attend_jointly(query, key, value, STILL, bias).abs().max() < 10


def test_half_precision_turns_in_full_precision():
    places = AxisPositions(shares=(4,), units=(1.0,))(torch.tensor([[[0.0, 99, 100, 101, 102]]]))
    query, key, value = heads().bfloat16()
    found = attend_jointly(query, key, value, places, None)
    assert found.dtype == torch.bfloat16
    exact = attend_jointly(query.float(), key.float(), value.float(), places, None)
    assert (found - exact).norm() < 0.01 * exact.norm()
