"""PSNR and SSIM are those of scikit-image and torchmetrics."""

import pytest
import torch

from kineograph.errors import MediaError
from kineograph.evaluation.metrics import clip_psnr, clip_ssim, psnr, ssim

COUNT, PEAK = 18, 255.0


@pytest.fixture(scope="module")
def frames():
    """Smooth pictures (T, Y, X, 3) and what noise makes of them."""
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(COUNT, 3, 6, 8, generator=draw) * PEAK
    smooth = torch.nn.functional.interpolate(coarse, (24, 32), mode="bilinear")
    noise = torch.randn(smooth.shape, generator=draw) * torch.linspace(1, 30, COUNT).view(
        -1, 1, 1, 1
    )
    pair = [x.clamp(0, PEAK).round().to(torch.uint8) for x in (smooth, smooth + noise)]
    return tuple(x.permute(0, 2, 3, 1).contiguous() for x in pair)


def test_scikit_image_agrees(frames):
    metrics = pytest.importorskip("skimage.metrics")
    pairs = [(a.numpy(), b.numpy()) for a, b in zip(*frames, strict=True)]
    noise = [metrics.peak_signal_noise_ratio(a, b) for a, b in pairs]
    alike = [
        metrics.structural_similarity(
            a, b, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in pairs
    ]
    assert psnr(*frames).tolist() == pytest.approx(noise, abs=1e-4)
    assert ssim(*frames).tolist() == pytest.approx(alike, abs=1e-5)


def test_torchmetrics_agrees(frames):
    metrics = pytest.importorskip("torchmetrics.functional.image")
    a, b = (x.permute(0, 3, 1, 2).float() for x in frames)
    noise = metrics.peak_signal_noise_ratio(a, b, data_range=PEAK)
    _, likeness = metrics.structural_similarity_index_measure(
        a, b, data_range=PEAK, return_full_image=True
    )
    inside = likeness[..., 5:-5, 5:-5]  # where the window fits; it mirrors the edges
    assert clip_psnr(*frames) == pytest.approx(float(noise), abs=1e-4)
    assert ssim(*frames).tolist() == pytest.approx(inside.mean((1, 2, 3)).tolist(), abs=1e-4)


def test_known_errors_give_known_decibels():
    black = torch.zeros(2, 12, 12, 3, dtype=torch.uint8)
    other = black.clone()
    other[1] = 255
    assert psnr(black, other).tolist() == [float("inf"), 0.0]
    assert clip_psnr(black, other) == pytest.approx(3.0103, abs=1e-4)  # half of the clip is wrong


def test_equal_frames_are_wholly_alike(frames):
    assert ssim(frames[0], frames[0]).tolist() == pytest.approx([1.0] * COUNT)
    assert clip_ssim(frames[0], frames[0]) == pytest.approx(1.0)


def test_numbers_from_nought_to_one_count_the_same(frames):
    a, b = (x.float() / PEAK for x in frames)
    assert torch.allclose(psnr(a, b, peak=1.0), psnr(*frames))
    assert torch.allclose(ssim(a, b, peak=1.0), ssim(*frames))


def test_frames_that_do_not_match_are_refused():
    with pytest.raises(MediaError, match="expected twice the same"):
        psnr(torch.zeros(1, 12, 12, 3), torch.zeros(2, 12, 12, 3))
    with pytest.raises(MediaError, match="frames of 8x12: expected at least 11x11"):
        ssim(torch.zeros(1, 12, 8, 3), torch.zeros(1, 12, 8, 3))
