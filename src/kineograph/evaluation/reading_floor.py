"""Tracks in metres: from where toys are in the picture back to where they are in the world.

A place and a radius in the picture leave one number open. It is closed in two ways: a toy that
stands on the floor, whatever its size; and a toy that keeps its size, whatever its height. What a
toy does is simple in the one or the other.

Shapes: B clips of M moments, K toys.
"""

import torch
from torch import Tensor

from kineograph.evaluation.reading_camera import Views
from kineograph.toybox.motion import HALF
from kineograph.toybox.stage import SHAPES

TALL = torch.tensor([HALF[shape][1] for shape in SHAPES])
"""Half the height of each shape, in radii."""

SERIES = 6
"""Numbers of a toy at a moment: x, z, logarithm of the radius on the floor; x, y, z at one size."""

NUMBERS = 6
"""Of each series: mean, range, slope, bend, what a line and what a bend leave."""

NEAREST = 0.1
"""The flattest angle at which the floor is looked for; what is farther away is taken for this."""


def back(place: Tensor, tall: Tensor, views: Views) -> Tensor:
    """Where toys are.

    Args:
        place: (B, K, M, 3) x, y, radius in shares of the picture.
        tall: (B, K) half the height in radii.
        views: of B cameras.

    Returns:
        (B, K, M, SERIES) in metres, the radius as its logarithm.
    """
    flat = (place[..., :2] - 0.5) / views.focal[:, None, :, None]
    local = torch.cat([flat, torch.ones_like(flat[..., :1])], -1)
    ray = torch.einsum("bkmi,bmij->bkmj", local, views.axes)
    origin = views.origin[:, None]
    width = (place[..., 2] / views.focal[:, None]).clamp(min=0.005)
    depth = origin[..., 1] / (tall[..., None] * width - ray[..., 1]).clamp(min=NEAREST)
    stands = origin + depth[..., None] * ray
    radius = width * depth
    smallest = radius.sort(-1).values[..., :3].mean(-1, keepdim=True)
    floats = origin + (smallest / width).clamp(max=40)[..., None] * ray
    return torch.cat([stands[..., ::2], radius.log()[..., None], floats], -1)


def told(series: Tensor) -> Tensor:
    """Numbers about the way of each series: (..., M, SERIES) -> (..., SERIES * (M + NUMBERS))."""
    count = series.shape[-2]
    x = series.transpose(-1, -2)
    mean = x.mean(-1, keepdim=True)
    apart = x - mean
    t = torch.linspace(-1, 1, count)
    bow = t**2 - (t**2).mean()
    slope = (apart * t).sum(-1, keepdim=True) / (t**2).sum()
    bend = (apart * bow).sum(-1, keepdim=True) / (bow**2).sum()
    line = apart - slope * t
    rest = line - bend * bow
    spread = apart.amax(-1, keepdim=True) - apart.amin(-1, keepdim=True)
    left = [one.square().mean(-1, keepdim=True).add(1e-6).sqrt() for one in (line, rest)]
    return torch.cat([apart, mean, spread, slope, bend, *left], -1).flatten(-2)
