"""Attention is the same on every way, hears only what it may, and can be sent past itself."""

import pytest
import torch

from kineograph.nn.attention import (
    CrossAttention,
    Detour,
    NormLayer,
    SelfAttention,
    attend,
    text_bias,
)
from kineograph.nn.rotary import FractionalPositions, grid_positions
from kineograph.types import Grid

GRID = Grid(frames=2, rows=1, columns=3)
STARTS = [torch.arange(float(n)) for n in (2, 1, 3)]
ROTARY = FractionalPositions(largest=(2.0, 4.0, 4.0), theta=10.0)(grid_positions(STARTS, 1), 2, 8)


def heads(tokens: int, seed: int) -> torch.Tensor:
    return torch.randn(2, tokens, 3, 8, generator=torch.Generator().manual_seed(seed))


def self_attention() -> SelfAttention:
    torch.manual_seed(0)
    return SelfAttention(16, heads=2)


@pytest.mark.parametrize(
    "bias", [None, text_bias(torch.tensor([[1, 1, 0], [1, 0, 0]]), torch.half)]
)
def test_short_half_precision_and_the_fused_kernel_agree(bias):
    query, key, value = heads(5, 0), heads(3, 1), heads(3, 2)
    bias = None if bias is None else bias.float()
    exact = attend(query, key, value, bias)
    low = [x.bfloat16() for x in (query, key, value)]
    rough = attend(*low, None if bias is None else bias.bfloat16())
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.03, rtol=0.03)


def test_a_masked_token_is_not_heard():
    query, key, value = heads(5, 0), heads(3, 1), heads(3, 2)
    bias = text_bias(torch.tensor([[True, True, False]] * 2), torch.float32)
    loud = value.clone()
    loud[:, 2] += 100.0
    assert torch.equal(attend(query, key, value, bias), attend(query, key, loud, bias))


def test_a_wholly_masked_row_hears_what_an_unmasked_one_hears():
    query, key, value = heads(5, 0), heads(3, 1), heads(3, 2)
    bias = text_bias(torch.zeros(2, 3, dtype=torch.bool), torch.float32)
    torch.testing.assert_close(
        attend(query, key, value, bias), attend(query, key, value), atol=1e-2, rtol=1e-2
    )


def test_no_mask_is_a_mask_of_all():
    assert text_bias(None, torch.float32) is None
    bias = text_bias(torch.ones(2, 3, dtype=torch.bool), torch.float32)
    assert bias is not None
    assert not bias.any()


def test_query_and_key_are_normalised_over_the_full_width():
    attention = self_attention()
    x = torch.randn(2, 6, 16)
    query, key, _ = attention.project(x, x)
    for part in (query, key):
        square = part.flatten(2).square().mean(-1)
        torch.testing.assert_close(square, torch.ones_like(square), atol=1e-3, rtol=1e-3)


def test_samples_do_not_hear_each_other():
    attention = self_attention()
    x = torch.randn(2, 6, 16)
    both = attention(x, ROTARY, GRID)
    torch.testing.assert_close(both[:1], attention(x[:1], ROTARY, GRID))


def test_a_detour_takes_values_or_the_input_in_place_of_what_is_heard():
    attention = self_attention()
    x = torch.randn(2, 6, 16)
    only_second = torch.tensor([False, True]).view(2, 1, 1)
    straight = attention(x, ROTARY, GRID)
    values = attention(x, ROTARY, GRID, Detour(only_second, "values"))
    inputs = attention(x, ROTARY, GRID, Detour(only_second, "attention"))
    assert torch.equal(values[0], straight[0])
    assert torch.equal(inputs[0], straight[0])
    torch.testing.assert_close(values[1], attention.out(attention.value(x))[1])
    torch.testing.assert_close(inputs[1], attention.out(x)[1])


def test_reading_the_text_ignores_where_the_tokens_lie():
    torch.manual_seed(0)
    attention = CrossAttention(16, heads=2)
    x, text = torch.randn(2, 6, 16), torch.randn(2, 4, 16)
    order = torch.randperm(6)
    torch.testing.assert_close(
        attention(x[:, order], text, None), attention(x, text, None)[:, order]
    )


def test_query_and_key_may_be_given_mean_0_and_variance_1_in_each_head():
    norm = NormLayer().build(16, heads=2)
    found = norm(5.0 + 3.0 * torch.randn(2, 5, 2, 8))
    torch.testing.assert_close(found.mean(-1), torch.zeros(2, 5, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.var(-1, correction=0), torch.ones(2, 5, 2), atol=1e-3, rtol=0)
    assert sum(p.numel() for p in norm.parameters()) == 2 * 8
