"""What a caption says is true of its scene, and can be read back."""

import random

import pytest

from kineograph.toybox import drawing
from kineograph.toybox.captions import attributes, canonical, caption, parse, vocabulary
from kineograph.toybox.geometry import controls
from kineograph.toybox.render import times
from kineograph.toybox.scene import Scene
from kineograph.toybox.world import sample_scene

UNSAID = {"backdrop": "day", "camera": "static"}


def scenes(level: int, count: int) -> list[Scene]:
    """Candidates of a level; no rules, so thousands are quick."""
    return [drawing.LEVELS[level](random.Random(seed), seed) for seed in range(count)]


def test_the_plain_sentence_is_plain() -> None:
    assert canonical(sample_scene(1, 0)) == "a green cube slides to the left on a checkered floor"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_plain_sentence_says_everything(level: int) -> None:
    for scene in scenes(level, 500):
        truth = {key: value for key, value in attributes(scene).items() if key != "count"}
        said = parse(canonical(scene))
        assert UNSAID | said == UNSAID | truth, canonical(scene)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_captions_are_read_back(level: int) -> None:
    draw = random.Random(0)
    for scene in scenes(level, 1500):
        text = caption(scene, draw)
        said, truth = parse(text), attributes(scene)
        assert said.items() <= truth.items(), text
        assert {"colour", "shape", "motion"} <= said.keys(), text


def test_captions_of_a_scene_vary() -> None:
    draw = random.Random(0)
    assert len({caption(sample_scene(1, 3), draw) for _ in range(100)}) > 50


def test_captions_use_the_vocabulary_only() -> None:
    known, draw = set(vocabulary()), random.Random(1)
    for level in (1, 2, 3):
        for scene in scenes(level, 400):
            words = caption(scene, draw).replace(",", "").split()
            assert set(words) <= known


def test_level_1_captions_are_short() -> None:
    draw = random.Random(2)
    assert max(len(caption(scene, draw).split()) for scene in scenes(1, 2000)) <= 16


def test_the_vocabulary_is_fixed() -> None:
    """Trained text encoders number the words by this list."""
    words = vocabulary()
    assert list(words) == sorted(set(words))
    assert all(word == word.lower() for word in words)
    assert len(words) == 236


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A HUGE scarlet sphere!", {"size": "large", "colour": "red", "shape": "ball"}),
        ("the box is turquoise", {"shape": "cube", "colour": "cyan"}),
        (
            "on a lawn, a donut turns from red to violet",
            {
                "floor": "grass",
                "shape": "ring",
                "motion": "recolour",
                "colour": "red",
                "becomes": "purple",
            },
        ),
        (
            "a red ball to the left of a blue cube, the camera pans to the left",
            {
                "colour": "red",
                "shape": "ball",
                "relation": "left of",
                "colour2": "blue",
                "shape2": "cube",
                "camera": "pan left",
            },
        ),
        ("an elephant reads a newspaper", {}),
    ],
)
def test_free_sentences_are_read(text: str, said: dict[str, str]) -> None:
    assert parse(text) == said


def test_control_suffixes_do_not_disturb_reading() -> None:
    for scene in scenes(2, 60):
        suffix = controls(scene, times(3, 8), (16, 16))
        said = parse(f"{canonical(scene)}. {suffix}")
        assert said == parse(canonical(scene)) | {"camera": scene.camera.move}
        words = suffix.replace(":", "").replace(".", "").split()
        assert set(words) - {words[2]} <= set(vocabulary())
