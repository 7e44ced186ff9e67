"""The Haar wavelet transform of video, causal in time.

Letters: B clips, C channels, T frames of Y x X. Bands are the slow part of the channel
axis: all C channels of the lowest band come first (WF-VAE, section 3.1).
"""

from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor

from kineograph.nn.conv import Cache

VOLUME_GAIN = 0.3536  # as published; 1 / sqrt(8) would make the round trip exact, not x 1.00026
PLANE_GAIN = 0.5


def butterfly(x: Tensor, dim: int) -> Tensor:
    """Sum and difference of the two entries of an axis; twice is 2 x the identity."""
    a, b = x.unbind(dim)
    return torch.stack((a + b, a - b), dim)


def haar_2d(x: Tensor) -> Tensor:
    """(B, C, T, Y, X) -> (B, 4 C, T, Y/2, X/2): low, vertical, horizontal, diagonal detail."""
    cells = rearrange(x, "b c t (y down) (x across) -> b t y x across down c", down=2, across=2)
    bands = butterfly(butterfly(cells, -2), -3) * PLANE_GAIN
    return rearrange(bands, "b t y x across down c -> b (across down c) t y x")


def inverse_haar_2d(x: Tensor) -> Tensor:
    """(B, 4 C, T, Y, X) -> (B, C, T, 2 Y, 2 X)."""
    bands = rearrange(x, "b (across down c) t y x -> b t y x across down c", down=2, across=2)
    cells = butterfly(butterfly(bands, -2), -3) * PLANE_GAIN
    return rearrange(cells, "b t y x across down c -> b c t (y down) (x across)")


def haar_3d(x: Tensor) -> Tensor:
    """(B, C, T, Y, X), T even -> (B, 8 C, T/2, Y/2, X/2).

    A band's index has one bit per axis, set where the band holds the difference: 4 for
    time, 2 for rows, 1 for columns.
    """
    cells = rearrange(x, "b c (t i) (y j) (x k) -> b t y x i j k c", i=2, j=2, k=2)
    bands = butterfly(butterfly(butterfly(cells, -2), -3), -4) * VOLUME_GAIN
    return rearrange(bands, "b t y x i j k c -> b (i j k c) t y x")


def inverse_haar_3d(x: Tensor) -> Tensor:
    """(B, 8 C, T, Y, X) -> (B, C, 2 T, 2 Y, 2 X)."""
    bands = rearrange(x, "b (i j k c) t y x -> b t y x i j k c", i=2, j=2, k=2)
    cells = butterfly(butterfly(butterfly(bands, -2), -3), -4) * VOLUME_GAIN
    return rearrange(cells, "b t y x i j k c -> b c (t i) (y j) (x k)")


class Haar(Protocol):
    """One level of a wavelet pyramid, there and back."""

    bands: int

    def split(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """Video to bands."""
        ...

    def merge(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """Bands to video."""
        ...


class PlaneHaar:
    """Halves rows and columns of every frame by itself."""

    bands = 4

    def split(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X) -> (B, 4 C, T, Y/2, X/2)."""
        return haar_2d(x)

    def merge(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, 4 C, T, Y, X) -> (B, C, T, 2 Y, 2 X)."""
        return inverse_haar_2d(x)


class VolumeHaar:
    """Halves time too; a clip's first frame stands twice, so that an image is a clip."""

    bands = 8

    def split(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, C, T, Y, X), T odd (even in later chunks) -> (B, 8 C, ceil(T/2), Y/2, X/2)."""
        if cache is None or cache.first:
            x = torch.cat((x[:, :, :1], x), dim=2)
        return haar_3d(x)

    def merge(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, 8 C, T, Y, X) -> (B, C, 2 T - 1, 2 Y, 2 X), or 2 T frames in later chunks."""
        x = inverse_haar_3d(x)
        return x[:, :, 1:] if cache is None or cache.first else x
