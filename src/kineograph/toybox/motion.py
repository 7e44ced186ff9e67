"""Where a toy is at each moment, in closed form, so that time is continuous.

Shapes: T moments.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kineograph.toybox.scene import Shape, Toy

HALF: dict[Shape, tuple[float, float, float]] = {
    "ball": (1.0, 1.0, 1.0),
    "cube": (0.84, 0.84, 0.84),
    "cylinder": (0.82, 1.0, 0.82),
    "cone": (0.98, 1.1, 0.98),
    "ring": (1.06, 1.06, 0.32),
}
"""Half extents of each shape along its own axes, for radius 1. A ring stands, its hole along z."""

GRAVITY = 7.0
"""Of a toy world in m/s²: slower than ours, so that a bounce has enough frames."""

LANDING = 0.4
"""Speed after a fall's landing, relative to the speed before."""

ELASTICITY = 0.75
"""Speed at which toys part after a collision, relative to the speed at which they met."""

FRICTION = 0.8
"""Deceleration after a collision, m/s²."""

DIRECTIONS: dict[str, tuple[float, float, float]] = {
    "left": (-1.0, 0.0, 0.0),
    "right": (1.0, 0.0, 0.0),
    "towards": (0.0, 0.0, 1.0),
    "away": (0.0, 0.0, -1.0),
}


@dataclass(frozen=True, eq=False)
class Pose:
    """A toy over time: centre (T, 3), rotation (T, 3, 3) local to world, radius (T,), change (T,).

    `change` goes from 0 to 1 while the toy takes its other colour. float64, on the CPU.
    """

    centre: Tensor
    rotation: Tensor
    radius: Tensor
    change: Tensor


def pose(toy: Toy, times: Tensor, seconds: float) -> Pose:
    """The toy at `times` (T,) seconds; a motion with an end lasts `seconds` and then rests."""
    times = times.to(torch.float64).cpu()
    part = (times / seconds).clamp(0, 1)
    rest = torch.zeros_like(part)
    base = torch.stack([rest + toy.x, rest, rest + toy.z], dim=-1)
    yaw, scale, change = rest + toy.yaw, rest + 1, rest
    if toy.motion in DIRECTIONS:
        base = base + (part * toy.amount)[:, None] * base.new_tensor(DIRECTIONS[toy.motion])
    elif toy.motion == "bounce":
        base = base + _upwards(_bounce(times, toy.amount, toy.phase))
    elif toy.motion == "rise":
        base = base + _upwards(toy.amount * part * part * (3 - 2 * part))
    elif toy.motion == "fall":
        base = base + _upwards(_fall(times, toy.amount, toy.phase))
    elif toy.motion == "circle":
        base = base + _round(times, toy)
    elif toy.motion == "spin":
        yaw = yaw + 2 * math.pi * toy.amount * times / seconds
    elif toy.motion in ("grow", "shrink"):
        scale = 1 + (toy.amount - 1) * part
    elif toy.motion == "recolour":
        change = ((part - 0.15) / 0.7).clamp(0, 1)
    if toy.impact is not None:
        base = _after_impact(toy, base, times, seconds)
    radius = toy.radius * scale
    centre = base + _upwards(HALF[toy.shape][1] * radius)
    rotation = _turned(yaw)
    if toy.shape == "ball":
        rotation = _rolled(base - base.new_tensor([toy.x, 0, toy.z]), toy.radius) @ rotation
    return Pose(centre, rotation, radius, change)


def _upwards(height: Tensor) -> Tensor:
    """(T,) heights as (T, 3) offsets."""
    rest = torch.zeros_like(height)
    return torch.stack([rest, height, rest], dim=-1)


def _bounce(times: Tensor, height: float, phase: float) -> Tensor:
    """Height over the floor of an elastic bounce; phase 0 starts on the floor, 0.5 at the top."""
    period = 2 * math.sqrt(2 * height / GRAVITY)
    part = (times / period + phase) % 1.0
    return 4 * height * part * (1 - part)


def _fall(times: Tensor, height: float, wait: float) -> Tensor:
    """Height of a toy that is let go after `wait` seconds, and lands with two small bounces."""
    start = wait + math.sqrt(2 * height / GRAVITY)
    over = height - GRAVITY / 2 * (times - wait).clamp(min=0) ** 2
    speed = GRAVITY * (start - wait)
    for _ in range(2):
        speed *= LANDING
        since = (times - start).clamp(min=0)
        over = torch.maximum(over, speed * since - GRAVITY / 2 * since * since)
        start += 2 * speed / GRAVITY
    return over.clamp(min=0)


def _round(times: Tensor, toy: Toy) -> Tensor:
    """Offsets on a circle of radius `amount` around the toy's place, `phase` radians first."""
    rate = {"slow": 1.6, "normal": 2.8, "quick": 4.4}[toy.speed]
    angle = toy.phase + rate * times
    rest = torch.zeros_like(angle)
    return toy.amount * torch.stack([torch.cos(angle), rest, torch.sin(angle)], dim=-1)


def _after_impact(toy: Toy, base: Tensor, times: Tensor, seconds: float) -> Tensor:
    """The path from the collision on: straight, slowed by friction until it rests."""
    assert toy.impact is not None
    hit = toy.impact
    towards = base.new_tensor(DIRECTIONS.get(toy.motion, (0.0, 0.0, 0.0)))
    start = base.new_tensor([toy.x, 0, toy.z]) + towards * (toy.amount * hit.at / seconds)
    velocity = base.new_tensor([hit.x, 0, hit.z])
    speed = max(math.hypot(hit.x, hit.z), 1e-9)
    since = (times - hit.at).clamp(0, speed / FRICTION)
    run = since - FRICTION / speed * since * since / 2
    after = start + velocity * run[:, None]
    return torch.where((times > hit.at)[:, None], after, base)


def _turned(yaw: Tensor) -> Tensor:
    """(T,) angles around the vertical as (T, 3, 3) rotations."""
    c, s, o = torch.cos(yaw), torch.sin(yaw), torch.zeros_like(yaw)
    rows = [c, o, s, o, o + 1, o, -s, o, c]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def _rolled(offset: Tensor, radius: float) -> Tensor:
    """Rotation of a ball that rolled (T, 3) metres without slipping, along a straight line."""
    length = torch.hypot(offset[:, 0], offset[:, 2])
    angle = length / radius
    safe = length.clamp(min=1e-9)
    axis_x, axis_z = offset[:, 2] / safe, -offset[:, 0] / safe
    c, s, o = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    left = 1 - c
    rows = [
        c + axis_x * axis_x * left, -axis_z * s, axis_x * axis_z * left,
        axis_z * s, c, -axis_x * s,
        axis_x * axis_z * left, axis_x * s, c + axis_z * axis_z * left,
    ]  # fmt: skip
    turned = torch.stack([row + o for row in rows], dim=-1).reshape(-1, 3, 3)
    still = (length < 1e-9)[:, None, None]
    return torch.where(still, torch.eye(3, dtype=offset.dtype), turned)
