"""Doubling keeps the first frame single, mixes neighbours 3 to 1, and works in chunks."""

import pytest
import torch
from torch.nn import functional

from kineograph.nn.conv import in_chunks
from kineograph.nn.resample import (
    DoubleTimeLinear,
    DoubleTimeNearest,
    double_space_linear,
    double_space_nearest,
    interleave,
)

DOUBLE = [DoubleTimeLinear(), DoubleTimeNearest()]


@pytest.mark.parametrize(
    ("double", "mode"), list(zip(DOUBLE, ["trilinear", "nearest"], strict=True))
)
@pytest.mark.parametrize("frames", [2, 3, 6])
def test_all_frames_but_the_first_are_interpolated(double, mode, frames):
    x = torch.randn(2, 3, frames, 4, 5)
    rest = functional.interpolate(x[:, :, 1:], scale_factor=(2, 1, 1), mode=mode)
    assert torch.allclose(double(x), torch.cat((x[:, :, :1], rest), dim=2), atol=1e-6)


@pytest.mark.parametrize("double", DOUBLE)
def test_an_image_stays_an_image(double):
    x = torch.randn(1, 3, 1, 4, 5)
    assert torch.equal(double(x), x)


@pytest.mark.parametrize("pieces", [[1] * 6, [1, 5], [2, 2, 2], [5, 1], [6]])
@pytest.mark.parametrize("double", DOUBLE)
def test_chunks_give_exactly_what_the_whole_clip_gives(double, pieces):
    x = torch.randn(1, 3, 6, 2, 2)
    assert torch.equal(in_chunks(double, x, pieces), double(x))


@pytest.mark.parametrize(
    ("double", "mode"), [(double_space_linear, "bilinear"), (double_space_nearest, "nearest")]
)
def test_space_is_doubled_in_every_frame(double, mode):
    x = torch.randn(2, 3, 2, 4, 5)
    frame = functional.interpolate(x[:, :, 1], scale_factor=2, mode=mode)
    assert torch.allclose(double(x)[:, :, 1], frame, atol=1e-6)


def test_interleaved_frames_take_turns():
    early = torch.zeros(1, 1, 3, 1, 1)
    assert interleave(early, early + 1).flatten().tolist() == [0, 1] * 3
