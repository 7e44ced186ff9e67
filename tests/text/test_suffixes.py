"""What stands behind a prompt is what the model was trained to read."""

import pytest

from kineograph.errors import ConfigError
from kineograph.text.suffixes import RateAndMotion, Scores, training_caption


def test_scores_are_sentences_in_a_fixed_order():
    scores = Scores(aesthetic=5.54, motion=10, camera="pan_left")
    assert scores("A heron.") == (
        "A heron. aesthetic score: 5.5. motion score: 10.0. camera motion: pan left."
    )
    assert Scores()("A heron.") == "A heron. aesthetic score: 6.5."
    assert Scores(aesthetic=None)("A heron.") == "A heron."


def test_a_score_that_is_there_stays():
    told = "A heron. motion score: 2.0."
    assert Scores(aesthetic=None, motion=9)(told) == told


def test_an_unknown_camera_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'pan left'"):
        Scores(camera="pan lefft")


@pytest.mark.parametrize(
    ("prompt", "result"),
    [
        ("a heron ", "a heron. 24 FPS. 4 motion score."),
        ("a heron.", "a heron. 24 FPS. 4 motion score."),
        ("a heron. 16 FPS.", "a heron. 16 FPS. 4 motion score."),
        ("a heron at 16 FPS", "a heron at 16 FPS. 4 motion score."),
    ],
)
def test_rate_and_motion_come_behind_a_full_stop(prompt, result):
    assert RateAndMotion()(prompt) == result


def test_motion_may_stay_untold():
    assert RateAndMotion(fps=16, motion=None)("a heron") == "a heron. 16 FPS."


@pytest.mark.parametrize(
    ("fps", "motion", "result"),
    [
        (15, 3.5, "A heron 15 FPS, 4 motion score."),
        (12.5, None, "A heron 12.5 FPS."),
        (0, 7.49, "A heron 7 motion score."),
        (0, float("nan"), "A heron"),
    ],
)
def test_captions_of_training_tell_what_is_known(fps, motion, result):
    assert training_caption("A heron", fps, motion) == result
