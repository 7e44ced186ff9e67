"""T5 knows distances only; padding that is masked changes nothing, padding that is not does."""

from dataclasses import replace

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.text.null import LearnedNull, ZeroNull
from kineograph.text.padding import Masked, MaskedLater, Unmasked
from kineograph.text.t5 import T5, T5Config, buckets
from kineograph.types import TextEmbedding

CONFIG = T5Config(
    vocabulary=100, width=12, heads=3, head=5, hidden=20, blocks=2, buckets=8, distance=20, length=9
)


@pytest.fixture
def t5() -> T5:
    torch.manual_seed(0)
    return CONFIG.build().eval()


def rows(count: int, distance: int, *offsets: int) -> list[int]:
    return buckets(torch.tensor(offsets), count, distance).tolist()


def test_near_distances_have_rows_of_their_own_on_either_side():
    assert rows(32, 128, 0, -1, -7) == [0, 1, 7]
    assert rows(32, 128, 1, 2, 7) == [17, 18, 23]


def test_far_distances_share_rows_that_grow_like_the_logarithm():
    # 8 rows from 8 to 128: each is 128/8 to the power 1/8 = 1.41 times as far as the last
    assert rows(32, 128, -8, -11, -12, -16, -22, -23, -32) == [8, 8, 9, 10, 10, 11, 12]
    assert rows(32, 128, -127, -128, -5000, 128, 5000) == [15, 15, 15, 31, 31]


def test_every_row_of_the_table_is_used():
    assert set(buckets(torch.arange(-200, 201), 32, 128).tolist()) == set(range(32)) - {16}
    # a token is never behind itself, so that the first row of the second half is free


@torch.no_grad()
def test_only_the_distance_between_tokens_counts(t5):
    moved = t5.distances(9)
    assert torch.equal(moved[..., 1:, 1:], moved[..., :-1, :-1])
    assert moved.shape == (1, 3, 9, 9)
    assert not torch.equal(moved[..., 0, 1], moved[..., 1, 0])  # before is not behind


@torch.no_grad()
def test_masked_padding_never_changes_real_tokens(t5):
    ids = torch.tensor([[5, 6, 7, 1, 0, 0]])
    short = t5.embed(ids[:, :4])
    mask = ids != 0
    assert torch.allclose(t5.embed(ids, mask)[:, :4], short, atol=1e-5)
    other = torch.tensor([[5, 6, 7, 1, 9, 9]])
    assert torch.allclose(t5.embed(other, mask)[:, :4], short, atol=1e-5)
    assert not torch.allclose(t5.embed(ids)[:, :4], short, atol=1e-2)


@torch.no_grad()
def test_neighbours_in_the_batch_change_nothing(t5):
    ids = torch.tensor([[5, 6, 1, 0], [7, 8, 9, 1]])
    both = t5.embed(ids, ids != 0)
    assert torch.allclose(both[1:], t5.embed(ids[1:]), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("padding", [Masked(), MaskedLater(), Unmasked()], ids=lambda p: p.kind)
def test_prompts_have_the_system_s_length_and_mask(padding, sentence_pieces):
    torch.manual_seed(0)
    model = replace(CONFIG, padding=padding, tokenizer=str(sentence_pieces)).build()
    found = model(["a red", "the blue cube jumps over the grey floor"])
    ids = model.prompts(["a red"]).ids
    assert found.tokens.shape == (2, 9, 12)
    assert found.cut[0] == "" and found.cut[1].endswith("floor")
    assert found.pooled is None and model.unknown("xyzzy") == ()
    assert (found.mask is None) is isinstance(padding, Unmasked)
    known = padding.encoder(ids != 0)
    assert torch.allclose(found.tokens[:1], model.embed(ids, known), atol=1e-5)


@torch.no_grad()
def test_the_null_caption_is_an_empty_prompt_and_a_negative_one_is_read(sentence_pieces):
    torch.manual_seed(0)
    model = replace(CONFIG, tokenizer=str(sentence_pieces)).build()
    like = model(["a red", "a heron"])
    empty, negative = model.empty(like), model.empty(like, "grey")
    assert torch.equal(empty.tokens[1], model([""]).tokens[0])
    assert empty.mask is not None and negative.mask is not None
    assert empty.mask.sum(1).tolist() == [1, 1]  # its end alone
    assert negative.mask.sum(1).tolist() == model(["grey"] * 2).mask.sum(1).tolist()
    assert not torch.allclose(negative.tokens, empty.tokens)


@torch.no_grad()
def test_a_learned_null_caption_is_as_long_as_the_prompt(sentence_pieces):  # Open-Sora 1.2
    model = replace(CONFIG, null=LearnedNull(), tokenizer=str(sentence_pieces)).build()
    like = model(["a red", "a heron lands"])
    empty = model.empty(like)
    assert empty.mask is like.mask  # not that of an empty prompt
    assert torch.equal(empty.tokens[0], model.null.table) and empty.cut == ("", "")
    assert "null.table" in model.state_dict()
    negative = model.empty(like, "grey")
    assert torch.equal(negative.tokens[0], model(["grey"]).tokens[0])
    with pytest.raises(ConfigError, match="captions of 10 tokens: expected 9 at most"):
        model.empty(TextEmbedding(torch.zeros(1, 10, 12)))


@torch.no_grad()
def test_no_negative_prompt_can_be_no_token(sentence_pieces):  # LTX-Video
    model = replace(CONFIG, null=ZeroNull(), tokenizer=str(sentence_pieces)).build()
    empty = model.empty(model(["a red"]))
    assert not empty.tokens.any() and empty.mask is not None and not empty.mask.any()


def test_half_precision_stays_half_precision(t5):
    found = t5.bfloat16().embed(torch.tensor([[5, 6, 1, 0]]), torch.tensor([[True] * 3 + [False]]))
    assert found.dtype == torch.bfloat16 and bool(found.isfinite().all())
