"""What a stage of training takes: operations, hours, dollars."""

import pytest

from kineograph import recipes
from kineograph.planning.machine import Machine
from kineograph.planning.training import Run, runs

ON = Machine(name="one", speed=1e12, share=1.0, dollars=2.0)


def test_a_step_is_a_forward_and_two_backward_passes_and_what_was_forgotten():
    kept = Run(name="", flops=1e12, steps=3600, kept=True)
    assert kept.step_seconds(ON) == 3
    assert Run(name="", flops=1e12, steps=1).step_seconds(ON) == 4
    assert (kept.device_hours(ON), kept.dollars(ON)) == (3, 6)


def test_devices_that_share_a_batch_are_quicker_but_cost_the_same():
    alone = Run(name="", flops=1e12, steps=36, devices=1)
    shared = Run(name="", flops=1e12, steps=36, devices=4, group=4)
    assert shared.step_seconds(ON) == alone.step_seconds(ON) / 4
    assert shared.device_hours(ON) == pytest.approx(alone.device_hours(ON))


def test_every_stage_of_a_recipe_has_a_line():
    recipe = recipes.get("lab-image-kl")
    names = [run.name for run in runs(recipe)]
    stages = (*recipe.autoencoder_stages, *recipe.stages)
    assert len(names) == len(stages) and all(
        s.name in n for s, n in zip(stages, names, strict=True)
    )
