"""Sizes change without distortion or ragged edges, numbers without drift."""

import pytest
import torch

from kineograph.errors import MediaError
from kineograph.media.resize import cover, crop, fit, scale, to_uint8, to_unit


def plain(level, *size):
    return torch.full((1, *size, 3), level, dtype=torch.uint8)


def test_the_same_size_changes_nothing():
    frames = torch.randint(0, 256, (3, 8, 12, 3), dtype=torch.uint8)
    for change in (scale, cover, fit):
        assert torch.equal(change(frames, 8, 12), frames)


@pytest.mark.parametrize("size", [(8, 8), (16, 9), (9, 16), (40, 64), (33, 7)])
@pytest.mark.parametrize("change", [cover, fit])
def test_any_size_is_met_exactly(change, size):
    assert change(plain(7, 20, 30), *size).shape == (1, *size, 3)


def test_many_frames_are_scaled_like_each_alone():
    frames = torch.randint(0, 256, (35, 6, 8, 3), dtype=torch.uint8)
    alone = torch.cat([scale(frame[None], 9, 12) for frame in frames])
    assert torch.equal(scale(frames, 9, 12), alone)


def test_a_fine_pattern_becomes_grey_not_moire():
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    frames = board.to(torch.uint8)[None, ..., None].expand(1, 64, 64, 3)
    small = scale(frames, 8, 8)[:, 1:-1, 1:-1].int()
    assert (small - 127).abs().max() <= 2


def test_cover_cuts_the_middle_and_keeps_shapes():
    frames = plain(0, 20, 60)
    frames[:, 5:15, 25:35] = 255  # a square in the middle
    seen = cover(frames, 40, 40)[0, ..., 0] > 127
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert (int(rows.min()), int(rows.max())) == (10, 29)
    assert (int(columns.min()), int(columns.max())) == (10, 29)


def test_fit_shows_everything_on_black():
    seen = fit(plain(200, 10, 30), 30, 30)[0, ..., 0]
    assert (seen[10:20] == 200).all()
    assert seen[:10].eq(0).all() and seen[20:].eq(0).all()


def test_a_crop_is_exact():
    frames = torch.arange(5 * 7).view(1, 5, 7, 1).expand(1, 5, 7, 3)
    assert torch.equal(crop(frames, 3, 3), frames[:, 1:4, 2:5])
    with pytest.raises(MediaError, match="crop to 9x3: the frames are only 7x5"):
        crop(frames, 3, 9)


def test_nothing_has_no_size():
    with pytest.raises(MediaError, match="size 0x4: expected at least 1x1"):
        scale(plain(0, 4, 4), 4, 0)


def test_levels_and_numbers_are_inverse():
    frames = torch.arange(256, dtype=torch.uint8).view(2, 8, 16, 1).repeat(1, 1, 1, 3)
    video = to_unit(frames)
    assert video.shape == (1, 3, 2, 8, 16)
    assert (float(video.min()), float(video.max())) == (-1.0, 1.0)
    assert torch.equal(to_uint8(video), frames)
    assert torch.equal(to_uint8(video[0].bfloat16().float()), to_uint8(video[0].bfloat16()))


def test_numbers_out_of_range_are_cut():
    video = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]).expand(3, 1, 1, 5)
    assert to_uint8(video)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_several_videos_are_not_one():
    with pytest.raises(MediaError, match=r"expected one \(3, T, Y, X\)"):
        to_uint8(torch.zeros(2, 3, 1, 4, 4))
