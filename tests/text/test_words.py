"""Words are found, or marked as unknown; padding and neighbours change nothing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.text.words import PADDING, START, UNKNOWN, Words, WordsConfig
from kineograph.types import TextEmbedding

CONFIG = WordsConfig(vocabulary=("a", "ball", "red", "rolls"), length=5, width=16, heads=2)


@pytest.fixture
def words() -> Words:
    torch.manual_seed(0)
    return CONFIG.build().eval()


def real(found: TextEmbedding, row: int) -> Tensor:
    """The real tokens of one prompt, (L', D)."""
    assert found.mask is not None
    return found.tokens[row, found.mask[row]]


def test_words_are_read_without_case_and_punctuation() -> None:
    assert Words.split("A RED ball, rolls... (to-day)!") == ["a", "red", "ball", "rolls", "to-day"]
    assert Words.split("the ball's 2nd - roll") == ["the", "ball's", "2nd", "roll"]
    assert Words.split("  ?! ") == []


def test_ids_count_the_vocabulary_after_the_special_ones(words: Words) -> None:
    ids, cut = words.tokenise(["a red ball", ""])
    assert ids.tolist() == [[START, 3, 5, 4, PADDING, PADDING], [START] + [PADDING] * 5]
    assert cut == ("", "")


def test_unknown_words_are_named_and_become_one_id(words: Words) -> None:
    assert words.unknown("A scarlet ball rolls Away") == ("scarlet", "away")
    ids, _ = words.tokenise(["scarlet ball", "azure ball"])
    assert ids[:, 1].tolist() == [UNKNOWN, UNKNOWN]
    found = words(["scarlet ball", "azure ball", "red ball"])
    assert torch.equal(found.tokens[0], found.tokens[1])
    assert not torch.allclose(found.tokens[0], found.tokens[2])


def test_what_does_not_fit_is_cut_off_and_told(words: Words) -> None:
    found = words(["a red ball rolls", "a red red red ball rolls far"])
    assert found.cut == ("", "rolls far")
    assert found.tokens.shape == (2, 6, 16)
    shorter = words(["a red red red ball"])
    assert torch.allclose(real(found, 1), real(shorter, 0), atol=1e-6)


def test_shapes_follow_the_longest_prompt(words: Words) -> None:
    found = words(["red ball", "a"])
    assert found.tokens.shape == (2, 3, 16) and found.mask is not None
    assert found.mask.tolist() == [[True, True, True], [True, True, False]]
    assert found.pooled is not None
    assert torch.equal(found.pooled, found.tokens[:, 0])


def test_padding_and_neighbours_do_not_change_a_prompt(words: Words) -> None:
    alone, among = words(["red ball"]), words(["a red ball rolls", "red ball", ""])
    assert torch.allclose(real(alone, 0), real(among, 1), atol=1e-6)
    assert alone.pooled is not None and among.pooled is not None
    assert torch.allclose(alone.pooled[0], among.pooled[1], atol=1e-6)


def test_words_and_their_order_matter(words: Words) -> None:
    found = words(["a red ball", "red a ball", "a red a"])
    assert found.pooled is not None
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(found.pooled[one], found.pooled[other], atol=1e-3)


def test_the_null_caption_has_the_shape_of_the_others(words: Words) -> None:
    like = words(["a red ball", "a"])
    empty = words.empty(like)
    assert empty.tokens.shape == like.tokens.shape and empty.mask is not None
    assert empty.mask.tolist() == [[True, False, False, False]] * 2
    alone = words([""])
    assert alone.pooled is not None and empty.pooled is not None
    assert torch.allclose(real(empty, 1), real(alone, 0), atol=1e-6)
    assert torch.allclose(empty.pooled, alone.pooled.expand(2, -1), atol=1e-6)


def test_a_negative_caption_is_read(words: Words) -> None:
    like = words(["a red ball rolls"])
    negative = words.empty(like, "red ball")
    assert torch.allclose(real(negative, 0), real(words(["red ball"]), 0), atol=1e-6)
    longer = words.empty(words(["a"]), "a red ball")
    assert longer.tokens.shape == (1, 2, 16), "cut to the shape of the others"


def test_a_prompt_that_is_no_list_is_refused(words: Words) -> None:
    with pytest.raises(TypeError, match="a list of sentences is expected, not one string"):
        words("a red ball")


def test_every_weight_learns_also_from_the_null_caption() -> None:
    torch.manual_seed(0)
    words = CONFIG.build()
    found = words(["a red ball rolls unseen", ""])
    tokens = torch.cat([real(found, 0), real(found, 1)])
    torch.autograd.backward((tokens * torch.randn_like(tokens)).sum())
    still = [n for n, p in words.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    assert words.words.weight.grad is not None
    assert not words.words.weight.grad[PADDING].any(), "nothing attends to padding"


def test_a_seed_gives_the_encoder() -> None:
    def build(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return CONFIG.build().words.weight

    assert torch.equal(build(1), build(1)) and not torch.equal(build(1), build(2))


def test_words_of_sentences_are_added_once_behind_those_that_are_known() -> None:
    taught = CONFIG.taught(["A heron, red!", "the heron"])
    assert taught.vocabulary == ("a", "ball", "red", "rolls", "heron", "the")
    assert CONFIG.taught(["a ball"]) == CONFIG


def test_known_words_keep_their_vectors_and_new_ones_begin_anew(words: Words) -> None:
    torch.manual_seed(1)
    more = replace(CONFIG, vocabulary=("the", "red", "a", "ball", "rolls")).build()
    fresh = more.words.weight.detach().clone()
    more.load_state_dict(more.adopted(words.state_dict(), CONFIG.vocabulary))
    sentence = ["a red ball"]
    torch.testing.assert_close(more(sentence).tokens, words(sentence).tokens)
    assert torch.equal(more.words.weight[more.ids["the"]], fresh[more.ids["the"]])
    assert torch.equal(more.words.weight[:3], words.words.weight[:3])


def test_weights_of_another_encoder_are_left_as_they_are(words: Words) -> None:
    state = words.state_dict()
    assert words.adopted(state, ("a", "ball")) is state and words.adopted({}, ("a",)) == {}
