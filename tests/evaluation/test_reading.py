"""A sight answers under the sentence's names, whichever toy the reader saw first."""

import pytest
import torch

from kineograph.config import from_data, to_data
from kineograph.errors import ConfigError
from kineograph.evaluation import reader
from kineograph.evaluation.reading import (
    UNKNOWN,
    VALUES,
    Related,
    Said,
    Sight,
    ToySeen,
    certified,
)
from kineograph.toybox.captions import attributes, canonical, parse
from kineograph.toybox.render import render, times
from kineograph.toybox.world import sample_scene


def toy(colour, shape, motion="still"):
    return ToySeen(
        said={"colour": Said(colour, 0.9), "shape": Said(shape, 0.9), "motion": Said(motion, 0.9)}
    )


RED, BLUE = toy("red", "ball", "bounce"), toy("blue", "cube")
SIGHT = Sight(
    known=0.99,
    toys=(BLUE, RED),
    scene={"floor": Said("grass", 0.9), "count": Said("2", 0.9)},
    relations=(
        Related(first=0, second=1, said=Said("left of", 0.8)),
        Related(first=1, second=0, said=Said("right of", 0.7)),
    ),
)


def values(sight, text):
    return {name: said.value for name, said in sight.answers(parse(text)).items()}


def test_the_first_toy_is_the_one_that_looks_as_the_sentence_says():
    found = values(SIGHT, "a red ball bounces right of a blue cube on grass")
    assert found == {
        "colour": "red", "shape": "ball", "motion": "bounce", "colour2": "blue", "shape2": "cube",
        "motion2": "still", "relation": "right of", "floor": "grass", "count": "2",
    }  # fmt: skip
    turned = values(SIGHT, "a blue cube stands still left of a red ball")
    assert (turned["colour"], turned["colour2"], turned["relation"]) == ("blue", "red", "left of")


def test_looks_decide_before_deeds():
    found = values(SIGHT, "a red ball stays still, a blue cube bounces")
    assert (found["colour"], found["motion"]) == ("red", "bounce")


def test_of_twins_the_one_that_does_what_is_asked_comes_first():
    still, moving = toy("red", "ball"), toy("red", "ball", "left")
    sight = Sight(known=1.0, toys=(still, moving), scene={})
    assert values(sight, "a red ball rolls left, and a red ball staying still")["motion"] == "left"


def test_what_was_not_seen_or_not_understood_has_no_value():
    sight = Sight(known=0.1, scene={"floor": UNKNOWN})
    assert sight.answers({"colour": "red"}) == {"floor": UNKNOWN}
    assert UNKNOWN.value is None and UNKNOWN.confidence == 0


def test_a_sight_survives_a_file():
    assert from_data(Sight, to_data(SIGHT)) == SIGHT


def test_every_value_of_the_world_can_be_said():
    for seed in range(20):
        for name, value in attributes(sample_scene(1, seed)).items():
            assert name not in VALUES or value in VALUES[name]


def test_the_judge_of_level_1_looks_and_is_certified():
    judge = reader.judge(1)
    assert judge.level == 1
    assert certified(judge) == ("colour", "shape", "motion", "floor")
    scene = sample_scene(1, 700_000_000)
    [sight] = judge.look(render([scene], times(17, 8), (64, 64)).video)
    found = sight.answers(parse(canonical(scene)))
    true = attributes(scene)
    assert {name: said.value for name, said in found.items()} == {k: true[k] for k in found}
    assert sight.known == 1 and len(found) == 4


def test_a_level_without_a_judge_is_named():
    with pytest.raises(ConfigError, match="level 7"):
        reader.judge(7)


def test_an_attribute_below_the_bar_is_not_certified():
    class Weak:
        level = 3

        def __init__(self):
            self.accuracy = {"colour": 0.98, "camera": 0.9699}

        def look(self, video):
            return (Sight(known=0.0, scene={}),) * len(video)

    assert certified(Weak()) == ("colour",)
    assert len(Weak().look(torch.zeros(2, 1, 8, 8, 3))) == 2
