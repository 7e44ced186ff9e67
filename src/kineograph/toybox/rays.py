"""Rays through the pixels of rectangles, as separate planes that never leave the cache.

Shapes: N rectangles (one moment of one scene each) of Y x X pixels, S sub-samples per pixel,
outermost, so that averaging them adds whole planes.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

Planes = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Lens:
    """The cameras of N rectangles: origin (N, 3), axes (N, 3, 3) right, down, forward, focal (N,).

    float32, on the device that draws; `focal` is in units of sqrt(width x height).
    """

    origin: Tensor
    axes: Tensor
    focal: Tensor

    def at(self, index: Tensor) -> "Lens":
        """The cameras with these numbers, (N,)."""
        return Lens(self.origin[index], self.axes[index], self.focal[index])


@dataclass(frozen=True, eq=False)
class Grid:
    """Where rays pass through the picture plane at depth 1.

    u: (N, S, 1, X) to the right, v: (N, S, Y, 1) down, pixel: (N, 1, 1, 1) the width of a pixel.
    """

    u: Tensor
    v: Tensor
    pixel: Tensor

    def spread(self, forward: Tensor, right: Tensor, down: Tensor) -> Tensor:
        """The plane forward + u right + v down, (N, S, Y, X), of three numbers (N,) each."""
        row = forward[:, None, None, None] + self.v * down[:, None, None, None]
        return row + self.u * right[:, None, None, None]

    def directions(self, axes: Tensor) -> Planes:
        """Ray directions of depth 1 in the frame where the camera's axes are `axes` (N, 3, 3)."""
        x, y, z = (self.spread(axes[:, 2, k], axes[:, 0, k], axes[:, 1, k]) for k in range(3))
        return x, y, z


@dataclass(frozen=True)
class Window:
    """Rectangles of one size: top and left (N,) pixels each in a picture of (rows, cols)."""

    top: Tensor
    left: Tensor
    rows: int
    cols: int


def grid(window: Window, lens: Lens, size: tuple[int, int], supersample: int) -> Grid:
    """Rays through `window` of a (Y, X) picture, supersample² per pixel on a rotated lattice."""
    device = lens.origin.device
    step = torch.arange(supersample, device=device, dtype=torch.float32)
    coarse, fine = torch.meshgrid(step, step, indexing="ij")
    across = ((coarse + (fine + 0.5) / supersample) / supersample).reshape(1, -1, 1, 1)
    along = ((fine + (coarse + 0.5) / supersample) / supersample).reshape(1, -1, 1, 1)
    pixel = 1 / (lens.focal * math.sqrt(size[0] * size[1])).reshape(-1, 1, 1, 1)
    x = torch.arange(window.cols, device=device).reshape(1, 1, 1, -1) + across
    y = torch.arange(window.rows, device=device).reshape(1, 1, -1, 1) + along
    left = window.left.to(device).reshape(-1, 1, 1, 1) - size[1] / 2
    top = window.top.to(device).reshape(-1, 1, 1, 1) - size[0] / 2
    return Grid((x + left) * pixel, (y + top) * pixel, pixel)


def per_ray(values: Tensor) -> Tensor:
    """One number for each of N rectangles, (N,), to go with planes (N, S, Y, X)."""
    return values[:, None, None, None]


def per_pixel(values: Tensor) -> Tensor:
    """One number for each of N rectangles, (N,), to go with planes (N, Y, X)."""
    return values[:, None, None]
