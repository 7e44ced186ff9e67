"""CLIP reads forwards: what follows the end of a text changes nothing that is pooled."""

from dataclasses import replace

import pytest
import torch

from kineograph.text.clip import CLIP, CLIPConfig
from kineograph.text.padding import Masked, Unmasked
from kineograph.text.pair import T5WithCLIPConfig
from kineograph.text.t5 import T5Config

CONFIG = CLIPConfig(vocabulary=519, width=12, heads=3, hidden=24, blocks=2, length=8)


@pytest.fixture
def clip() -> CLIP:
    torch.manual_seed(0)
    return CONFIG.build().eval()


@torch.no_grad()
def test_a_token_does_not_see_those_behind_it(clip):
    tokens, _ = clip.embed(torch.tensor([[517, 5, 6, 518], [517, 5, 9, 518]]))
    assert torch.allclose(tokens[0, :2], tokens[1, :2], atol=1e-5)
    assert not torch.allclose(tokens[0, 2:], tokens[1, 2:], atol=1e-2)


@torch.no_grad()
def test_the_first_end_is_pooled(clip):
    ids = torch.tensor([[517, 5, 518, 518, 518], [517, 5, 6, 7, 518]])
    tokens, pooled = clip.embed(ids)
    assert torch.equal(pooled, torch.stack((tokens[0, 2], tokens[1, 4])))


@torch.no_grad()
def test_places_matter(clip):
    _, pooled = clip.embed(torch.tensor([[517, 5, 6, 518], [517, 6, 5, 518]]))
    assert not torch.allclose(pooled[0], pooled[1], atol=1e-4)


@torch.no_grad()
def test_prompts_of_any_length_become_one_vector(byte_pairs):
    torch.manual_seed(0)
    model = replace(CONFIG, tokenizer=str(byte_pairs), padding=Masked()).build()
    found = model(["red ball", "red ball red ball red ball red ball", ""])
    assert found.pooled is not None and found.mask is not None
    assert found.tokens.shape == (3, 8, 12) and found.pooled.shape == (3, 12)
    assert found.mask.sum(1).tolist() == [4, 8, 2]
    assert found.cut == ("", "red ball", "")
    empty = model.empty(found)
    assert empty.pooled is not None
    assert torch.allclose(empty.pooled[0], found.pooled[2], atol=1e-5)


@torch.no_grad()
def test_a_pair_takes_tokens_from_one_and_the_pooled_vector_from_the_other(
    byte_pairs, sentence_pieces
):
    torch.manual_seed(0)
    t5 = T5Config(
        vocabulary=100,
        width=10,
        heads=2,
        head=4,
        hidden=8,
        blocks=1,
        length=12,
        padding=Unmasked(),
        tokenizer=str(sentence_pieces),
    )
    pair = T5WithCLIPConfig(t5=t5, clip=replace(CONFIG, tokenizer=str(byte_pairs))).build()
    found = pair(["a red ball", "the blue cube jumps"])
    tokens, pooled = pair.t5(["a red ball"]), pair.clip(["a red ball"])
    assert found.tokens.shape == (2, 12, 10) and found.mask is None
    assert torch.allclose(found.tokens[:1], tokens.tokens, atol=1e-5)
    assert found.pooled is not None and pooled.pooled is not None
    assert torch.allclose(found.pooled[:1], pooled.pooled, atol=1e-5)
    empty = pair.empty(found, "grey")
    assert empty.tokens.shape == found.tokens.shape and empty.pooled is not None
    assert torch.allclose(empty.pooled[1], pair.clip(["grey"]).pooled[0], atol=1e-5)
    assert found.cut[0] == "" and found.cut[1] != ""
