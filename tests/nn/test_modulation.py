"""Modulation is what its equations say, whether time is told per clip, frame or token."""

import pytest
import torch

from kineograph.nn.modulation import (
    Branch,
    Modulation,
    OutModulation,
    OwnModulation,
    OwnOutModulation,
    SharedModulation,
)

WIDTH, TOKENS = 6, 12


def branch(entries: int) -> Branch:
    return Branch(*torch.randn(3, 2, entries, 1, WIDTH))


def spread(part: torch.Tensor) -> torch.Tensor:
    """(B, M, 1, D) -> (B, N, D), written out."""
    return part[:, :, 0].repeat_interleave(TOKENS // part.shape[1], 1)


@pytest.mark.parametrize("entries", [1, 3, TOKENS])
def test_each_entry_of_time_serves_its_run_of_tokens(entries):
    one, x, change = branch(entries), torch.randn(2, TOKENS, WIDTH), torch.randn(2, TOKENS, WIDTH)
    shift, scale, gate = (spread(part) for part in (one.shift, one.scale, one.gate))
    torch.testing.assert_close(one.enter(x), x * scale + shift)
    torch.testing.assert_close(one.leave(x, change), x + gate * change)


def test_a_block_adds_its_table_to_what_all_blocks_share():
    shared, block = SharedModulation(WIDTH, branches=2), Modulation(WIDTH, branches=2)
    torch.nn.init.normal_(block.table)
    time = torch.randn(2, 3, WIDTH)
    look, transform = block(shared(time), torch.float32)
    rows = shared.linear(torch.nn.functional.silu(time)).view(2, 3, 6, WIDTH) + block.table
    expected = (rows[:, :, 0], 1 + rows[:, :, 1], rows[:, :, 2])
    for found, wanted in zip((look.shift, look.scale, look.gate), expected, strict=True):
        torch.testing.assert_close(found[:, :, 0], wanted)
    torch.testing.assert_close(transform.scale[:, :, 0], 1 + rows[:, :, 4])


def test_the_last_layer_is_modulated_by_time_itself():
    out = OutModulation(WIDTH)
    torch.nn.init.normal_(out.table)
    time, x = torch.randn(2, 1, WIDTH), torch.randn(2, TOKENS, WIDTH)
    expected = x * (1 + out.table[1] + time) + out.table[0] + time
    torch.testing.assert_close(out(time, torch.float32).enter(x), expected)


def test_tokens_keep_their_dtype():
    shared, block = SharedModulation(WIDTH, branches=1), Modulation(WIDTH, branches=1)
    (one,) = block(shared(torch.randn(2, 1, WIDTH)), torch.bfloat16)
    x = torch.randn(2, TOKENS, WIDTH).bfloat16()
    assert one.leave(x, one.enter(x)).dtype == torch.bfloat16


@pytest.mark.parametrize("branches", [1, 2])
def test_a_linear_layer_of_ones_own_gives_shift_scale_and_gate_in_turn(branches):
    layer, time = OwnModulation(WIDTH, branches), torch.randn(2, 3, WIDTH)
    found = layer(time, torch.float32)
    rows = layer.linear(torch.nn.functional.silu(time)).view(2, 3, branches, 3, WIDTH)
    assert len(found) == branches
    for index, one in enumerate(found):
        torch.testing.assert_close(one.shift[:, :, 0], rows[:, :, index, 0])
        torch.testing.assert_close(one.scale[:, :, 0], 1 + rows[:, :, index, 1])
        torch.testing.assert_close(one.gate[:, :, 0], rows[:, :, index, 2])


def test_a_last_layer_of_ones_own_shifts_first():
    layer, time = OwnOutModulation(WIDTH), torch.randn(2, 1, WIDTH)
    x = torch.randn(2, TOKENS, WIDTH)
    shift, scale = layer.linear(torch.nn.functional.silu(time)).chunk(2, -1)
    torch.testing.assert_close(layer(time).enter(x), x * (1 + scale) + shift)
