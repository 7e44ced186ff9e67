"""The floor, the sky and the shadows.

Shapes: N frames or appearances, S sub-samples, Y x X pixels. A floor is two colours mixed by a
pattern; where the pattern is finer than a pixel, it fades to its mean, so that nothing flickers.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from kineograph.toybox.motion import HALF
from kineograph.toybox.rays import Grid, Lens, Planes, per_pixel, per_ray
from kineograph.toybox.scene import FloorKind, Shape
from kineograph.toybox.stage import SOFT, Cast, World

HAZE = 26.0
"""Metres at which the floor is mostly haze."""

FAR = 80.0
"""Metres at which the floor ends."""

Pattern = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Share of the second colour at (x, z), in periods, given a pixel's width along x and z."""


def grey(x: Tensor, z: Tensor, wide: Tensor, deep: Tensor) -> Tensor:
    """Nothing."""
    return torch.zeros_like(x)


def checkered(x: Tensor, z: Tensor, wide: Tensor, deep: Tensor) -> Tensor:
    """Squares of one period."""
    return 0.5 + 0.5 * _square_wave(x, wide) * _square_wave(z, deep)


def wooden(x: Tensor, z: Tensor, wide: Tensor, deep: Tensor) -> Tensor:
    """Boards along z, each of its own tone, with dark gaps and a little grain."""
    board = x.floor()
    length = z * 0.16 + board * 0.381966
    piece = length.floor()
    tone = (board * 0.618034 + piece * 0.324718) % 1.0
    edge = 0.5 - (x - board - 0.5).abs()
    end = (0.5 - (length - piece - 0.5).abs()) * 6.25
    gap = torch.maximum(_line(edge, 0.035, wide), _line(end, 0.035, deep))
    grain = torch.sin(x * 23 + 2.4 * torch.sin(z * 0.9 + board * 5)) * (1 - 5 * wide).clamp(min=0)
    return (0.06 + 0.2 * tone + 0.035 * grain) * (1 - gap) + 0.85 * gap


def grass(x: Tensor, z: Tensor, wide: Tensor, deep: Tensor) -> Tensor:
    """Tufts: waves of many directions and lengths, bent by each other."""
    patch = torch.sin(1.3 * x + 0.8 * torch.sin(0.9 * z)) * torch.sin(1.1 * z + 0.7 * x)
    tuft = _waves(
        x, z, wide, deep, ((5.3, 2.1), (-3.9, 4.7), (9.1, -5.2), (19.3, 8.1), (-14.7, 17.9))
    )
    return (0.45 + 0.18 * patch + 0.75 * tuft).clamp(0, 1)


def sand(x: Tensor, z: Tensor, wide: Tensor, deep: Tensor) -> Tensor:
    """Ripples of the wind, and a little grain."""
    bend = torch.sin(0.9 * x + 0.6 * torch.sin(0.5 * z))
    ripple = _waves(x, z + 0.35 * bend, wide, deep, ((0.5, 5.2),))
    grain = _waves(x, z, wide, deep, ((8.7, 3.1), (-6.3, 7.9)))
    return (0.5 + 0.42 * ripple + 0.16 * grain).clamp(0, 1)


PATTERNS: dict[FloorKind, Pattern] = {
    "grey": grey,
    "wooden": wooden,
    "checkered": checkered,
    "grass": grass,
    "sand": sand,
}


def background(rays: Grid, lens: Lens, world: World, pattern: Pattern) -> Tensor:
    """Sky and sunlit floor without toys, linear colours (3, N, Y, X)."""
    dx, dy, dz = rays.directions(lens.axes)
    x, z, depth, below = floor_points((dx, dy, dz), lens.origin)
    period = per_ray(world.period)
    wide = rays.pixel * depth / period
    deep = wide * depth / per_ray(lens.origin[:, 1])
    share = pattern(
        x / period - per_ray(world.offset[:, 0]),
        z / period - per_ray(world.offset[:, 1]),
        wide,
        deep,
    )
    clear = below * torch.exp(-(depth * depth) / (HAZE * HAZE))
    high = (dy.clamp(min=0) * 2.6).clamp(max=1)
    clear, mixed, high = clear.mean(1), (clear * share).mean(1), high.mean(1)
    lit = world.sun * world.light[:, 1:2] + world.sky
    planes = []
    for c in range(3):
        main, second = lit[:, c] * world.main[:, c], lit[:, c] * world.second[:, c]
        horizon, zenith = world.horizon[:, c], world.zenith[:, c]
        planes.append(
            per_pixel(horizon)
            + per_pixel(main - horizon) * clear
            + per_pixel(second - main) * mixed
            + per_pixel(zenith - horizon) * high
        )
    return torch.stack(planes)


def floor_points(d: Planes, origin: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where rays of depth 1 meet the floor: x, z, depth, and 1 below the horizon, else 0."""
    height = per_ray(origin[:, 1])
    depth = height / (-d[1]).clamp(min=1e-3)
    below = (d[1] < 0).float() * (depth < FAR).float()
    depth = depth.clamp(max=FAR)
    return per_ray(origin[:, 0]) + depth * d[0], per_ray(origin[:, 2]) + depth * d[2], depth, below


def shadow(rays: Grid, lens: Lens, world: World, cast: Cast, shape: Shape) -> Tensor:
    """What a toy's shadow leaves of the floor's light, (N, Y, X) in (0, 1].

    The outline is the toy's exact or nearly exact parallel projection along the sunlight, softened
    the more the higher the toy floats; a contact shadow darkens the place right below it.
    """
    x, z, _, below = floor_points(rays.directions(lens.axes), lens.origin)
    radius = per_ray(cast.radius)
    x = (x - per_ray(cast.centre[:, 0])) / radius
    z = (z - per_ray(cast.centre[:, 2])) / radius
    height = cast.centre[:, 1] / cast.radius
    gap = (height - HALF[shape][1]).clamp(min=0)
    slope_x = -world.light[:, 0] / world.light[:, 1]
    slope_z = -world.light[:, 2] / world.light[:, 1]
    away = OUTLINES[shape](x, z, (slope_x, height, slope_z), cast.rotation)
    soft = per_ray(SOFT[0] + SOFT[2] * gap)
    dark = (0.5 - away / (2 * soft)).clamp(0, 1)
    dark = dark * dark * (3 - 2 * dark)
    near = (1 - FOOTPRINTS[shape](x, z, cast.rotation) / SOFT[1]).clamp(0, 1)
    contact = 0.6 * near * near * per_ray(1 / (1 + 6 * gap))
    direct = (world.sun * world.light[:, 1:2]).sum(1)
    share = per_ray(0.86 * direct / (direct + world.sky.sum(1)))
    return (1 - below * (1 - (1 - share * dark) * (1 - contact))).mean(1)


Slope = tuple[Tensor, Tensor, Tensor]
"""Shadow offset along x per metre of height, the centre's height, and the offset along z."""


def _ball_outline(x: Tensor, z: Tensor, slope: Slope, rotation: Tensor) -> Tensor:
    """An ellipse, longer along the light."""
    sx, height, sz = slope
    x, z = x - per_ray(sx * height), z - per_ray(sz * height)
    long = (1 + sx * sx + sz * sz).sqrt()
    steep = (sx * sx + sz * sz).sqrt().clamp(min=1e-4)
    along = x * per_ray(sx / (steep * long)) + z * per_ray(sz / (steep * long))
    across = x * per_ray(sz / steep) - z * per_ray(sx / steep)
    return torch.hypot(along, across) - 1


def _tapered(x: Tensor, z: Tensor, slope: Slope, bottom: float, top: float, half: float) -> Tensor:
    """The swept disc of a cylinder or cone, from radius `bottom` to `top` over its height."""
    sx, height, sz = slope
    x, z = x - per_ray(sx * (height - half)), z - per_ray(sz * (height - half))
    ax, az = sx * 2 * half, sz * 2 * half
    square = (ax * ax + az * az).clamp(min=1e-6)
    part = (x * per_ray(ax / square) + z * per_ray(az / square)).clamp(0, 1)
    return torch.hypot(x - part * per_ray(ax), z - part * per_ray(az)) - (
        bottom + part * (top - bottom)
    )


def _cylinder_outline(x: Tensor, z: Tensor, slope: Slope, rotation: Tensor) -> Tensor:
    radius, half, _ = HALF["cylinder"]
    return _tapered(x, z, slope, radius, radius, half)


def _cone_outline(x: Tensor, z: Tensor, slope: Slope, rotation: Tensor) -> Tensor:
    radius, half, _ = HALF["cone"]
    return _tapered(x, z, slope, radius, 0.0, half)


def _cube_outline(x: Tensor, z: Tensor, slope: Slope, rotation: Tensor) -> Tensor:
    """A hexagon: the sum of three segments, so three slabs."""
    sx, height, sz = slope
    half = HALF["cube"][0]
    x, z = x - per_ray(sx * height), z - per_ray(sz * height)
    edges = [(half * rotation[:, 0, k], half * rotation[:, 2, k]) for k in (0, 2)]
    edges.append((half * sx, half * sz))
    away = None
    for ex, ez in edges:
        length = torch.hypot(ex, ez).clamp(min=1e-4)
        nx, nz = -ez / length, ex / length
        reach = sum(((nx * fx + nz * fz).abs() for fx, fz in edges), torch.zeros_like(nx))
        slab = (x * per_ray(nx) + z * per_ray(nz)).abs() - per_ray(reach)
        away = slab if away is None else torch.maximum(away, slab)
    assert away is not None
    return away


def _ring_outline(x: Tensor, z: Tensor, slope: Slope, rotation: Tensor) -> Tensor:
    """An elliptic band: the projection of the ring's middle circle, as thick as its tube."""
    sx, height, sz = slope
    outer, _, tube = HALF["ring"]
    ex, ez = rotation[:, 0, 0], rotation[:, 2, 0]
    x, z = x - per_ray(sx * height), z - per_ray(sz * height)
    turn = ex * sz - ez * sx
    turn = torch.where(turn.abs() < 0.05, 0.05, turn)
    along = x * per_ray(sz / turn) - z * per_ray(sx / turn)
    up = z * per_ray(ex / turn) - x * per_ray(ez / turn)
    length = torch.hypot(along, up).clamp(min=1e-3)
    grow_x = along * per_ray(sz / turn) - up * per_ray(ez / turn)
    grow_z = up * per_ray(ex / turn) - along * per_ray(sx / turn)
    slant = (torch.hypot(grow_x, grow_z) / length).clamp(min=0.3)
    return ((length - (outer - tube)) / slant).abs() - tube


OUTLINES: dict[Shape, Callable[[Tensor, Tensor, Slope, Tensor], Tensor]] = {
    "ball": _ball_outline,
    "cube": _cube_outline,
    "cylinder": _cylinder_outline,
    "cone": _cone_outline,
    "ring": _ring_outline,
}
"""Signed distance, in radii, to the outline of each shape's shadow."""


def _round_foot(radius: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def foot(x: Tensor, z: Tensor, rotation: Tensor) -> Tensor:
        return (torch.hypot(x, z) - radius).clamp(min=0)

    return foot


def _box_foot(wide: float, deep: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def foot(x: Tensor, z: Tensor, rotation: Tensor) -> Tensor:
        along = x * per_ray(rotation[:, 0, 0]) + z * per_ray(rotation[:, 2, 0])
        across = x * per_ray(rotation[:, 0, 2]) + z * per_ray(rotation[:, 2, 2])
        out, side = (along.abs() - wide).clamp(min=0), (across.abs() - deep).clamp(min=0)
        return torch.hypot(out, side)

    return foot


FOOTPRINTS: dict[Shape, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "ball": _round_foot(0.2),
    "cube": _box_foot(HALF["cube"][0], HALF["cube"][2]),
    "cylinder": _round_foot(HALF["cylinder"][0]),
    "cone": _round_foot(HALF["cone"][0]),
    "ring": _box_foot(0.3, 0.1),
}
"""Distance, in radii, to the place where each shape touches the floor."""


def _square_wave(x: Tensor, width: Tensor) -> Tensor:
    """1 and -1 in turn over each unit of x, smoothed over `width`, 0 where that is too wide."""
    edge = 0.5 - ((x * 0.5) % 1.0 - 0.5).abs() * 2
    return (2 * edge / width.clamp(min=1e-4)).clamp(-1, 1) * (1.2 - 2.4 * width).clamp(0, 1)


def _waves(
    x: Tensor, z: Tensor, wide: Tensor, deep: Tensor, sizes: tuple[tuple[float, float], ...]
) -> Tensor:
    """The mean of sine waves of these wave numbers along x and z; what is too fine fades."""
    total = torch.zeros_like(x)
    for kx, kz in sizes:
        fade = 1 - 0.4 * (abs(kx) * wide + abs(kz) * deep)
        total += torch.sin(kx * x + kz * z) * fade.clamp(min=0)
    return total / len(sizes)


def _line(away: Tensor, half: float, width: Tensor) -> Tensor:
    """A line where `away` < `half`, spread over a pixel's `width` without losing its weight."""
    reach = half + width
    return (1 - away / reach).clamp(min=0) * (half / reach)
