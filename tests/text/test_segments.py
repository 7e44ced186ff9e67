"""Prompts with loops and settings come apart and together again."""

import pytest

from kineograph.errors import ConfigError
from kineograph.text.segments import Asked, Segment, at_loop, joined, segments, stripped, unpacked


def test_a_plain_prompt_is_one_sentence_for_all_loops():
    assert segments("a | b") == (Segment("a | b"),)
    assert at_loop(" a heron", 7) == " a heron"


@pytest.mark.parametrize(("loop", "text"), [(0, "red"), (1, "red"), (2, "blue"), (9, "blue")])
def test_a_sentence_holds_until_the_next_one(loop, text):
    assert at_loop("|0|red|2|blue", loop) == text


@pytest.mark.parametrize("prompt", ["a heron", "|0| red |2|  blue", "|0|red"])
def test_joining_undoes_splitting(prompt):
    assert joined(segments(prompt)) == prompt


def test_spaces_around_sentences_can_go():
    assert joined(stripped(segments("|0| red |2|  blue"))) == "|0|red|2|blue"


@pytest.mark.parametrize("prompt", ["|0|red|x|blue", "|0|red|2", "|0|red|0|blue", "|0|a|3|b|2|c"])
def test_loops_that_make_no_sense_are_refused(prompt):
    with pytest.raises(ConfigError, match="expected"):
        segments(prompt)


def test_settings_in_the_prompt_win_and_others_stay():
    asked = Asked('A lake.{"reference_path": "a.png;b.png"}', references="old", masks="0")
    assert unpacked(asked) == Asked("A lake.", references="a.png;b.png", masks="0")
    assert unpacked(Asked("A lake.", "r", "m")) == Asked("A lake.", "r", "m")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a {heron}", "no JSON"),
        ('a {"reference": "x"}', "did you mean 'reference_path'"),
        ('a {"mask_strategy": 0}', "expected a text"),
    ],
)
def test_wrong_settings_are_refused(prompt, message):
    with pytest.raises(ConfigError, match=message):
        unpacked(Asked(prompt))
