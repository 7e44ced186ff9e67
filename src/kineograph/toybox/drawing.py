"""What the three levels of the world draw at random: candidates, before the rules of `rules.py`."""

import math
import random
from collections.abc import Callable
from dataclasses import replace

from kineograph.toybox.motion import DIRECTIONS, ELASTICITY, HALF
from kineograph.toybox.scene import (
    Backdrop,
    BackdropKind,
    Camera,
    Colour,
    Floor,
    FloorKind,
    Impact,
    Light,
    Material,
    Motion,
    Move,
    Relation,
    RelationKind,
    Scene,
    Shape,
    Side,
    Size,
    Speed,
    Toy,
    words,
)

LEVEL_1_COLOURS: tuple[Colour, ...] = (
    "red", "orange", "yellow", "green", "cyan", "blue", "purple", "white",
)  # fmt: skip
LEVEL_1_MOTIONS: tuple[Motion, ...] = ("still", "left", "right", "towards", "away", "bounce")
LEVEL_1_FLOORS: tuple[FloorKind, ...] = ("grey", "wooden", "checkered")

RADII: dict[Size, tuple[float, float]] = {
    "small": (0.56, 0.62),
    "medium": (0.72, 0.78),
    "large": (0.9, 0.98),
}
HURRY: dict[Speed, float] = {"slow": 0.5, "normal": 1.0, "quick": 1.5}
"""How much farther a quick toy gets in the same time."""

SPEEDY: tuple[Motion, ...] = ("left", "right", "towards", "away", "spin", "circle")
"""Motions of which a speed is said."""

SHAPES: tuple[Shape, ...] = words(Shape)
COLOURS: tuple[Colour, ...] = words(Colour)
MATERIALS: tuple[Material, ...] = words(Material)
MOTIONS: tuple[Motion, ...] = words(Motion)
FLOORS: tuple[FloorKind, ...] = words(FloorKind)
BACKDROPS: tuple[BackdropKind, ...] = words(BackdropKind)
MOVES: tuple[Move, ...] = words(Move)
RELATIONS: tuple[RelationKind, ...] = words(RelationKind)

ROUND: tuple[Shape, ...] = ("ball", "cylinder", "cone")
"""Shapes whose turning shows only by marks."""

Draw = Callable[[random.Random, int], Scene]


def one_toy(draw: random.Random, seed: int) -> Scene:
    """Level 1: a medium or large toy, day, a camera that rests."""
    shape = draw.choice(SHAPES)
    colour = draw.choice(LEVEL_1_COLOURS)
    motion = draw.choice(LEVEL_1_MOTIONS)
    size: Size = draw.choice(("medium", "large"))
    floor = _floor(draw, LEVEL_1_FLOORS)
    radius = _uniform(draw, *RADII[size])
    x, z, amount, phase = _level_1_path(draw, motion)
    toy = Toy(
        shape=shape,
        colour=colour,
        size=size,
        radius=radius,
        x=x,
        z=z,
        yaw=_yaw(draw, shape),
        material="shiny",
        motion=motion,
        amount=amount,
        phase=phase,
    )
    return Scene(level=1, seed=seed, toys=(toy,), floor=floor)


def toys_and_cameras(draw: random.Random, seed: int) -> Scene:
    """Level 2: one toy with every attribute, every floor, time of day, light and camera move."""
    toy = _toy(draw, draw.choice(("small", "medium", "medium", "large")))
    motion = draw.choice(MOTIONS)
    return _surround(draw, seed, 2, (_set_off(draw, toy, motion),))


def company(draw: random.Random, seed: int) -> Scene:
    """Level 3: two or three toys, in a relation."""
    kind = draw.choice(RELATIONS)
    first = _toy(draw, draw.choice(("small", "medium")))
    light = kind == "collides with" and first.size == "small"  # it could not push a larger one
    second = _toy(draw, "small" if light else draw.choice(("small", "medium")))
    if kind == "collides with":
        pair = _collision(draw, first, second)
    elif kind == "passes behind":
        pair = _passage(draw, first, second)
    else:
        pair = _neighbours(draw, first, second, kind)
    toys: tuple[Toy, ...] = pair
    if draw.random() < 0.35:
        third = replace(
            _toy(draw, "small"), x=_uniform(draw, -1.7, 1.7), z=_uniform(draw, -2.2, 0.9)
        )
        toys = (*pair, third)
    scene = _surround(draw, seed, 3, toys)
    return replace(scene, relation=Relation(kind=kind, first=0, second=1))


def third(draw: random.Random) -> Toy:
    """A toy beside the two of a relation, large and near enough that every word of it can show."""
    toy = _toy(draw, draw.choice(("small", "medium", "medium")))
    x, z = _uniform(draw, -1.9, 1.9), _uniform(draw, -0.9, 1.2)
    return replace(toy, x=x, z=z, marked=toy.marked or toy.shape in ROUND)


LEVELS: dict[int, Draw] = {1: one_toy, 2: toys_and_cameras, 3: company}


def _level_1_path(draw: random.Random, motion: Motion) -> tuple[float, float, float, float]:
    """Start x and z, amount and phase of a level-1 motion."""
    if motion in ("left", "right"):
        start, amount = _uniform(draw, 0.95, 1.3), _uniform(draw, 2.0, 2.5)
        return (start if motion == "left" else -start), _uniform(draw, -0.5, 0.3), amount, 0.0
    if motion in ("towards", "away"):
        start, amount = _uniform(draw, 1.2, 1.6), _uniform(draw, 2.4, 2.8)
        return _uniform(draw, -0.7, 0.7), (-start if motion == "towards" else start), amount, 0.0
    x, z = _uniform(draw, -0.9, 0.9), _uniform(draw, -0.5, 0.4)
    if motion == "bounce":
        return x, z, _uniform(draw, 0.75, 1.0), _uniform(draw, 0.0, 1.0)
    return x, z, 0.0, 0.0


def _toy(draw: random.Random, size: Size) -> Toy:
    """A toy of any look, standing still at the origin."""
    shape = draw.choice(SHAPES)
    return Toy(
        shape=shape,
        colour=draw.choice(COLOURS),
        size=size,
        radius=_uniform(draw, *RADII[size]),
        x=0.0,
        z=0.0,
        yaw=_yaw(draw, shape),
        material=draw.choice(MATERIALS),
        marked=shape in ROUND and draw.random() < 0.4,
    )


def _set_off(draw: random.Random, toy: Toy, motion: Motion) -> Toy:
    """The toy at a place from where it does `motion` within the picture."""
    speed: Speed = "normal"
    if motion in SPEEDY:
        speed = draw.choice(("slow", "normal", "normal", "quick"))
    x, z = _uniform(draw, -0.9, 0.9), _uniform(draw, -0.6, 0.5)
    amount, phase = 0.0, 0.0
    if motion in DIRECTIONS:
        amount = round(_uniform(draw, 2.0, 2.5) * HURRY[speed], 4)
        middle = _uniform(draw, -0.15, 0.15)
        along_x, _, along_z = DIRECTIONS[motion]
        x = round(middle - along_x * amount / 2, 4) if along_x else x
        z = round(middle - along_z * amount / 2, 4) if along_z else z
    elif motion == "bounce":
        amount, phase = _uniform(draw, 0.75, 1.0), _uniform(draw, 0.0, 1.0)
    elif motion in ("rise", "fall"):
        amount = _uniform(draw, 1.2, 1.6)
        phase = _uniform(draw, 0.2, 0.6) if motion == "fall" else 0.0
    elif motion == "circle":
        amount, phase = _uniform(draw, 0.7, 1.0), _uniform(draw, 0.0, 2 * math.pi)
        x, z = _uniform(draw, -0.4, 0.4), _uniform(draw, -0.4, 0.2)
    elif motion == "spin":
        amount = round(_uniform(draw, 0.75, 0.95) * HURRY[speed], 4) * draw.choice((-1, 1))
    elif motion in ("grow", "shrink"):
        amount = _uniform(draw, 1.6, 1.9) if motion == "grow" else _uniform(draw, 0.45, 0.6)
    becomes = None
    if motion == "recolour":
        becomes = draw.choice([colour for colour in COLOURS if colour != toy.colour])
    toy = replace(toy, motion=motion, speed=speed, amount=amount, phase=phase, becomes=becomes)
    turns_unseen = toy.shape in ROUND and motion in ("still", "spin")
    return replace(toy, x=x, z=z, marked=toy.marked or turns_unseen)


def _surround(draw: random.Random, seed: int, level: int, toys: tuple[Toy, ...]) -> Scene:
    """Floor, time of day, light and camera around some toys."""
    side: Side = draw.choice(("front", "left", "right"))
    azimuth = {"front": -0.45, "left": -1.35, "right": 1.35}[side]
    light = Light(
        side=side, azimuth=azimuth, elevation=0.95 if side == "front" else _uniform(draw, 0.6, 0.7)
    )
    move = draw.choice(MOVES) if draw.random() < (0.6 if level == 2 else 0.25) else "static"
    camera = Camera(
        move=move,
        amount=_camera_amount(draw, move),
        distance=_uniform(draw, 5.3, 5.8),
        height=_uniform(draw, 2.2, 2.8),
    )
    return Scene(
        level=level,
        seed=seed,
        toys=toys,
        floor=_floor(draw, FLOORS),
        backdrop=Backdrop(kind=draw.choice(BACKDROPS)),
        light=light,
        camera=camera,
    )


def _camera_amount(draw: random.Random, move: Move) -> float:
    """Radians of a pan, tilt or circle, the factor of a zoom."""
    if move in ("zoom in", "zoom out"):
        return _uniform(draw, 1.5, 1.8)
    if move in ("pan left", "pan right"):
        return _uniform(draw, 0.28, 0.4)
    if move in ("tilt up", "tilt down"):
        return _uniform(draw, 0.2, 0.28)
    if move == "circle":
        return _uniform(draw, 0.9, 1.3) * draw.choice((-1, 1))
    return 0.0


def _neighbours(
    draw: random.Random, first: Toy, second: Toy, kind: RelationKind
) -> tuple[Toy, Toy]:
    """Two toys beside or behind each other; the first may do something in its place."""
    apart = first.radius + second.radius + _uniform(draw, 0.25, 0.7)
    side, depth = _uniform(draw, -0.2, 0.2), _uniform(draw, -0.3, 0.3)
    if kind in ("left of", "right of"):
        half = apart / 2 if kind == "right of" else -apart / 2
        places = (half + side, depth), (side - half, depth + _uniform(draw, -0.3, 0.3))
    else:
        half = 0.55 * apart if kind == "in front of" else -0.55 * apart
        lean = _uniform(draw, 0.3, 0.55) * draw.choice((-1, 1))
        places = (side + lean, half - 0.2), (side - lean, -half - 0.2)
    motion: Motion = draw.choice(
        ("still", "still", "bounce", "spin", "grow", "shrink", "recolour", "rise", "fall")
    )
    (x1, z1), (x2, z2) = places
    acting = _set_off(draw, first, motion)
    return (
        replace(acting, x=round(x1, 4), z=round(z1, 4)),
        replace(second, x=round(x2, 4), z=round(z2, 4)),
    )


def _passage(draw: random.Random, first: Toy, second: Toy) -> tuple[Toy, Toy]:
    """The first crosses the picture behind the second."""
    motion: Motion = draw.choice(("left", "right"))
    moving = _set_off(draw, first, motion)
    amount = _uniform(draw, 2.6, 3.2)
    start = amount / 2 if motion == "left" else -amount / 2
    near = _uniform(draw, 0.4, 0.6)
    far = near - (first.radius + second.radius) * _uniform(draw, 1.15, 1.3)
    return (
        replace(moving, speed="normal", amount=amount, x=round(start, 4), z=round(far, 4)),
        replace(second, x=_uniform(draw, -0.25, 0.25), z=near),
    )


def _collision(draw: random.Random, first: Toy, second: Toy) -> tuple[Toy, Toy]:
    """The first runs into the second along x; momentum is kept, some of the speed is lost.

    A toy's mass grows with the cube of its radius. Boxes and rings face along x, so that they
    touch where their widths say.
    """
    motion: Motion = draw.choice(("left", "right"))
    way = DIRECTIONS[motion][0]
    first, second = (replace(toy, yaw=0.0) for toy in (first, second))
    touch = _half_width(first) + _half_width(second)
    start = -way * _uniform(draw, 1.5, 1.8)
    place = way * _uniform(draw, 0.15, 0.5)
    amount = _uniform(draw, 2.8, 3.6)
    speed = amount / 2.0
    at = (abs(place - start) - touch) / speed
    share = first.radius**3 / (first.radius**3 + second.radius**3)
    struck = (1 + ELASTICITY) * share * speed
    after = struck - ELASTICITY * speed
    z = _uniform(draw, -0.5, 0.3)
    return (
        replace(
            first,
            x=round(start, 4),
            z=z,
            motion=motion,
            amount=amount,
            impact=Impact(at=at, x=way * after, z=0.0),
        ),
        replace(second, x=round(place, 4), z=z, impact=Impact(at=at, x=way * struck, z=0.0)),
    )


def _half_width(toy: Toy) -> float:
    return HALF[toy.shape][0] * toy.radius


def _floor(draw: random.Random, kinds: tuple[FloorKind, ...]) -> Floor:
    return Floor(
        kind=draw.choice(kinds),
        x=_uniform(draw, 0, 2),
        z=_uniform(draw, 0, 2),
        tone=_uniform(draw, 0.92, 1.06),
    )


def _yaw(draw: random.Random, shape: Shape) -> float:
    """A turn to one side, so that a cube shows two faces; less for a ring, to show its hole."""
    return _uniform(draw, 0.3, 0.75) * draw.choice((-1, 1)) * (0.6 if shape == "ring" else 1.0)


def _uniform(draw: random.Random, low: float, high: float) -> float:
    """A number with four decimals, so that JSON stays short."""
    return round(draw.uniform(low, high), 4)
