"""Who is told what is padding, and what a null caption looks like beside others."""

import pytest
import torch

from kineograph.text.padding import Masked, MaskedLater, Unmasked, aligned, repeat
from kineograph.types import TextEmbedding

MASK = torch.tensor([[True, True, False]])


@pytest.mark.parametrize(
    ("rule", "encoder", "denoiser"),
    [(Masked(), MASK, MASK), (MaskedLater(), None, MASK), (Unmasked(), None, None)],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_rule_says_who_sees_the_mask(rule, encoder, denoiser):
    assert rule.encoder(MASK) is encoder
    assert rule.denoiser(MASK) is denoiser


@pytest.mark.parametrize(("beside", "length"), [(0, 8), (6, 6), (7, 5), (3, 5)])
def test_text_grows_until_the_whole_can_be_divided(beside, length):
    ids = torch.arange(1, 11).view(2, 5)
    found = aligned(ids, 4, beside=beside)
    assert found.shape == (2, length) and torch.equal(found[:, :5], ids)
    assert not found[:, 5:].any()


def test_a_null_caption_takes_the_shape_of_others_and_repeats_its_last_token():
    one = TextEmbedding(
        torch.tensor([[[1.0], [2.0]]]), torch.tensor([[True, False]]), torch.ones(1, 3)
    )
    like = TextEmbedding(torch.zeros(3, 4, 1))
    found = repeat(one, like)
    assert found.tokens[:, :, 0].tolist() == [[1.0, 2.0, 2.0, 2.0]] * 3
    assert found.mask is not None and found.pooled is not None
    assert found.mask.tolist() == [[True, False, False, False]] * 3
    assert found.pooled.shape == (3, 3) and found.cut == ("",) * 3
    shorter = repeat(one, TextEmbedding(torch.zeros(1, 1, 1)))
    assert shorter.tokens.tolist() == [[[1.0]]]
