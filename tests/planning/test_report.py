"""A plan says what a recipe costs at a setting."""

import pytest

from kineograph import recipes
from kineograph.config import override
from kineograph.planning.machine import Machine
from kineograph.planning.report import Setting, branches, plan, read

ON = Machine(name="one", speed=1e12, share=1.0)
SETTING = Setting(frames=17, height=64, width=64, steps=24)
ALWAYS = override(recipes.get("toybox"), "guidance.interval=null")


@pytest.fixture(scope="module")
def found():
    return plan(ALWAYS, SETTING, ON)


def test_shapes(found):
    assert found.latents == (24, 5, 8, 8)
    assert (found.tokens, found.d_info, found.d_token) == (80, 32, 1024)


def test_a_stage_takes_as_many_passes_as_there_are_steps(found):
    denoise = found.stages[1]
    assert denoise.passes == 24 and denoise.seconds == denoise.flops / 1e12


def test_the_hungriest_stage_counts_and_encoding_only_where_pictures_are_given(found):
    peaks = {stage.name: stage.peak for stage in found.stages}
    assert found.peak == found.weights + max(peaks["text"], peaks["denoise"], peaks["decode"])
    used = sum(stage.seconds for stage in found.stages if stage.name != "encode")
    assert found.seconds == pytest.approx(used)


def test_guidance_by_the_text_takes_two_samples_where_it_guides():
    latents = (24, 5, 8, 8)
    assert branches(ALWAYS, 24, latents) == [2] * 24
    late = override(ALWAYS, "guidance.interval=[0.0, 0.5]", "sampling.schedule={kind: even}")
    assert branches(late, 4, latents) == [1, 1, 2, 2]


def test_steps_without_guidance_cost_half_as_much(found):
    half = plan(override(ALWAYS, "guidance.interval=[0.0, 0.0]"), SETTING, ON)
    assert half.stages[1].flops == found.stages[1].flops // 2


def test_something_else_than_a_text_encoder_is_refused():
    with pytest.raises(TypeError, match="text encoder"):
        read("words")
