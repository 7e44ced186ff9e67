"""Which frames a sample shows."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kineograph.data.frames import LegalLength, RandomWindow, ResampledWindow, at_most
from kineograph.errors import DataError


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 300), st.integers(0, 9))
def test_a_window_lies_inside_the_clip(frames, interval, more, seed):
    total = frames + more
    indices = RandomWindow(frames=frames, interval=interval)(total, random.Random(seed))
    assert len(indices) == frames and indices == sorted(indices)
    assert indices[0] >= 0 and indices[-1] < total


def test_a_window_begins_anywhere_but_at_the_last_place():
    window = RandomWindow(frames=4, interval=2)
    dice = random.Random(0)
    assert {window.span(12, dice)[0] for _ in range(200)} == {0, 1, 2, 3}
    assert window(8, dice) == [0, 2, 4, 7]


def test_a_clip_that_is_too_short_is_refused():
    with pytest.raises(DataError, match="clip of 3 frames: expected at least 4"):
        RandomWindow(frames=4)(3, random.Random(0))


@pytest.mark.parametrize("fps", [None, float("nan")])
def test_an_unknown_rate_leaves_out_nothing(fps):
    assert (at_most(fps, 24).fps, at_most(fps, 24).interval) == (0, 1)


@settings(max_examples=30)
@given(st.floats(1, 240), st.integers(1, 60))
def test_a_rate_comes_below_its_limit(fps, limit):
    rate = at_most(fps, limit)
    assert rate.fps <= limit and rate.interval >= 1
    assert fps / rate.interval <= limit


@settings(max_examples=30)
@given(st.integers(1, 300), st.integers(1, 8))
def test_a_legal_length_is_the_largest_one(frames, shared):
    legal = LegalLength(shared=shared)
    good = [n for n in range(29, frames + 1) if n % 4 == 1 and ((n - 1) // 4 + 1) % shared == 0]
    assert legal(frames) == (good[-1] if good else None)


PLAN = ResampledWindow(frames=93, fps=16.0, lengths=LegalLength())


def test_frames_are_taken_at_the_rate():
    indices = PLAN(120, 32.0, random.Random(0))
    assert indices == list(range(0, 2 * 57, 2))  # 60 frames at 16 a second, of which 57 are legal
    assert PLAN(61, 16.05, random.Random(0)) == list(range(61))  # near enough


def test_a_long_clip_gives_a_random_part_and_a_very_long_one_nothing():
    starts = {PLAN(96, 16.0, random.Random(seed))[0] for seed in range(60)}
    assert starts == {0, 1, 2}
    assert PLAN(5 * 93 + 1, 16.0, random.Random(0)) == []
    assert PLAN(20, 16.0, random.Random(0)) == []
