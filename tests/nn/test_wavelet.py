"""Haar transforms sort a video into bands, lose nothing, and treat an image as a clip."""

import pytest
import torch

from kineograph.nn.conv import in_chunks
from kineograph.nn.wavelet import PlaneHaar, VolumeHaar, haar_2d, haar_3d

PUBLISHED_GAIN = 8 * 0.3536**2  # of a round trip in three dimensions


def ramp(axis: int) -> torch.Tensor:
    """One channel that changes along one axis of (T, Y, X) only."""
    shape = [1, 1, 1, 1, 1]
    shape[2 + axis] = 4
    return torch.arange(4.0).view(shape).expand(1, 1, 4, 4, 4)


@pytest.mark.parametrize(("axis", "band"), [(0, 4), (1, 2), (2, 1)])
def test_a_change_along_one_axis_shows_in_its_band_only(axis, band):
    energy = haar_3d(ramp(axis)).abs().amax(dim=(0, 2, 3, 4))
    assert [i for i in range(1, 8) if energy[i] > 1e-6] == [band]


@pytest.mark.parametrize(("axis", "band"), [(1, 1), (2, 2)])
def test_in_the_plane_rows_come_before_columns(axis, band):
    energy = haar_2d(ramp(axis)).abs().amax(dim=(0, 2, 3, 4))
    assert [i for i in range(1, 4) if energy[i] > 1e-6] == [band]


def test_channels_stay_together_inside_a_band():
    video = torch.zeros(1, 3, 2, 2, 2)
    video[:, 1] = 1
    assert haar_3d(video).flatten().nonzero().flatten().tolist() == [1]


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_there_and_back_is_the_published_gain(frames):
    video, haar = torch.randn(2, 3, frames, 4, 6), VolumeHaar()
    bands = haar.split(video)
    assert bands.shape == (2, 24, (frames + 1) // 2, 2, 3)
    assert torch.allclose(haar.merge(bands), PUBLISHED_GAIN * video, atol=1e-5)


def test_there_and_back_in_the_plane_is_exact():
    video, haar = torch.randn(2, 3, 3, 4, 6), PlaneHaar()
    assert torch.allclose(haar.merge(haar.split(video)), video, atol=1e-6)


def test_chunks_give_what_the_whole_clip_gives():
    video, haar = torch.randn(1, 3, 9, 4, 4), VolumeHaar()
    bands = haar.split(video)
    assert torch.equal(in_chunks(haar.split, video, [3, 2, 4]), bands)
    assert torch.equal(in_chunks(haar.merge, bands, [1, 1, 3]), haar.merge(bands))


def test_channels_last_stays_channels_last():
    video = torch.randn(2, 3, 4, 4, 6).to(memory_format=torch.channels_last_3d)
    assert haar_3d(video).is_contiguous(memory_format=torch.channels_last_3d)
