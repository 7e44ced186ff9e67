"""Seeds decide scenes; held-out combinations never reach training."""

import itertools
import random
from collections import Counter

import pytest

from kineograph.errors import ConfigError
from kineograph.toybox import drawing
from kineograph.toybox.rules import distinct, in_view
from kineograph.toybox.scene import Colour, Motion, Shape, words
from kineograph.toybox.world import combination_held_out, is_held_out, sample_scene

LEVEL_1 = list(itertools.product(words(Shape), drawing.LEVEL_1_COLOURS, drawing.LEVEL_1_MOTIONS))
EVERY = list(itertools.product(words(Shape), words(Colour), words(Motion)))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_seed_decides_its_scene(level: int) -> None:
    assert sample_scene(level, 7) == sample_scene(level, 7)
    assert sample_scene(level, 7) != sample_scene(level, 8)


@pytest.mark.parametrize("triples", [LEVEL_1, EVERY], ids=["level 1", "all"])
def test_about_a_tenth_of_the_combinations_is_held_out(
    triples: list[tuple[Shape, Colour, Motion]],
) -> None:
    share = sum(combination_held_out(*triple) for triple in triples) / len(triples)
    assert 0.08 <= share <= 0.12


def test_the_held_out_combinations_never_change() -> None:
    assert combination_held_out("ball", "purple", "left")
    assert combination_held_out("cube", "white", "still")
    assert not combination_held_out("ball", "red", "left")
    assert sum(combination_held_out(*triple) for triple in LEVEL_1) == 24


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["shape", "colour", "motion"])
def test_every_word_of_level_1_is_seen_in_training(kind: int) -> None:
    seen = {triple[kind] for triple in LEVEL_1 if not combination_held_out(*triple)}
    assert seen == {triple[kind] for triple in LEVEL_1}


def test_training_scenes_are_never_held_out() -> None:
    assert not any(is_held_out(sample_scene(1, seed)) for seed in range(2000))
    assert not any(is_held_out(sample_scene(3, seed)) for seed in range(4))


def test_measuring_scenes_are_always_held_out() -> None:
    assert all(is_held_out(sample_scene(1, seed, held_out=True)) for seed in range(200))
    assert is_held_out(sample_scene(2, 0, held_out=True))


def test_without_a_wish_both_kinds_come() -> None:
    kinds = Counter(is_held_out(sample_scene(1, seed, held_out=None)) for seed in range(600))
    assert 0.04 < kinds[True] / 600 < 0.2


def test_level_1_has_its_words_and_no_others() -> None:
    toys = [sample_scene(1, seed).toys[0] for seed in range(600)]
    assert {toy.shape for toy in toys} == set(words(Shape))
    assert {toy.colour for toy in toys} == set(drawing.LEVEL_1_COLOURS)
    assert {toy.motion for toy in toys} == set(drawing.LEVEL_1_MOTIONS)
    assert {toy.size for toy in toys} == {"medium", "large"}


def test_level_1_toys_stay_in_the_picture() -> None:
    assert all(in_view(sample_scene(1, seed)) for seed in range(60))


def test_higher_levels_draw_every_word() -> None:
    scenes = [drawing.toys_and_cameras(random.Random(seed), seed) for seed in range(400)]
    assert {scene.toys[0].motion for scene in scenes} == set(words(Motion))
    assert {scene.camera.move for scene in scenes} == set(drawing.MOVES)
    assert {scene.floor.kind for scene in scenes} == set(drawing.FLOORS)
    company = [drawing.company(random.Random(seed), seed) for seed in range(100)]
    kinds = {scene.relation.kind for scene in company if scene.relation}
    assert kinds == set(drawing.RELATIONS)
    assert {len(scene.toys) for scene in company} == {2, 3}


@pytest.mark.parametrize(("toys", "held_out"), [(2, True), (3, False), (3, True)])
def test_company_has_as_many_toys_as_asked_for(toys: int, held_out: bool) -> None:
    scene = sample_scene(3, 5, held_out=held_out, toys=toys)
    assert len(scene.toys) == toys and is_held_out(scene) == held_out
    assert scene == sample_scene(3, 5, held_out=held_out, toys=toys)
    assert in_view(scene) and distinct(scene)


@pytest.mark.parametrize(("level", "toys"), [(1, 2), (2, 3), (3, 1), (3, 4)])
def test_more_toys_than_a_level_has_are_refused(level: int, toys: int) -> None:
    with pytest.raises(ConfigError, match=f"{toys} toys of level {level}"):
        sample_scene(level, 1, toys=toys)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match="level: 4; expected one of 1, 2, 3"):
        sample_scene(4, 0)
