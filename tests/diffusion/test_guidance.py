"""Guidance asks for the branches it needs and combines them as its papers say."""

import re

import pytest
import torch

from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.errors import ConfigError
from kineograph.types import Condition, Step, TextEmbedding

CONDITION = Condition(TextEmbedding(torch.ones(2, 3, 4)))
EMPTY = TextEmbedding(torch.zeros(2, 3, 4))
STEP = Step(0, 1, torch.ones(1), torch.zeros(1))
NULL, WANTED = torch.randn(2, 2, 4, 1, 3, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("guidance", [Off(), ClassifierFree(scale=1.0)], ids=repr)
def test_a_scale_of_one_is_no_guidance_and_costs_one_branch(guidance):
    assert guidance.branches(CONDITION, EMPTY, STEP) == (CONDITION,)
    assert guidance.combine((WANTED,), STEP, CONDITION) is WANTED


def test_the_null_branch_keeps_everything_but_the_text():
    null, wanted = ClassifierFree(scale=3.0).branches(CONDITION, EMPTY, STEP)
    assert null.text is EMPTY and wanted is CONDITION
    assert null.facts is CONDITION.facts and null.known is CONDITION.known


def test_guidance_walks_on_from_null_through_wanted():
    found = ClassifierFree(scale=3.0).combine((NULL, WANTED), STEP, CONDITION)
    torch.testing.assert_close(found, 3 * WANTED - 2 * NULL)


def test_full_rescaling_brings_back_each_samples_own_spread():
    found = ClassifierFree(scale=7.0, rescale=1.0).combine((NULL, WANTED), STEP, CONDITION)
    torch.testing.assert_close(found.flatten(1).std(1), WANTED.flatten(1).std(1))


@pytest.mark.parametrize(("time", "looks"), [(0.9, 1), (0.75, 2), (0.5, 2), (0.25, 2), (0.1, 1)])
def test_outside_its_interval_the_condition_is_all_there_is(time, looks):
    guidance = ClassifierFree(scale=3.0, interval=(0.2, 0.8))
    step = Step(0, 1, torch.tensor([[0.0, time]]), torch.zeros(1, 2))  # the first frame is given
    outputs = (NULL, WANTED)[-looks:]
    assert len(guidance.branches(CONDITION, EMPTY, step)) == looks
    found = guidance.combine(outputs, step, CONDITION)
    torch.testing.assert_close(found, WANTED if looks == 1 else 3 * WANTED - 2 * NULL)


@pytest.mark.parametrize(
    ("interval", "nearest"), [((0.8, 0.2), "[0.2, 0.8]"), ((-1.0, 2.0), "[0, 1]")]
)
def test_an_interval_that_is_none_is_refused_with_the_nearest_one(interval, nearest):
    with pytest.raises(ConfigError, match=re.escape(f"nearest: {nearest}")):
        ClassifierFree(scale=3.0, interval=interval)
