"""Sizes and number ranges of frames: uint8 (T, Y, X, 3) <-> what the models see."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kineograph.errors import MediaError

_CHUNK = 16  # frames that are floating point at one time


def scale(frames: Tensor, height: int, width: int) -> Tensor:
    """(T, Y, X, 3) uint8 -> (T, height, width, 3) uint8, bicubic, antialiased; may distort."""
    if tuple(frames.shape[1:3]) == (height, width):
        return frames
    if min(height, width) < 1:
        raise MediaError(f"size {width}x{height}: expected at least 1x1")
    result = frames.new_empty((len(frames), height, width, 3))
    for first in range(0, len(frames), _CHUNK):
        piece = frames[first : first + _CHUNK].permute(0, 3, 1, 2).float()
        piece = interpolate(piece, (height, width), mode="bicubic", antialias=True)
        result[first : first + _CHUNK] = piece.round_().clamp_(0, 255).permute(0, 2, 3, 1)
    return result


def crop(frames: Tensor, height: int, width: int) -> Tensor:
    """(T, Y, X, 3) -> the middle (T, height, width, 3); an odd remainder is cut below and right."""
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    if top < 0 or left < 0:
        have = f"{frames.shape[2]}x{frames.shape[1]}"
        raise MediaError(f"crop to {width}x{height}: the frames are only {have}")
    return frames[:, top : top + height, left : left + width]


def cover(frames: Tensor, height: int, width: int) -> Tensor:
    """Fill a size: scaled without distortion, then the middle is cut out.

    Args:
        frames: (T, Y, X, 3) uint8.
        height, width: wanted size.

    Returns:
        (T, height, width, 3) uint8.
    """
    have, across = frames.shape[1:3]
    factor = max(height / have, width / across)
    large = scale(frames, max(height, round(have * factor)), max(width, round(across * factor)))
    return crop(large, height, width).contiguous()


def fit(frames: Tensor, height: int, width: int) -> Tensor:
    """Show everything in a size: scaled without distortion, in the middle of black.

    Args:
        frames: (T, Y, X, 3) uint8.
        height, width: wanted size.

    Returns:
        (T, height, width, 3) uint8.
    """
    have, across = frames.shape[1:3]
    factor = min(height / have, width / across)
    inner = min(height, max(1, round(have * factor))), min(width, max(1, round(across * factor)))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    result = frames.new_zeros((len(frames), height, width, 3))
    result[:, top : top + inner[0], left : left + inner[1]] = scale(frames, *inner)
    return result


def to_unit(frames: Tensor) -> Tensor:
    """Frames (T, Y, X, 3) uint8 -> a video (1, 3, T, Y, X) float32 in [-1, 1]."""
    return frames.permute(3, 0, 1, 2).unsqueeze(0).float() / 127.5 - 1.0


def to_uint8(video: Tensor) -> Tensor:
    """A video (1, 3, T, Y, X) or (3, T, Y, X), shown in [-1, 1] -> frames (T, Y, X, 3) uint8."""
    if video.ndim == 5:
        video = video.squeeze(0)
    if video.ndim != 4 or video.shape[0] != 3:
        raise MediaError(f"video of shape {tuple(video.shape)}: expected one (3, T, Y, X)")
    shown = ((video.float() + 1.0) / 2.0).clamp(0.0, 1.0) * 255.0
    return shown.round().to(torch.uint8).permute(1, 2, 3, 0).contiguous()
