"""Every part can stand in a recipe, in a union that forgets none."""

from dataclasses import replace
from pathlib import Path

import pytest

import kineograph.conditioning
from kineograph import recipes
from kineograph.conditioning.channels import GivenChannels, GivenEnds
from kineograph.conditioning.dropout import FirstFrame
from kineograph.conditioning.frame_masks import FrameMasks
from kineograph.conditioning.injections import HeldFrames
from kineograph.conditioning.joining import JoiningFrames
from kineograph.conditioning.keyframes import KeyFrames
from kineograph.conditioning.mask_mix import MaskedClips
from kineograph.conditioning.masked_video import GivenNoise, MaskedVideo
from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.conditioning.token_dropping import FixedCount, SpatialDropping, TemporalDropping
from kineograph.config import from_data, override, to_data
from kineograph.data.buckets import BucketTable, Length, Row
from kineograph.data.min_max import EqualTokens
from kineograph.data.token_plans import EqualTokenBatches, MinMaxTokens
from kineograph.denoisers.laboratory import LaboratoryConfig
from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.stdit import STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config
from kineograph.denoisers.stiv import STIVConfig
from kineograph.denoisers.structure import StructureConfig
from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.joint import Joint
from kineograph.diffusion.negatives import TwoNegatives
from kineograph.diffusion.skip_layer import Phase, SkipLayer
from kineograph.optimisers.clipping import AdaptiveClip
from kineograph.optimisers.kinds import Adafactor, AdamW, Muon
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Bound, Same, Schedule, Smaller, Subset, Validation

PARTS = {
    "denoiser": [
        LTXConfig(),
        MMDiTConfig(),
        SkiparseConfig(),
        STDiTConfig(),
        STDiT1Config(),
        STDiT2Config(),
        STIVConfig(),
        LaboratoryConfig(),
    ],
    "injection": [
        HeldFrames(),
        GivenChannels(),
        JoiningFrames(),
        KeyFrames(),
        MaskedVideo(),
        ReplacedFrames(),
    ],
    "guidance": [
        Off(),
        ClassifierFree(scale=3.0),
        Joint(),
        TwoNegatives(),
        SkipLayer(phases=(Phase(since=0.5), Phase(text=1.0))),
    ],
    "controller": [None, StructureConfig()],
}
BUCKETS = BucketTable(rows=(Row(size="144p", lengths=(Length(frames=51, batch=4, keep=0.5),)),))
EQUAL = EqualTokens(tokens=64)
STAGED = {
    "given": [FirstFrame(), FrameMasks(), GivenEnds(), MaskedClips(noise=GivenNoise())],
    "buckets": [None, BUCKETS, MinMaxTokens(), EqualTokenBatches(tokens=EQUAL)],
    "parents": [None, Same(folder="one"), Smaller(space="one", time="other")],
    "subset": [None, Subset(first=9, bounds=(Bound(field="scores.motion", least=0.5),))],
    "validation": [None, Validation()],
    "schedule": [
        Schedule(steps=1, batch=1, rate=0.1, optimiser=one, outliers=AdaptiveClip())
        for one in (AdamW(), Adafactor(), Muon())
    ],
    "dropping": [None, SpatialDropping(), TemporalDropping(), FixedCount(tokens=4)],
}
EVERY = [(role, part) for role, parts in PARTS.items() for part in parts]
STEPS = [(name, part) for name, parts in STAGED.items() for part in parts]


@pytest.mark.parametrize(("role", "part"), EVERY, ids=lambda one: getattr(one, "kind", one))
def test_a_part_comes_back_from_a_recipe_file(role, part):
    recipe = replace(recipes.get("toybox"), **{role: part})
    assert from_data(Recipe, to_data(recipe)) == recipe


@pytest.mark.parametrize(("name", "part"), STEPS, ids=lambda one: getattr(one, "kind", one))
def test_what_a_stage_draws_comes_back_from_a_recipe_file(name, part):
    toybox = recipes.get("toybox")
    recipe = replace(toybox, stages=(replace(toybox.stages[0], **{name: part}),))
    assert from_data(Recipe, to_data(recipe)) == recipe


def test_no_injection_is_forgotten():
    """Whatever says which clock it needs is an injection."""
    folder = Path(kineograph.conditioning.__file__).parent
    files = [path.read_text() for path in folder.glob("*.py")]
    assert sum(text.count("    clock: ClassVar[Clock]") for text in files) == len(
        PARTS["injection"]
    )


def test_every_kind_of_guidance_is_chosen_on_the_command_line():
    recipe = recipes.get("toybox")
    for part in PARTS["guidance"]:
        wish = (
            "{kind: classifier_free, scale: 3}" if isinstance(part, ClassifierFree) else part.kind
        )
        path = "guidance" if isinstance(part, ClassifierFree) else "guidance.kind"
        assert type(override(recipe, f"{path}={wish}").guidance) is type(part)
