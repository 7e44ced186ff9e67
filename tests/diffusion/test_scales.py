"""One number from outside changes the main scale of every kind of guidance, or is refused."""

import pytest

from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.joint import AsGuided, Joint
from kineograph.diffusion.negatives import Steady, Swinging, TwoNegatives
from kineograph.diffusion.skip_layer import Phase, SkipLayer
from kineograph.errors import ConfigError

ONE = SkipLayer(phases=(Phase(since=0.5, skip=2.0), Phase(rescale=0.1)))
SEVERAL = SkipLayer(phases=(Phase(since=0.5, text=8.0), Phase(text=1.0)))


@pytest.mark.parametrize(
    ("guidance", "scaled"),
    [
        (Off(), ClassifierFree(scale=5.0)),
        (ClassifierFree(scale=2.0, rescale=0.5), ClassifierFree(scale=5.0, rescale=0.5)),
        (Joint(renormalise=AsGuided()), Joint(scale=5.0, renormalise=AsGuided())),
        (
            TwoNegatives(text=Swinging(value=7.5, settle=3), given=Steady(value=2.0)),
            TwoNegatives(text=Swinging(value=5.0, settle=3), given=Steady(value=2.0)),
        ),
        (TwoNegatives(text=Steady(value=7.5)), TwoNegatives(text=Steady(value=5.0))),
        (
            ONE,
            SkipLayer(phases=(Phase(since=0.5, text=5.0, skip=2.0), Phase(text=5.0, rescale=0.1))),
        ),
    ],
    ids=lambda one: one.kind,
)
def test_the_main_scale_is_replaced_and_nothing_else(guidance, scaled):
    assert guidance.scaled(5.0) == scaled
    assert scaled.scale == 5.0


def test_phases_with_scales_of_their_own_have_no_main_one():
    assert SEVERAL.scale is None
    with pytest.raises(ConfigError, match=r"guidance 5: .* 2 phases .* 8, 1; .*phases\.0\.text=5"):
        SEVERAL.scaled(5.0)


def test_only_skipped_layers_disturb_blocks():
    every = [Off(), ClassifierFree(scale=2.0), Joint(), TwoNegatives(), SkipLayer(blocks=30)]
    assert [guidance.disturbs for guidance in every] == [0, 0, 0, 0, 30]
