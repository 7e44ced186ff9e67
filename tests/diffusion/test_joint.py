"""Joint guidance takes text and frames away together and keeps the length it says."""

from dataclasses import replace

import pytest
import torch

from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.joint import AsGuided, FreeLength, Joint, WantedLength
from kineograph.types import Condition, Known, Step, TextEmbedding

STRENGTH = torch.zeros(2, 1, 3, 2, 2)
STRENGTH[:, :, 0] = 1.0
KNOWN = Known(torch.randn(2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(1)), STRENGTH)
CONDITION = Condition(TextEmbedding(torch.ones(2, 3, 4)), KNOWN, {"stride": torch.ones(2)})
EMPTY = TextEmbedding(torch.zeros(2, 3, 4))
STEP = Step(0, 1, torch.ones(1), torch.zeros(1))
NULL, WANTED = torch.randn(2, 2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
close = torch.testing.assert_close


def length(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).norm(dim=1)


def test_the_null_branch_knows_neither_text_nor_frames_but_the_facts():
    null, wanted = Joint().branches(CONDITION, EMPTY, STEP)
    assert null.text is EMPTY and null.known is None
    assert null.facts is CONDITION.facts and wanted is CONDITION


def test_a_scale_of_one_is_no_guidance_and_costs_one_branch():
    joint = Joint(scale=1.0)
    assert joint.branches(CONDITION, EMPTY, STEP) == (CONDITION,)
    assert joint.combine((WANTED,), STEP, CONDITION) is WANTED
    assert joint.combine((NULL, WANTED), STEP, CONDITION) is WANTED


def test_without_given_frames_it_is_classifier_free_guidance():
    free = replace(CONDITION, known=None)
    joint = Joint(scale=3.0, renormalise=AsGuided())
    found = joint.combine((NULL, WANTED), STEP, free)
    close(found, ClassifierFree(scale=3.0).combine((NULL, WANTED), STEP, free))


@pytest.mark.parametrize("rule", [WantedLength(), FreeLength()], ids=repr)
def test_the_direction_is_that_of_guidance(rule):
    guided = Joint(renormalise=AsGuided()).combine((NULL, WANTED), STEP, CONDITION)
    found = Joint(renormalise=rule).combine((NULL, WANTED), STEP, CONDITION)
    close(torch.cosine_similarity(found.flatten(1), guided.flatten(1)), torch.ones(2))


def test_the_length_is_each_samples_own_with_or_without_given_frames():
    found = Joint(renormalise=WantedLength()).combine((NULL, WANTED), STEP, CONDITION)
    close(length(found), length(WANTED))
    found = Joint().combine((NULL, WANTED), STEP, CONDITION)
    close(length(found[:, :, 1:]), length(WANTED[:, :, 1:]))
    found = Joint().combine((NULL, WANTED), STEP, replace(CONDITION, known=None))
    close(length(found), length(WANTED))


def test_a_sample_of_zeros_stays_zero():
    nothing = torch.zeros_like(WANTED)
    assert not Joint().combine((nothing, nothing), STEP, CONDITION).any()
