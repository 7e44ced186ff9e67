"""Skip-layer guidance runs the branches that do something, and combines them as published."""

import pytest
import torch

from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.skip_layer import EveryLast, Phase, Projected, SkipLayer
from kineograph.errors import ConfigError
from kineograph.types import Condition, Inside, Step, TextEmbedding

CONDITION = Condition(
    TextEmbedding(torch.ones(2, 3, 4)), inside=Inside(features=(torch.ones(2, 1),))
)
EMPTY = TextEmbedding(torch.zeros(2, 3, 4))
NEGATIVE, WANTED, DISTURBED = torch.randn(
    3, 2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0)
)
close = torch.testing.assert_close


def step(time: float) -> Step:
    return Step(0, 1, torch.full((1, 1, 1, 1, 1), time), torch.zeros(1))


def guidance(**said: float) -> SkipLayer:
    return SkipLayer(blocks=5, phases=(Phase(layers=(1, 3), **said),))


def test_only_the_last_branch_is_disturbed_and_only_in_its_layers():
    negative, wanted, disturbed = guidance().branches(CONDITION, EMPTY, step(1.0))
    assert negative.text is EMPTY and wanted.text is disturbed.text is CONDITION.text
    for branch in (negative, wanted):
        assert (branch.inside.skip.keep == 1).all()
    rows = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    close(disturbed.inside.skip.keep, rows[:, None].expand(5, 2))
    assert disturbed.inside.features is CONDITION.inside.features
    stacked = negative.stack(wanted, disturbed).inside.skip.keep
    assert stacked[1].tolist() == [1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("text", "skip", "count"), [(1.0, 0.0, 1), (3.0, 0.0, 2), (1.0, 1.0, 2), (3.0, 1.0, 3)]
)
def test_a_scale_that_does_nothing_costs_no_branch(text, skip, count):
    branches = guidance(text=text, skip=skip).branches(CONDITION, EMPTY, step(1.0))
    assert len(branches) == count


def test_without_any_scale_the_output_is_the_conditions_own():
    found = guidance(text=1.0, skip=0.0).combine((WANTED,), step(1.0), CONDITION)
    assert found is WANTED


def test_both_scales_lead_away_from_what_their_branch_says():
    chosen = guidance(text=3.0, skip=2.0, rescale=0.0)
    found = chosen.combine((NEGATIVE, WANTED, DISTURBED), step(1.0), CONDITION)
    close(found, NEGATIVE + 3 * (WANTED - NEGATIVE) + 2 * (WANTED - DISTURBED))


def test_without_disturbed_layers_it_is_classifier_free_guidance():
    found = guidance(text=3.0, skip=0.0).combine((NEGATIVE, WANTED), step(1.0), CONDITION)
    plain = ClassifierFree(scale=3.0).combine((NEGATIVE, WANTED), step(1.0), CONDITION)
    close(found, plain)


def test_full_rescaling_gives_each_sample_the_spread_of_the_wanted_output():
    chosen = guidance(text=7.0, skip=2.0, rescale=1.0)
    found = chosen.combine((NEGATIVE, 5 * WANTED, DISTURBED), step(1.0), CONDITION)
    close(found.flatten(1).std(1), 5 * WANTED.flatten(1).std(1))


@pytest.mark.parametrize(("time", "text"), [(1.0, 1.0), (0.97, 6.0), (0.9, 6.0), (0.5, 8.0)])
def test_the_first_phase_that_is_reached_counts(time, text):
    phases = tuple(
        Phase(since=since, text=value, layers=()) for since, value in ((1, 1), (0.9, 6), (0.4, 8))
    )
    assert SkipLayer(phases=phases).at(step(time)).text == text


def test_below_all_phases_the_last_one_counts():
    phases = (Phase(since=0.9), Phase(since=0.5, text=8.0))
    assert SkipLayer(phases=phases).at(step(0.1)).text == 8.0


def test_held_cells_do_not_change_the_phase():
    times = torch.tensor([0.0, 0.95, 0.95]).view(1, 1, 3, 1, 1)
    phases = (Phase(since=0.9, text=2.0), Phase(text=8.0))
    assert SkipLayer(phases=phases).at(Step(0, 1, times, times)).text == 2.0


def test_a_projected_negative_leaves_a_difference_at_right_angles():
    scaled = Projected()(NEGATIVE, WANTED)
    close((scaled * (WANTED - scaled)).flatten(1).sum(1), torch.zeros(2), atol=1e-4, rtol=0.0)
    close(Projected()(WANTED, WANTED), WANTED)


def test_the_references_count_of_rows_is_ours_for_a_single_sample():
    for branch in range(3):
        assert EveryLast().rows(1, 3, branch).tolist() == [branch == 2]
    rows = torch.cat([EveryLast().rows(2, 3, branch) for branch in range(3)])
    assert rows.nonzero().flatten().tolist() == [2, 5]


def test_layers_that_the_denoiser_lacks_are_refused():
    with pytest.raises(ConfigError, match=r"layers \[28\]: expected numbers from 0 to 27"):
        SkipLayer(phases=(Phase(layers=(3, 28)),))
    with pytest.raises(ConfigError, match="at least one"):
        SkipLayer(phases=())
