"""Dropped tokens leave gaps, and what is kept comes back to its place."""

import torch

from kineograph.nn.dropping import Gaps, pick

TOKENS = torch.arange(24.0).view(2, 6, 2)
KEEP = torch.tensor([[0, 3, 4], [1, 2, 5]])


def test_each_sample_keeps_its_own_tokens():
    assert torch.equal(pick(TOKENS, KEEP)[0], TOKENS[0, [0, 3, 4]])
    assert torch.equal(pick(TOKENS, KEEP)[1], TOKENS[1, [1, 2, 5]])


@torch.no_grad()
def test_kept_tokens_return_to_their_places_between_gaps():
    gaps = Gaps(2)
    whole = gaps(pick(TOKENS, KEEP), KEEP, 6)
    for sample, kept in enumerate(KEEP.tolist()):
        for index in range(6):
            wanted = TOKENS[sample, index] if index in kept else gaps.token
            assert torch.equal(whole[sample, index], wanted)


@torch.no_grad()
def test_nothing_dropped_leaves_no_gap():
    every = torch.arange(6).expand(2, 6)
    assert torch.equal(Gaps(2)(pick(TOKENS, every), every, 6), TOKENS)


def test_the_gaps_token_learns_in_the_dtype_of_the_tokens():
    gaps = Gaps(2)
    whole = gaps(pick(TOKENS, KEEP).bfloat16(), KEEP, 6)
    assert whole.dtype == torch.bfloat16
    whole.sum().backward()
    assert gaps.token.grad.tolist() == [6.0, 6.0]
