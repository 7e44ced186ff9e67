"""Windows reach everything, and each goes on from what is there."""

from itertools import pairwise

import pytest
import torch

from kineograph.generation.windows import Window, places, windows


@pytest.mark.parametrize("size", [3, 4, 5, 9])
@pytest.mark.parametrize("count", [4, 5, 6, 7, 8, 11, 33])
def test_windows_reach_the_end_and_each_shares_frames_with_those_before(count, size):
    found = windows(count, size)
    assert found[0].start == 0 and found[-1].stop == count
    for one, after in pairwise(found):
        assert 1 <= after.start < one.stop < after.stop
        assert after.stop - after.start == size


def test_what_fits_is_made_at_once():
    assert windows(5, 5) == (Window(0, 5),)
    assert windows(9, 1) == (Window(0, 9),)


def test_a_later_window_lies_as_if_cut_out_of_a_longer_clip():
    assert places(Window(0, 3), 4, alone=True) is None
    assert torch.equal(places(Window(3, 6), 4, alone=True), torch.tensor([[1, 5, 9]]))
    assert torch.equal(places(Window(3, 6), 4, alone=False), torch.tensor([[0, 4, 8]]))
