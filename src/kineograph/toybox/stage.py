"""Scenes and moments as arrays: what the renderer needs to know of every frame and every toy.

Shapes: B scenes, T moments, M = B x T frames, N appearances (one toy in one frame).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from kineograph.toybox.camera import View
from kineograph.toybox.motion import HALF, Pose, pose
from kineograph.toybox.palette import AIRS, FLOORS, RGB, TOYS
from kineograph.toybox.rays import Lens, Window
from kineograph.toybox.scene import FloorKind, Light, Scene, Shape, Toy, words

SHAPES: tuple[Shape, ...] = words(Shape)
NEAR = 0.3
"""What comes nearer to the camera than this, in metres, is not drawn."""

CHALK = (0.8, 0.06)
"""What is left of a colour on a matte toy, and the pale light that is added."""

MARK = 0.7
"""How far a toy's marks are from its colour to the colour they are mixed with."""

SOFT = (0.16, 0.6, 0.12)
"""In radii: half the width of a shadow's edge, the reach of the contact shadow, and what each
radius over the floor adds to the edge."""


@dataclass(frozen=True, eq=False)
class World:
    """What is the same in a whole scene, one row per scene, (B, ...) float32.

    light: (B, 3) towards the sun. sun, sky, bounce, horizon, zenith, main, second: (B, 3) linear
    colours; main and second are the floor's. offset: (B, 2) metres. period: (B,) metres.
    """

    light: Tensor
    sun: Tensor
    sky: Tensor
    bounce: Tensor
    horizon: Tensor
    zenith: Tensor
    main: Tensor
    second: Tensor
    offset: Tensor
    period: Tensor

    def at(self, index: Tensor) -> "World":
        """The rows with these numbers, (N,)."""
        return World(*(column[index] for column in _columns(self)))


@dataclass(frozen=True, eq=False)
class Cast:
    """Every appearance of every toy, one row each, (N, ...).

    On the CPU: frame, scene, toy (1-based), layer (0 is drawn first), shape (index in SHAPES), and
    two rectangles (N, 4) top, left, bottom, right in pixels (bottom and right exclusive) that hold
    the toy and its shadow. float32 on the drawing device: centre (N, 3), rotation (N, 3, 3),
    radius (N,), colour (N, 3), mark (N, 3) the colour of its marks, gloss (N,), marked (N,).
    """

    frame: Tensor
    scene: Tensor
    toy: Tensor
    layer: Tensor
    shape: Tensor
    box: Tensor
    shadow_box: Tensor
    centre: Tensor
    rotation: Tensor
    radius: Tensor
    colour: Tensor
    mark: Tensor
    gloss: Tensor
    marked: Tensor

    def at(self, index: Tensor) -> "Cast":
        """The rows with these numbers, (n,)."""
        return Cast(*(column[index.to(column.device)] for column in _columns(self)))


@dataclass(frozen=True, eq=False)
class Stage:
    """All frames of some scenes: cameras (M rows), worlds (B rows), appearances (N rows).

    scene: (M,) the scene of each frame. still: (B,) whether a scene's camera rests. floors: of
    the B scenes.
    """

    lens: Lens
    world: World
    cast: Cast
    scene: Tensor
    still: Tensor
    floors: tuple[FloorKind, ...]
    size: tuple[int, int]


def stage(
    scenes: Sequence[Scene],
    views: Sequence[View],
    times: Tensor,
    size: tuple[int, int],
    device: torch.device,
) -> Stage:
    """Lay out `scenes` at `times` (T,), each seen by its view of T moments, as (Y, X) pictures."""
    lens = Lens(
        *(
            torch.cat(parts).float().to(device)
            for parts in (
                [v.origin for v in views],
                [v.axes for v in views],
                [v.focal for v in views],
            )
        )
    )
    cast = [
        _appearances(scene, views[index], index, times, size) for index, scene in enumerate(scenes)
    ]
    columns = [torch.cat(parts) for parts in zip(*cast, strict=True)]
    return Stage(
        lens,
        _world(scenes, device),
        Cast(*columns[:7], *(column.float().to(device) for column in columns[7:])),
        torch.arange(len(scenes)).repeat_interleave(len(times)),
        torch.tensor([_rests(view) for view in views]),
        tuple(scene.floor.kind for scene in scenes),
        size,
    )


def _rests(view: View) -> bool:
    """Whether all moments of a view are the same."""
    parts = (view.origin, view.axes, view.focal)
    return all(bool((part == part[:1]).all()) for part in parts)


def _columns(record: World | Cast) -> tuple[Tensor, ...]:
    return tuple(vars(record)[field.name] for field in fields(record))


def sun(light: Light) -> tuple[float, float, float]:
    """The unit vector towards the sun."""
    level = math.cos(light.elevation)
    return (
        level * math.sin(light.azimuth),
        math.sin(light.elevation),
        level * math.cos(light.azimuth),
    )


def _world(scenes: Sequence[Scene], device: torch.device) -> World:
    rows = []
    for scene in scenes:
        air, floor = AIRS[scene.backdrop.kind], FLOORS[scene.floor.kind]
        tone = scene.floor.tone
        rows.append(
            [
                *sun(scene.light),
                *air.sun,
                *air.sky,
                *air.bounce,
                *air.horizon,
                *air.zenith,
                *(tone * value for value in floor.main),
                *(tone * value for value in floor.second),
                scene.floor.x,
                scene.floor.z,
            ]
        )
    table = torch.tensor(rows, dtype=torch.float32, device=device)
    columns = torch.split(table, [3, 3, 3, 3, 3, 3, 3, 3, 2], dim=1)
    period = torch.tensor([FLOORS[scene.floor.kind].period for scene in scenes], device=device)
    return World(*[*columns, period])


def _appearances(
    scene: Scene, view: View, index: int, times: Tensor, size: tuple[int, int]
) -> list[Tensor]:
    """The columns of `Cast` for one scene, toys outermost; what is out of sight is left out."""
    poses = [pose(toy, times, scene.seconds) for toy in scene.toys]
    layer = _order(scene, poses, view)
    boxes, shadows = [], []
    for toy, p in zip(scene.toys, poses, strict=True):
        points = corners(toy, p)
        boxes.append(_box(points, view, size))
        shadows.append(_box(_fallen(points, p, scene.light), view, size))
    box, shadow_box = torch.stack(boxes), torch.stack(shadows)
    toys, frames = torch.nonzero((box[..., 2] > 0) | (shadow_box[..., 2] > 0), as_tuple=True)
    colour = torch.stack([_colour(toy, p) for toy, p in zip(scene.toys, poses, strict=True)])
    mark = colour + MARK * (torch.tensor([_mark(toy) for toy in scene.toys])[:, None] - colour)
    return [
        frames + index * len(times),
        torch.full_like(frames, index),
        toys + 1,
        layer[toys, frames],
        torch.tensor([SHAPES.index(toy.shape) for toy in scene.toys])[toys],
        box[toys, frames],
        shadow_box[toys, frames],
        torch.stack([p.centre for p in poses])[toys, frames],
        torch.stack([p.rotation for p in poses])[toys, frames],
        torch.stack([p.radius for p in poses])[toys, frames],
        colour[toys, frames],
        mark[toys, frames],
        torch.tensor([float(toy.material == "shiny") for toy in scene.toys])[toys],
        torch.tensor([float(toy.marked) for toy in scene.toys])[toys],
    ]


def _order(scene: Scene, poses: Sequence[Pose], view: View) -> Tensor:
    """The layer (toys, T) of each toy, 0 is drawn first.

    Seen from any point, a round footprint with a smaller power (squared distance less squared
    radius) is never behind a disjoint one with a larger power.
    """
    power = []
    for toy, p in zip(scene.toys, poses, strict=True):
        away = ((p.centre - view.origin)[:, ::2] ** 2).sum(dim=1)
        power.append((HALF[toy.shape][0] * p.radius) ** 2 - away)
    return torch.stack(power).argsort(dim=0).argsort(dim=0)


def _mark(toy: Toy) -> RGB:
    """What the marks of a toy are mixed with: white, or black on a white toy."""
    return TOYS["black" if toy.colour == "white" else "white"]


def _colour(toy: Toy, pose: Pose) -> Tensor:
    """(T, 3) linear colours; they differ over time only where a toy becomes another colour."""
    first = pose.change.new_tensor(TOYS[toy.colour])
    second = pose.change.new_tensor(TOYS[toy.becomes or toy.colour])
    colour = first + pose.change[:, None] * (second - first)
    return colour if toy.material == "shiny" else CHALK[0] * colour + CHALK[1]


def corners(toy: Toy, pose: Pose) -> Tensor:
    """The corners (T, 8, 3) of the box around a toy, in the world."""
    half = torch.tensor(HALF[toy.shape], dtype=torch.float64)
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    local = signs * half * pose.radius[:, None, None]
    if toy.shape != "ball":  # a ball's box need not turn with it
        local = local @ pose.rotation.transpose(1, 2)
    return pose.centre[:, None] + local


def _fallen(points: Tensor, pose: Pose, light: Light) -> Tensor:
    """The corners (T, 4, 3) of the floor's part that a toy with corners (T, 8, 3) darkens."""
    x, y, z = sun(light)
    height = points[..., 1:2].clamp(min=0)
    shade = points + height * points.new_tensor([-x / y, 0.0, -z / y])
    floor = torch.cat([points, shade], dim=1)
    gap = points[..., 1].amin(dim=1).clamp(min=0)
    margin = (SOFT[1] * pose.radius + SOFT[2] * gap)[:, None]
    low, high = floor.amin(dim=1) - margin, floor.amax(dim=1) + margin
    rest = torch.zeros_like(low[:, 0])
    corner = [(a[:, 0], rest, b[:, 2]) for a in (low, high) for b in (low, high)]
    return torch.stack([torch.stack(point, dim=-1) for point in corner], dim=1)


def _box(points: Tensor, view: View, size: tuple[int, int]) -> Tensor:
    """The rectangle (T, 4) around points (T, P, 3), inside the picture; zeros when out of sight."""
    seen = view.project(points, size)
    low, high = seen.amin(dim=1), seen.amax(dim=1)
    top, bottom = low[:, 1].floor().clamp(0, size[0]), high[:, 1].ceil().clamp(0, size[0])
    left, right = low[:, 0].floor().clamp(0, size[1]), high[:, 0].ceil().clamp(0, size[1])
    box = torch.stack([top, left, bottom, right], dim=-1).long()
    filled = (bottom > top) & (right > left) & (low[:, 2] > NEAR)
    return box * filled[:, None]


def window(box: Tensor, size: tuple[int, int]) -> Window:
    """One window for each of (N, 4) rectangles, all of the largest size, inside the picture."""
    rows = int((box[:, 2] - box[:, 0]).max())
    cols = int((box[:, 3] - box[:, 1]).max())
    top, left = box[:, 0].clamp(max=size[0] - rows), box[:, 1].clamp(max=size[1] - cols)
    return Window(top, left, rows, cols)


def batches(box: Tensor, group: Tensor, budget: int) -> Iterator[Tensor]:
    """Rows to draw together, without empty rectangles, in ascending order of their groups.

    Rows of one batch are of one group, and hold at most `budget` pixels in their common window.

    Args:
        box: rectangles (N, 4).
        group: (N,) integers.
    """
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    for key in sorted(set(group[area > 0].tolist())):
        rows = torch.nonzero((group == key) & (area > 0))[:, 0]
        part: list[int] = []
        high = wide = 0
        for row, (top, left, bottom, right) in zip(rows.tolist(), box[rows].tolist(), strict=True):
            high, wide = max(high, bottom - top), max(wide, right - left)
            if part and high * wide * (len(part) + 1) > budget:
                yield torch.tensor(part)
                part, high, wide = [], bottom - top, right - left
            part.append(row)
        if part:
            yield torch.tensor(part)
