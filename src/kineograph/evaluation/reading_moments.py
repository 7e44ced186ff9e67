"""Clips as the readers see them: some moments, small, of one type; and their files.

Shapes: B clips of T frames of Y x X pixels; M moments of S x S pixels.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kineograph.errors import DataError


def moments(video: Tensor, count: int, side: int) -> Tensor:
    """(B, T, Y, X, 3) uint8 -> (B, M, 3, S, S) in [-1, 1], at M = `count` moments evenly spread."""
    if video.ndim != 5 or video.shape[-1] != 3 or video.dtype != torch.uint8:
        raise DataError(
            f"clips of shape {tuple(video.shape)} and {video.dtype}: "
            "the reader expects (B, T, Y, X, 3) uint8"
        )
    last = video.shape[1] - 1
    index = torch.linspace(0, last, count, dtype=torch.float64).round().long()
    frames = video[:, index].movedim(-1, 2).float() / 127.5 - 1.0
    if frames.shape[-2:] == (side, side):
        return frames
    flat = interpolate(frames.flatten(0, 1), (side, side), mode="bilinear", antialias=True)
    return flat.reshape(*frames.shape[:3], side, side)


def keep(path: Path, data: Mapping[str, object]) -> None:
    """Write tensors and plain data, whole or not at all."""
    part = path.with_name(path.name + ".part")
    torch.save(dict(data), part)
    part.rename(path)
