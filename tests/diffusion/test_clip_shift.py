"""Larger and longer clips get noisier times."""

import pytest
import torch

from kineograph.diffusion.clip_shift import ClipShift
from kineograph.diffusion.times import Even
from kineograph.types import Grid


def test_a_square_image_of_512_pixels_keeps_its_times():
    assert ClipShift().of(Grid(1, 64, 64)) == pytest.approx(1.0)


def test_the_factor_grows_with_the_side_and_the_root_of_the_frames():
    assert ClipShift().of(Grid(1, 128, 128)) == pytest.approx(2.0)
    assert ClipShift().of(Grid(25, 64, 64)) == pytest.approx(5.0)
    assert ClipShift(scale=3.0).of(Grid(1, 64, 64)) == pytest.approx(3.0)


def test_frames_count_in_whole_groups_unless_there_is_none():
    assert ClipShift().of(Grid(18, 64, 64)) == ClipShift().of(Grid(15, 64, 64))
    assert ClipShift().of(Grid(4, 64, 64)) == pytest.approx(2.0)


def test_clips_as_tensors_have_the_same_factors():
    height, width, frames = (torch.tensor([value]) for value in (240.0, 424.0, 15.0))
    found = ClipShift().factor(height, width, frames)
    assert found.item() == pytest.approx(ClipShift().of(Grid(15, 30, 53)))


def test_a_schedule_uses_it():
    times = Even(shift=ClipShift())(4, Grid(15, 64, 64))
    assert (times[1:-1] > Even()(4, Grid(15, 64, 64))[1:-1]).all()
