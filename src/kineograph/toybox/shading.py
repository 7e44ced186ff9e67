"""The light on a toy.

Shapes: N appearances, S sub-samples, Y x X pixels. A colour is a sum of a few lights, each times a
plane that is averaged over the sub-samples first: light from around, sunlight, highlight and
reflection.
"""

import torch
from torch import Tensor

from kineograph.toybox.rays import Grid, Lens, per_pixel, per_ray
from kineograph.toybox.shapes import TRACES, Hit
from kineograph.toybox.stage import SHAPES, Cast, World


def trace(rays: Grid, lens: Lens, cast: Cast) -> tuple[Hit, Tensor]:
    """What the rays meet of appearances of one shape, and its height over the floor (N, S, Y, X).

    The toy's own frame has its centre, its axes and its radius as unit; the ray parameter is the
    depth in metres, because directions have depth 1 and only axes and origin are transformed.
    """
    shrink = 1 / cast.radius
    origin = torch.einsum("nij,ni->nj", cast.rotation, lens.origin - cast.centre)
    axes = torch.einsum("nki,nij->nkj", lens.axes, cast.rotation) * shrink[:, None, None]
    x, y, z = (per_ray(origin[:, k] * shrink) for k in range(3))
    hit = TRACES[SHAPES[int(cast.shape[0])]]((x, y, z), rays.directions(axes))
    fall = rays.spread(lens.axes[:, 2, 1], lens.axes[:, 0, 1], lens.axes[:, 1, 1])
    return hit, per_ray(lens.origin[:, 1]) + hit.time * fall


def shade(hit: Hit, height: Tensor, lens: Lens, world: World, cast: Cast) -> tuple[Tensor, Tensor]:
    """Coverage (N, Y, X) and colour times coverage (3, N, Y, X), linear."""
    view = lens.origin - cast.centre
    view = view / view.norm(dim=1, keepdim=True)
    half = world.light + view
    half = half / half.norm(dim=1, keepdim=True)
    up = _along(hit, cast.rotation[:, 1])
    sunny = _along(hit, _local(world.light, cast)).clamp(min=0)
    shine = _along(hit, _local(half, cast)).clamp(min=0, max=1)
    facing = _along(hit, _local(view, cast)).clamp(min=0, max=1)
    dim = 0.5 + 0.5 * (height / per_ray(0.8 * cast.radius)).clamp(0, 1)
    mirror = (2 * facing * up - per_ray(view[:, 1])) * 3 + 0.5
    edge = 1 - facing
    gloss = per_ray(cast.gloss)
    reflect = mirror.clamp(0, 1) * (0.05 + 0.5 * edge * edge * edge) * (0.1 + 0.9 * gloss)
    tight = shine**8
    tight = tight * (1 - gloss) * 0.05 + (tight**6) * gloss * 0.75
    bright = (hit.cover * tight).mean(1)
    reflected = (hit.cover * reflect).mean(1)
    colour = torch.zeros(3, *bright.shape, device=bright.device)
    for paint, share in _paints(hit, cast):
        around = (share * dim).mean(1)
        above = (share * dim * (0.5 + 0.5 * up)).mean(1)
        sunlit = (share * sunny).mean(1)
        for c in range(3):
            colour[c] += per_pixel(paint[:, c] * world.bounce[:, c]) * around
            colour[c] += per_pixel(paint[:, c] * (world.sky - world.bounce)[:, c]) * above
            colour[c] += per_pixel(paint[:, c] * world.sun[:, c]) * sunlit
    for c in range(3):
        colour[c] += per_pixel(world.sun[:, c]) * bright
        colour[c] += per_pixel(world.horizon[:, c]) * reflected
    return hit.cover.mean(1), colour


def _paints(hit: Hit, cast: Cast) -> list[tuple[Tensor, Tensor]]:
    """The colours (N, 3) of a toy, each with the plane of what it covers.

    Marks are four patches on a ball, four stripes around other shapes.
    """
    if not bool(cast.marked.any()):
        return [(cast.colour, hit.cover)]
    x, y, z = hit.normal
    whole = SHAPES[int(cast.shape[0])] == "ball"
    wave = 5.2 * x * y * z if whole else 4 * x * z * (x * x - z * z)
    mark = (0.5 + 6 * (wave - 0.3)).clamp(0, 1) * per_ray(cast.marked)
    return [(cast.colour, hit.cover * (1 - mark)), (cast.mark, hit.cover * mark)]


def _local(direction: Tensor, cast: Cast) -> Tensor:
    """World directions (N, 3) in each toy's frame."""
    return torch.einsum("nij,ni->nj", cast.rotation, direction)


def _along(hit: Hit, direction: Tensor) -> Tensor:
    """The normal's component along directions (N, 3) of the toy's frame, (N, S, Y, X)."""
    x, y, z = hit.normal
    return (
        x * per_ray(direction[:, 0]) + y * per_ray(direction[:, 1]) + z * per_ray(direction[:, 2])
    )
