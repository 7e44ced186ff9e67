"""Where rays meet the five shapes, without branches and without `torch.where`.

Shapes: N toys, S sub-samples, Y x X pixels. Each function takes rays in the toy's own frame, scaled
to radius 1: an origin (N, 3) and planes of directions (N, S, Y, X). Convex shapes are
intersections of intervals along the ray: the latest entry must come before the first exit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kineograph.toybox.motion import HALF
from kineograph.toybox.rays import Planes
from kineograph.toybox.scene import Shape

RING_STEPS = 12


@dataclass(frozen=True, eq=False)
class Hit:
    """What rays meet: cover (1 or 0), ray parameter, and outward normal in the toy's frame.

    All are (N, S, Y, X) planes; time and normal mean nothing where cover is 0, but are finite.
    """

    cover: Tensor
    time: Tensor
    normal: Planes


Trace = Callable[[Planes, Planes], Hit]


def ball(o: Planes, d: Planes) -> Hit:
    """The unit sphere."""
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1
    square = b * b - a * c
    time = -(b + square.clamp(min=0).sqrt()) / a
    normal = (o[0] + time * d[0], o[1] + time * d[1], o[2] + time * d[2])
    return Hit((square > 0).float(), time, normal)


def cube(o: Planes, d: Planes) -> Hit:
    """A box: three slabs."""
    slabs = [_slab(o[k], d[k], HALF["cube"][k]) for k in range(3)]
    enter = torch.maximum(torch.maximum(slabs[0][0], slabs[1][0]), slabs[2][0])
    leave = torch.minimum(torch.minimum(slabs[0][1], slabs[1][1]), slabs[2][1])
    x, y, z = (-(slabs[k][0] >= enter).float() * d[k].sign() for k in range(3))
    return Hit((leave > enter).float(), enter, (x, y, z))


def cylinder(o: Planes, d: Planes) -> Hit:
    """An upright cylinder: a round side and a slab."""
    radius, half, _ = HALF["cylinder"]
    a = d[0] * d[0] + d[2] * d[2]
    b = o[0] * d[0] + o[2] * d[2]
    c = o[0] * o[0] + o[2] * o[2] - radius * radius
    side_in, side_out, real = _roots(a, b, c)
    slab_in, slab_out = _slab(o[1], d[1], half)
    enter, leave = torch.maximum(side_in, slab_in), torch.minimum(side_out, slab_out)
    side = (side_in >= slab_in).float()
    x = (o[0] + enter * d[0]) * (side / radius)
    z = (o[2] + enter * d[2]) * (side / radius)
    return Hit((leave > enter).float() * real, enter, (x, (side - 1) * d[1].sign(), z))


def cone(o: Planes, d: Planes) -> Hit:
    """An upright cone: one nappe of a double cone, cut off by the slab below its tip.

    Holds for rays less steep than the cone's side, which is every ray of a toybox camera.
    """
    radius, half, _ = HALF["cone"]
    slope = radius / (2 * half)
    k = slope * slope
    y = o[1] - half
    a = d[0] * d[0] + d[2] * d[2] - k * d[1] * d[1]
    b = o[0] * d[0] + o[2] * d[2] - k * y * d[1]
    c = o[0] * o[0] + o[2] * o[2] - k * y * y
    side_in, side_out, real = _roots(a.clamp(min=1e-4), b, c)
    slab_in, slab_out = _slab(o[1], d[1], half)
    enter, leave = torch.maximum(side_in, slab_in), torch.minimum(side_out, slab_out)
    side = (side_in >= slab_in).float()
    steep = (1 + k) ** -0.5
    depth = -(y + enter * d[1])
    scale = side * (steep / slope) / depth.clamp(min=1e-3)
    x = (o[0] + enter * d[0]) * scale
    z = (o[2] + enter * d[2]) * scale
    up = side * (slope * steep) + (side - 1) * d[1].sign()
    return Hit((leave > enter).float() * real, enter, (x, up, z))


def ring(o: Planes, d: Planes) -> Hit:
    """A torus around the z axis, by sphere tracing from where its slab begins.

    Of the rays that graze it, about one in a hundred is not there after the last step, and misses.
    """
    outer, _, tube = HALF["ring"]
    middle = outer - tube
    length = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).rsqrt()
    x, y, z = d[0] * length, d[1] * length, d[2] * length
    b = o[0] * x + o[1] * y + o[2] * z
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - outer * outer
    sphere_in = -b - (b * b - c).clamp(min=0).sqrt()
    time = torch.maximum(sphere_in, _slab(o[2], z, tube)[0])
    for _ in range(RING_STEPS):
        px, py, pz = o[0] + time * x, o[1] + time * y, o[2] + time * z
        axis = torch.hypot(px, py)
        off = axis - middle
        gap = torch.hypot(off, pz) - tube
        time = time + gap
    keep = (off / axis.clamp(min=1e-3)) / tube
    normal = (px * keep, py * keep, pz / tube)
    return Hit((gap < 0.012).float(), time * length, normal)


TRACES: dict[Shape, Trace] = {
    "ball": ball,
    "cube": cube,
    "cylinder": cylinder,
    "cone": cone,
    "ring": ring,
}


def _slab(o: Tensor, d: Tensor, half: float) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave |coordinate| <= half."""
    inverse = 1 / (d + 1e-9)
    centre = -o * inverse
    reach = half * inverse.abs()
    return centre - reach, centre + reach


def _roots(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both solutions of a t² + 2 b t + c = 0 (a > 0), and 1 where they are real, else 0."""
    square = b * b - a * c
    root = square.clamp(min=0).sqrt()
    inverse = 1 / a
    return (-b - root) * inverse, (root - b) * inverse, (square > 0).float()
