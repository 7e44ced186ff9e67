"""Even times are met by the nearest frames, the earlier one of two."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kineograph.media.sampling import nearest, rate, window


def chosen(times, fps, start=Fraction(0), end=Fraction(1, 10)):
    """Which frames are shown, by number."""
    frames = iter([(time, index) for index, time in enumerate(times)])
    return [index for _, index in nearest(frames, start, Fraction(fps), end=end)]


def even(count, fps):
    return [Fraction(i, fps) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "own", "wanted", "result"),
    [
        (6, 10, 10, [0, 1, 2, 3, 4, 5]),
        (6, 10, 5, [0, 2, 4]),
        (3, 10, 20, [0, 0, 1, 1, 2, 2]),
        (5, 25, 24, [0, 1, 2, 3, 4]),
    ],
)
def test_known_rates(count, own, wanted, result):
    assert chosen(even(count, own), wanted, end=Fraction(1, own)) == result


@pytest.mark.parametrize("own", [8, 10, 24, 25, 30])
@pytest.mark.parametrize("wanted", [8, 10, 24, 25, 30])
def test_a_second_stays_a_second(own, wanted):
    assert len(chosen(even(own, own), wanted, end=Fraction(1, own))) == wanted


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=20),
    st.integers(1, 60),
    st.integers(0, 500),
)
def test_every_wanted_time_gets_its_nearest_frame(gaps, fps, start):
    times = [Fraction(sum(gaps[:i]), 1000) for i in range(len(gaps) + 1)]
    begin, end = Fraction(start, 1000), Fraction(1, 10)
    wanted, time = [], begin
    while time < times[-1] + end:
        wanted.append(time)
        time += Fraction(1, fps)
    expected = [min(range(len(times)), key=lambda i: (abs(times[i] - t), i)) for t in wanted]
    assert chosen(times, fps, begin, end) == expected


def test_a_rounded_rate_means_the_exact_one():
    assert rate(29.97002997) == Fraction(30000, 1001)
    assert rate(23.976023976) == Fraction(24000, 1001)
    assert rate(12.5) == Fraction(25, 2)


def test_a_window_fills_a_size_with_the_middle(make: Callable[..., Path]) -> None:
    def stripes(index: int, size: tuple[int, int]) -> np.ndarray:
        """Red on the left, green in the middle, blue on the right; a third each."""
        picture = np.zeros((*size, 3), np.uint8)
        for colour in range(3):
            picture[:, colour * size[1] // 3 : (colour + 1) * size[1] // 3, colour] = 200
        return picture

    path = make("wide.mp4", size=(32, 96), count=8, paint=stripes, options={"crf": "4"})
    found = window(path, start=0.2, fps=5, frames=5, size=(16, 16))
    assert found.shape == (3, 16, 16, 3)  # 0.2, 0.4 and 0.6 s
    middle = found[:, 4:12, 4:12].reshape(-1, 3).mean(axis=0)
    assert middle[1] > 180 and middle[0] < 20 and middle[2] < 20
    assert window(path, start=0, fps=10, frames=5, size=(64, 64)).shape == (5, 64, 64, 3)
