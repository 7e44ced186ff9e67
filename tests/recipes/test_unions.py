"""Every denoiser and injection can stand in a recipe, and pairs that cannot work are refused."""

from dataclasses import replace

import pytest

from kineograph import recipes
from kineograph.conditioning.channels import GivenChannels
from kineograph.conditioning.injections import HeldFrames
from kineograph.conditioning.joining import JoiningFrames
from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.config import from_data, to_data
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config
from kineograph.denoisers.stiv import STIVConfig
from kineograph.recipes.recipe import Recipe

DENOISERS = [
    LTXConfig(),
    MMDiTConfig(),
    SkiparseConfig(),
    STDiTConfig(),
    STDiT1Config(),
    STDiT2Config(),
    STIVConfig(),
]
INJECTIONS = [HeldFrames(), GivenChannels(), JoiningFrames(), MaskedVideo(), ReplacedFrames()]


@pytest.mark.parametrize("denoiser", DENOISERS, ids=lambda one: one.kind)
def test_a_denoiser_comes_back_from_a_recipe_file(denoiser: LTXConfig) -> None:
    recipe = replace(recipes.get("toybox"), denoiser=denoiser)
    assert from_data(Recipe, to_data(recipe)) == recipe


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda one: one.kind)
def test_an_injection_comes_back_from_a_recipe_file(injection: HeldFrames) -> None:
    recipe = replace(recipes.get("toybox"), injection=injection)
    assert from_data(Recipe, to_data(recipe)) == recipe


def test_frames_with_times_of_their_own_need_a_finer_clock_than_one_per_sample() -> None:
    needed = {type(one).__name__: one.clock for one in INJECTIONS}
    assert needed == {
        "HeldFrames": "frame",
        "GivenChannels": "sample",
        "JoiningFrames": "frame",
        "MaskedVideo": "sample",
        "ReplacedFrames": "sample",
    }
