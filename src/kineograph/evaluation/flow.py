"""Optical flow: how far what is seen moves from one frame to the next.

Horn and Schunck, "Determining optical flow" (1981), from coarse pictures to fine ones: brightness
stays with what moves, and neighbours move alike, so that smooth insides move with their edges.
Here neighbours count less across edges of the picture, so that a background rests beside a toy.

Shapes: T frames of Y x X pixels, R = T - 1 pairs of frames.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, interpolate, pad

LEVELS = 3
"""Pictures of full, half and quarter size: motions up to about a sixth of the frame are found."""

WARPS, SWEEPS = 3, 10
"""How often the second frame is moved by what is known, and how often that is then improved."""

SMOOTH = 0.02
"""How much neighbours count, against squared brightness from 0 to 1."""

EDGE = 0.06
"""A difference in brightness between neighbours over which they count half as much."""

REST = 0.1
"""Below this, in pixels of a 64 x 64 frame, a pixel counts as resting."""


@torch.no_grad()
def flow(frames: Tensor) -> Tensor:
    """Where each pixel of a frame goes until the next.

    Args:
        frames: (T, Y, X, 3) uint8.

    Returns:
        (T - 1, Y, X, 2) float32 in pixels, x to the right and y down.
    """
    colours = _softened(frames.movedim(-1, 1).float() / 255)
    levels = [colours]
    for _ in range(LEVELS - 1):
        levels.append(avg_pool2d(levels[-1], 2))
    found = colours.new_zeros(len(frames) - 1, 2, *levels[-1].shape[-2:])
    for level in reversed(levels):
        rows, cols = level.shape[-2:]
        scale = cols / found.shape[-1]
        found = interpolate(found, (rows, cols), mode="bilinear", align_corners=False) * scale
        for _ in range(WARPS):
            found = _improved(level[:-1], level[1:], found)
    return found.movedim(1, -1)


def amount(frames: Tensor) -> float:
    """Mean length of the flow of a clip (T, Y, X, 3), in pixels per frame of its own size.

    What moves less than `REST` counts as nothing, so that noise is no motion. 0 for a picture.
    """
    if len(frames) < 2:
        return 0.0
    length = flow(frames).norm(dim=-1)
    rest = REST * (frames.shape[1] * frames.shape[2]) ** 0.5 / 64
    return float((length * (length > rest)).mean())


def _improved(first: Tensor, second: Tensor, known: Tensor) -> Tensor:
    """One linearisation around the flow `known` (R, 2, Y, X), of pictures (R, 3, Y, X)."""
    moved = _moved(second, known)
    slope_x, slope_y = (0.5 * (a + b) for a, b in zip(_slopes(first), _slopes(moved), strict=True))
    change = moved - first
    xx, yy = slope_x.square().sum(1), slope_y.square().sum(1)
    xy = (slope_x * slope_y).sum(1)
    xt, yt = (slope_x * change).sum(1), (slope_y * change).sum(1)
    weights = _alike(first)
    total = weights.sum(1) * SMOOTH
    determinant = (xx + total) * (yy + total) - xy.square()
    u, v = known.unbind(1)
    start = known
    for _ in range(SWEEPS):
        around = _around(torch.stack([u, v], 1), weights) * SMOOTH
        # The least of (xx du + xy dv + xt ...)² and of the differences to the neighbours.
        right_x = around[:, 0] - xt + xx * start[:, 0] + xy * start[:, 1]
        right_y = around[:, 1] - yt + xy * start[:, 0] + yy * start[:, 1]
        u = ((yy + total) * right_x - xy * right_y) / determinant
        v = ((xx + total) * right_y - xy * right_x) / determinant
    return torch.stack([u, v], 1)


def _around(field: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of the four neighbours of (R, 2, Y, X), weights (R, 4, Y, X)."""
    total = torch.zeros_like(field)
    for number, one in enumerate(_neighbours(field)):
        total += weights[:, number : number + 1] * one
    return total


def _alike(pictures: Tensor) -> Tensor:
    """How much each of the four neighbours counts, (R, 4, Y, X): 1 where it looks the same."""
    steps = [(one - pictures).square().sum(1) for one in _neighbours(pictures)]
    return 1 / (1 + torch.stack(steps, 1) / EDGE**2)


def _moved(pictures: Tensor, by: Tensor) -> Tensor:
    """Each pixel is fetched from where the flow `by` (R, 2, Y, X) says it went."""
    rows, cols = pictures.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    x = (x + 0.5 + by[:, 0]) * 2 / cols - 1
    y = (y + 0.5 + by[:, 1]) * 2 / rows - 1
    grid = torch.stack([x, y], -1)
    return grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _slopes(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Change per pixel along x and y, (R, 3, Y, X) each."""
    left, right, above, below = _neighbours(pictures)
    return (right - left) / 2, (below - above) / 2


def _neighbours(field: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(R, C, Y, X) as it is to the left, right, above and below of each pixel."""
    wide = pad(field, (1, 1, 1, 1), mode="replicate")
    return (
        wide[..., 1:-1, :-2],
        wide[..., 1:-1, 2:],
        wide[..., :-2, 1:-1],
        wide[..., 2:, 1:-1],
    )


def _softened(pictures: Tensor) -> Tensor:
    """Slightly blurred, (T, 3, Y, X), so that slopes mean something."""
    kernel = pictures.new_tensor([0.25, 0.5, 0.25])
    both = (kernel[:, None] * kernel).expand(pictures.shape[1], 1, 3, 3)
    return conv2d(pad(pictures, (1, 1, 1, 1), mode="replicate"), both, groups=pictures.shape[1])
