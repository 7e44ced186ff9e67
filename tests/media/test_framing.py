"""Frames at a size, in the ways of the published systems."""

import numpy as np
import pytest
import torch
from PIL import Image

from kineograph.errors import MediaError
from kineograph.media.framing import (
    CoverClip,
    CoverPicture,
    CutThenScale,
    ScaleThenCut,
    covering,
    middle,
    whole,
    within,
)


def noise(*size, frames=2):
    return torch.randint(0, 256, (frames, *size, 3), dtype=torch.uint8)


@pytest.mark.parametrize("size", [(8, 8), (16, 9), (9, 16), (33, 7)])
@pytest.mark.parametrize("cover", [CoverClip(), CoverPicture()])
def test_any_size_is_met_and_numbers_lie_in_the_unit_range(cover, size):
    video = cover(noise(20, 31), *size)
    assert video.shape == (1, 3, 2, *size)
    assert video.min() >= -1 and video.max() <= 1


@pytest.mark.parametrize("cover", [CoverClip(), CoverPicture()])
def test_the_same_size_changes_nothing(cover):
    frames = noise(12, 17)
    expected = frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    torch.testing.assert_close(cover(frames, 12, 17), expected, rtol=0, atol=1e-6)


def test_pictures_are_smoothed_and_clips_are_not():
    stripes = (torch.arange(64) % 2 * 255).to(torch.uint8)[None, None, :, None].expand(1, 64, 64, 3)
    assert CoverPicture()(stripes, 16, 16)[..., 2:-2].abs().max() < 0.05
    assert CoverClip()(stripes[:, :, 1:], 21, 21).abs().max() > 0.9


def test_an_odd_rest_is_cut_differently():
    row = torch.arange(5, dtype=torch.uint8)[None, None, :, None].expand(1, 4, 5, 3) * 10
    assert CoverClip()(row, 4, 4)[0, 0, 0, 0].add(1).mul(127.5).round().tolist() == [0, 10, 20, 30]
    wide = torch.arange(7, dtype=torch.uint8)[None, None, :, None].expand(1, 4, 7, 3) * 10
    levels = CoverPicture().levels(wide, 4, 4)
    assert levels[0, 0, :, 0].tolist() == [20, 30, 40, 50]  # 1.5 pixels are cut: 2 at the left


def test_pictures_are_pillows():
    frames = noise(30, 44, frames=1)
    large = Image.fromarray(frames[0].numpy()).resize((29, 20), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.array(large))[:, 4:24]
    assert torch.equal(CoverPicture().levels(frames, 20, 20)[0], expected)


@pytest.mark.parametrize(
    ("size", "wanted", "found"),
    [
        ((40, 61), (24, 40), (26, 40)),
        ((61, 40), (24, 40), (61, 40)),
        ((33, 50), (32, 32), (32, 48)),
        ((20, 20), (30, 22), (30, 30)),
    ],
)
def test_covering_sizes(size, wanted, found):
    assert covering(size, wanted) == found


def test_levels_stay_levels_and_numbers_numbers():
    frames = noise(40, 72)
    levels = CutThenScale()(frames, 32, 32)
    numbers = CutThenScale()(frames.float() / 255, 32, 32)
    assert levels.dtype == torch.uint8 and levels.shape == numbers.shape == (2, 32, 32, 3)
    torch.testing.assert_close(levels.float() / 255, numbers, rtol=0, atol=1.5 / 255)


def test_a_fixed_size_shows_the_middle_of_its_shape():
    frames = torch.zeros(1, 10, 30, 3)
    frames[:, :, 10:20] = 1.0
    assert CutThenScale()(frames, 5, 5).min() > 0.999
    assert middle(frames, 10, 10).min() == 1.0


def test_an_area_is_kept_in_whole_strides():
    assert ScaleThenCut(most=1024, stride=16)(noise(40, 72)).shape == (2, 16, 32, 3)
    small = noise(33, 47)
    assert torch.equal(ScaleThenCut(most=9999, stride=16)(small), small[:, :32, 7:39])
    assert within(720, 1280, 65536) == (192, 341) and whole((192, 341), 32) == (192, 320)
    with pytest.raises(MediaError, match="frames of 20x90: expected at least 32x32"):
        ScaleThenCut()(noise(90, 20))


def test_an_empty_size_is_refused():
    with pytest.raises(MediaError, match="size 0x4 of 8x8"):
        CoverClip()(noise(8, 8), 4, 0)
