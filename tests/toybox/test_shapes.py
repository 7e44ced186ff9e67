"""Rays meet each shape where its surface is, and normals point outwards."""

import math

import pytest
import torch
from torch import Tensor

from kineograph.toybox.motion import HALF
from kineograph.toybox.rays import Planes
from kineograph.toybox.scene import Shape
from kineograph.toybox.shapes import TRACES, Hit


def distance(shape: Shape, p: Tensor) -> Tensor:
    """Signed distance (or a bound of the same sign) of points (..., 3) to a shape of radius 1."""
    x, y, z = p.unbind(-1)
    wide, high, deep = HALF[shape]
    if shape == "ball":
        return p.norm(dim=-1) - 1
    if shape == "cube":
        return (p.abs() - wide).amax(dim=-1)
    if shape == "cylinder":
        return torch.maximum(torch.hypot(x, z) - wide, y.abs() - high)
    if shape == "cone":
        return torch.maximum(torch.hypot(x, z) - wide * (high - y) / (2 * high), y.abs() - high)
    return torch.hypot(torch.hypot(x, y) - (wide - deep), z) - deep


def shoot(shape: Shape, azimuth: float, height: float) -> tuple[Hit, Tensor, Tensor]:
    """64 x 64 parallel-ish rays from a camera that looks at the origin from 6 m away."""
    back = torch.tensor([math.sin(azimuth), height, math.cos(azimuth)])
    back = back / back.norm()
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), back)
    right = right / right.norm()
    up = torch.linalg.cross(back, right)
    s = torch.linspace(-0.24, 0.24, 64)
    rays = -back + s[None, :, None] * right + s[:, None, None] * up
    eye = 6 * back
    o: Planes = (eye[0], eye[1], eye[2])
    d: Planes = (rays[..., 0], rays[..., 1], rays[..., 2])
    return TRACES[shape](o, d), eye, rays


@pytest.mark.parametrize("azimuth", [0.0, 0.6, -1.2])
@pytest.mark.parametrize("shape", TRACES)
def test_hits_lie_on_the_surface(shape: Shape, azimuth: float) -> None:
    hit, eye, rays = shoot(shape, azimuth, 0.45)
    met = hit.cover > 0
    points = eye + hit.time[..., None] * rays
    assert met.float().mean() > 0.1
    assert distance(shape, points)[met].abs().max() < 0.02


@pytest.mark.parametrize("azimuth", [0.0, 0.6, -1.2])
@pytest.mark.parametrize("shape", TRACES)
def test_nothing_is_met_earlier_and_misses_miss(shape: Shape, azimuth: float) -> None:
    hit, eye, rays = shoot(shape, azimuth, 0.45)
    depth = torch.linspace(3.5, 8.5, 400)[:, None, None]
    inside = distance(shape, eye + depth[..., None] * rays) < -0.03
    before = depth < hit.time - 0.02
    assert not (inside & before & (hit.cover > 0)).any()
    missed = inside.any(dim=0) & (hit.cover == 0)
    assert missed.sum() <= (0.02 * inside.any(dim=0).sum() if shape == "ring" else 0)


@pytest.mark.parametrize("shape", TRACES)
def test_normals_are_unit_and_point_outwards(shape: Shape) -> None:
    hit, eye, rays = shoot(shape, 0.4, 0.45)
    normal = torch.stack(hit.normal, dim=-1)
    met = hit.cover > 0
    points = eye + hit.time[..., None] * rays
    if shape == "cone":  # its tip has no normal
        met &= points[..., 1] < 0.95 * HALF["cone"][1]
    assert (normal.norm(dim=-1)[met] - 1).abs().max() < 0.05
    outside = distance(shape, points + 0.05 * normal)
    assert (outside[met] > 0).float().mean() > 0.99
