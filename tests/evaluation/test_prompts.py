"""Prompts are fixed, balanced, half held out, and ask for what is true."""

import hashlib
from collections import Counter

import pytest

from kineograph.errors import ConfigError
from kineograph.evaluation import prompt_sets, prompts
from kineograph.evaluation.reading import VALUES
from kineograph.toybox.captions import parse
from kineograph.toybox.world import is_held_out

LEVELS = (1, 2, 3)
EVERY = {level: prompts.load(level=level) for level in LEVELS}


def test_the_file_of_level_1_holds_what_its_function_makes():
    assert prompt_sets.make(1) == EVERY[1]


@pytest.mark.parametrize("level", LEVELS)
def test_prompts_are_what_their_seeds_make(level):
    for one in EVERY[level][:6]:
        toys = len(one.scene().toys) if level == 3 else None
        again = prompt_sets.prompt(one.level, one.seed, held_out=one.held_out, toys=toys)
        assert again == one


@pytest.mark.parametrize("level", LEVELS)
def test_half_of_the_prompts_are_held_out_and_none_is_said_twice(level):
    some = EVERY[level]
    assert len({one.text for one in some}) == len(some) == 400
    assert sum(one.held_out for one in some) == 200
    assert sum(one.held_out for one in some[:40]) == 20


@pytest.mark.parametrize("level", LEVELS)
def test_prompts_ask_for_what_is_true_of_their_scene(level):
    for one in EVERY[level][: 60 if level == 1 else 10]:
        assert one.asked.items() <= one.truth().items()
        assert is_held_out(one.scene()) == one.held_out
        assert parse(one.plain())["colour"] == one.asked["colour"]


@pytest.mark.parametrize("level", LEVELS)
def test_scenes_are_of_no_training_run(level):
    assert all(800_000_000 <= one.seed < 800_030_000 for one in EVERY[level])


def test_level_1_is_balanced():
    some = EVERY[1][:60]
    for held_out in (False, True):
        half = [one.asked for one in some if one.held_out == held_out]
        assert set(Counter(asked["motion"] for asked in half).values()) == {5}
        assert len(Counter(asked["shape"] for asked in half)) == 5
        assert all({"colour", "shape", "motion"} <= asked.keys() for asked in half)


def test_level_2_has_every_motion_camera_and_floor():
    some = EVERY[2]
    motions = Counter(one.truth()["motion"] for one in some[:26])
    assert set(motions.values()) == {2} and len(motions) == 13
    for name in ("camera", "floor", "backdrop", "colour", "shape"):
        said = {one.asked.get(name) for one in some} - {None}
        assert said == set(VALUES[name])


def test_level_3_asks_for_one_two_and_three_toys():
    counts = Counter(one.asked.get("count", "1") for one in EVERY[3])
    assert counts == {"1": 240, "2": 120, "3": 40}
    halves = Counter(one.asked.get("count", "1") for one in EVERY[3] if one.held_out)
    assert halves == {"1": 120, "2": 60, "3": 20}
    assert {one.level for one in EVERY[3]} == {1, 2, 3}
    related = [one for one in EVERY[3] if one.level == 3]
    said = {one.asked["relation"] for one in related if "relation" in one.asked}
    assert said == set(VALUES["relation"])
    assert all({"shape2", "colour2"} <= one.asked.keys() for one in related)


def test_some_are_terse_and_some_rich():
    for level in LEVELS:
        words = [len(one.text.split()) for one in EVERY[level]]
        assert min(words) <= 9 and max(words) >= (12 if level == 1 else 18)


@pytest.mark.parametrize("count", [0, 401])
def test_more_prompts_than_there_are_is_refused(count):
    with pytest.raises(ConfigError, match=f"{count} prompts: expected 1 to 400"):
        prompts.load(count)


def test_a_level_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"level 4: .* expected one of 1, 2, 3"):
        prompts.load(level=4)


def test_the_files_are_the_ones_that_older_cards_were_made_with():
    told = hashlib.sha256(prompts.file(1).read_bytes()).hexdigest()
    assert told.startswith("bf1dbfef8929")
