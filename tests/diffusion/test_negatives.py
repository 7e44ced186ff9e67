"""Two negatives: each scale leads away from what its branch lacks, and swings as it says."""

import pytest
import torch

from kineograph.diffusion.negatives import Steady, Swinging, TwoNegatives, rising
from kineograph.types import Condition, Known, Step, TextEmbedding

TEXT = TextEmbedding(torch.ones(2, 3, 4))
EMPTY = TextEmbedding(torch.zeros(2, 3, 4))
WANTED, NEGATIVE, BLIND = torch.randn(3, 2, 4, 5, 2, 2, generator=torch.Generator().manual_seed(0))
CALM = TwoNegatives(text=Steady(value=7.5), given=Steady(value=3.0), rising=False)


def step(index, count=20):
    return Step(index, count, torch.ones(1), torch.zeros(1))


def known(*frames):
    """Two samples; of the first one the given frames, of the second one nothing."""
    strength = torch.zeros(2, 1, 5, 2, 2)
    strength[0, :, list(frames)] = 1.0
    return Known(torch.zeros(2, 4, 5, 2, 2), strength)


def test_the_negatives_lack_the_words_and_then_the_given_frames_too():
    condition = Condition(TEXT, known=known(0))
    wanted, negative, blind = CALM.branches(condition, EMPTY, step(0))
    assert wanted is condition
    assert negative.text is EMPTY and negative.known is condition.known
    assert blind.text is EMPTY and blind.known is None


def test_both_scales_lead_away_from_what_their_branch_lacks():
    found = CALM.combine((WANTED, NEGATIVE, BLIND), step(0), Condition(TEXT, known=known(0)))
    expected = BLIND + 3.0 * (NEGATIVE - BLIND) + 7.5 * (WANTED - NEGATIVE)
    torch.testing.assert_close(found, expected)


def test_without_given_frames_a_branch_is_saved_and_nothing_else_changes():
    condition = Condition(TEXT)
    assert len(CALM.branches(condition, EMPTY, step(0))) == 2
    assert len(CALM.branches(Condition(TEXT, known=known()), EMPTY, step(0))) == 2
    found = CALM.combine((WANTED, NEGATIVE), step(0), condition)
    three = CALM.combine((WANTED, NEGATIVE, NEGATIVE), step(0), Condition(TEXT, known=known()))
    torch.testing.assert_close(found, three)


def test_at_steps_where_both_scales_rest_the_condition_alone_is_run():
    guidance, condition = TwoNegatives(), Condition(TEXT, known=known(0))
    counts = [len(guidance.branches(condition, EMPTY, step(index))) for index in range(8, 14)]
    assert counts == [3, 3, 3, 1, 3, 1]
    assert guidance.combine((WANTED,), step(11), condition) is WANTED


def test_the_words_still_lead_where_only_the_given_frames_rest():
    guidance = TwoNegatives(text=Steady(value=7.5))
    condition = Condition(TEXT, known=known(0))
    assert len(guidance.branches(condition, EMPTY, step(11))) == 2
    found = guidance.combine((WANTED, NEGATIVE), step(11), condition)
    torch.testing.assert_close(found, NEGATIVE + 7.5 * (WANTED - NEGATIVE))


def test_a_swinging_scale_rests_at_one_at_odd_steps_once_settled():
    scale = Swinging(value=7.5, settle=3)
    assert [scale.at(index) for index in range(8)] == [7.5, 7.5, 7.5, 1, 7.5, 1, 7.5, 1]


def test_the_scale_rises_along_the_frames_to_a_top_that_falls():
    first, last = (rising(3.0, step(index, 4), 5) for index in (0, 3))
    assert first.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert last[0] == 1.0 and last[-1] == pytest.approx(1.5)  # never quite 1


def test_only_samples_with_single_given_frames_rise():
    guidance = TwoNegatives(given=Steady(value=3.0))
    assert guidance.frames(step(0), known(0, 4))[0].flatten().tolist() == [1, 1.5, 2, 2.5, 3]
    run = guidance.frames(step(0), known(0, 1, 2))
    assert run[0].flatten().tolist() == [3.0] * 5
    assert run[1].flatten().tolist() == [1, 1.5, 2, 2.5, 3]  # its own rule, not its neighbour's


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_a_scale_of_at_most_one_does_not_rise(scale):
    found = TwoNegatives(given=Steady(value=scale)).frames(step(0), known(0))
    assert found.flatten().tolist() == [scale] * 5


def test_a_swung_scale_does_not_rise_while_it_rests():
    guidance = TwoNegatives()
    assert guidance.frames(step(11), known(0)).flatten().tolist() == [1.0] * 5
    assert guidance.frames(step(12), known(0))[0, 0, -1] > 1.0
