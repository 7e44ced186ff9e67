"""How alike two videos are, frame by frame: PSNR and SSIM.

Frames are RGB (T, Y, X, 3) in [0, peak], uint8 or floating point.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from kineograph.errors import MediaError

_RADIUS, _SIGMA = 5, 1.5  # an 11 x 11 Gaussian window
_K1, _K2 = 0.01, 0.03
_CHUNK = 16  # frames in memory at one time


def psnr(frames: Tensor, reference: Tensor, *, peak: float = 255.0) -> Tensor:
    """Peak signal-to-noise ratio in dB of each frame, (T,) float64; infinite where equal."""
    return decibels(squared_error(frames, reference), peak)


def clip_psnr(frames: Tensor, reference: Tensor, *, peak: float = 255.0) -> float:
    """PSNR in dB of the whole clip: from its mean squared error, not the mean of its frames."""
    return float(decibels(squared_error(frames, reference).mean(), peak))


def ssim(frames: Tensor, reference: Tensor, *, peak: float = 255.0) -> Tensor:
    """Structural similarity of each frame, at most 1, mean over the colours, (T,) float64.

    Wang et al., "Image quality assessment: from error visibility to structural similarity"
    (2004): an 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, wherever the window
    lies inside the picture.

    Raises:
        MediaError: shapes differ, or a frame is smaller than the window.
    """
    _check(frames, reference)
    window = 2 * _RADIUS + 1
    if min(frames.shape[1:3]) < window:
        have = f"{frames.shape[2]}x{frames.shape[1]}"
        raise MediaError(f"SSIM of frames of {have}: expected at least {window}x{window}")
    pieces = [slice(first, first + _CHUNK) for first in range(0, len(frames), _CHUNK)]
    values = [_ssim(frames[piece] / peak, reference[piece] / peak) for piece in pieces]
    return torch.cat(values).cpu().double()


def clip_ssim(frames: Tensor, reference: Tensor, *, peak: float = 255.0) -> float:
    """Mean over the frames of `ssim`."""
    return float(ssim(frames, reference, peak=peak).mean())


def squared_error(frames: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error of each frame, (T,) float64.

    Raises:
        MediaError: shapes differ.
    """
    _check(frames, reference)
    pairs = zip(frames, reference, strict=True)
    errors = [(a.float() - b.float()).square().mean() for a, b in pairs]
    return torch.stack(errors).cpu().double()


def decibels(error: Tensor, peak: float = 255.0) -> Tensor:
    """Mean squared errors -> PSNR in dB, in the same shape."""
    return 10.0 * torch.log10(peak**2 / error)


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    """(T, Y, X, 3) in [0, 1] twice -> (T,)."""
    x, y = x.permute(0, 3, 1, 2).float(), y.permute(0, 3, 1, 2).float()
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x.square()
    variance_y = _blur(y * y) - mean_y.square()
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = _K1**2, _K2**2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    size = (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    return (likeness / size).mean(dim=(1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    """(T, 3, Y, X) -> Gaussian means where the window fits, (T, 3, Y - 10, X - 10)."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=x.dtype, device=x.device)
    weights = torch.exp(-0.5 * (offsets / _SIGMA).square())
    weights = (weights / weights.sum()).expand(x.shape[1], 1, -1)
    x = conv2d(x, weights.unsqueeze(3), groups=x.shape[1])
    return conv2d(x, weights.unsqueeze(2), groups=x.shape[1])


def _check(frames: Tensor, reference: Tensor) -> None:
    if frames.shape != reference.shape or frames.ndim != 4 or len(frames) == 0:
        have = f"{tuple(frames.shape)} and {tuple(reference.shape)}"
        raise MediaError(f"frames of shape {have}: expected twice the same (T, Y, X, 3)")
