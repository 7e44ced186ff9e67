"""Windows reach everything, each goes on from what is there, and a loop sees where it began."""

from itertools import pairwise

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.generation.windows import TAIL, Window, places, windows


@pytest.mark.parametrize("size", [3, 4, 5, 9])
@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 11, 33])
def test_windows_reach_the_end_and_each_shares_frames_with_those_before(count, size, loop):
    found = windows(count, size, loop=loop)
    end = count + TAIL * loop
    assert found[0].start == 0 and found[-1].stop == end
    for one, after in pairwise(found):
        assert 1 <= after.start < one.stop < after.stop
        assert after.stop - after.start <= size
    if loop:  # the tail is never alone, and something is free between it and what is there
        assert found[0].stop > TAIL and found[-2].stop < count


def test_what_fits_is_made_at_once():
    assert windows(5, 5) == (Window(0, 5),)
    assert windows(9, 1) == windows(9, 2) == (Window(0, 9),)


def test_loops_too_short_are_refused():
    with pytest.raises(ConfigError, match=r"a loop of 3 latent frames.*at least 4"):
        windows(3, 5, loop=True)


def test_a_later_window_lies_as_if_cut_out_of_a_longer_clip():
    assert places(Window(0, 3), 4, alone=True) is None
    assert torch.equal(places(Window(3, 6), 4, alone=True), torch.tensor([[1, 5, 9]]))
    assert torch.equal(places(Window(3, 6), 4, alone=False), torch.tensor([[0, 4, 8]]))
