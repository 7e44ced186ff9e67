"""When a drawn scene is drawn again: toys out of sight or inside each other, words nobody can see.

The main rule: a scene is drawn again when a word of its caption could be swapped for another
without a visible difference, fewer than 2 % of the clip's pixels changing. For each word the rule
renders the scene that the most confusable other word would mean, with the numbers that make the
two look most alike: a toy that slides left is compared to a camera that pans right by as much.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from kineograph.toybox.camera import view
from kineograph.toybox.captions import attributes
from kineograph.toybox.motion import DIRECTIONS, HALF, pose
from kineograph.toybox.render import render
from kineograph.toybox.scene import (
    Backdrop,
    BackdropKind,
    Camera,
    Colour,
    FloorKind,
    Material,
    Motion,
    Move,
    Scene,
    Shape,
    Toy,
)
from kineograph.toybox.stage import corners

VISIBLE = 0.02
"""Share of a clip's pixels that must change with a word."""

STEP = 10
"""A pixel has changed when a channel differs by more than this, of 255."""

SIZE = (40, 40)
MOMENTS = (0.0, 0.3, 0.65, 1.0)
"""Size and moments (shares of the scene's seconds) of the pictures that are compared."""

INSIDE = 0.75
"""Share of a toy's rectangle that must lie in the picture, at every moment."""

OPEN = 0.012
"""Share of the picture that each toy must cover, on average, in front of all others."""

MEDIUM = 0.75
"""Radius of a toy whose size is not said."""

CLOSE_COLOURS: dict[Colour, Colour] = {
    "red": "orange",
    "orange": "yellow",
    "yellow": "orange",
    "green": "cyan",
    "cyan": "blue",
    "blue": "purple",
    "purple": "blue",
    "pink": "white",
    "white": "yellow",
    "black": "purple",
}
CLOSE_SHAPES: dict[Shape, Shape] = {
    "ball": "ring",
    "cube": "cylinder",
    "cylinder": "cube",
    "cone": "cylinder",
    "ring": "ball",
}
CLOSE_FLOORS: dict[FloorKind, FloorKind] = {
    "grey": "sand",
    "wooden": "sand",
    "checkered": "grey",
    "grass": "sand",
    "sand": "wooden",
}
CLOSE_BACKDROPS: dict[BackdropKind, BackdropKind] = {"day": "dusk", "dusk": "day", "night": "dusk"}
OTHER_MATERIAL: dict[Material, Material] = {"matte": "shiny", "shiny": "matte"}
OPPOSITE: dict[Move, Move] = {
    "pan left": "pan right",
    "pan right": "pan left",
    "tilt up": "tilt down",
    "tilt down": "tilt up",
    "zoom in": "zoom out",
    "zoom out": "zoom in",
}


def in_view(scene: Scene) -> bool:
    """Whether every toy stays in the picture, for the most part of its rectangle."""
    times = torch.linspace(0, scene.seconds, 9, dtype=torch.float64)
    seen = view(scene.camera, times, scene.seconds)
    for toy in scene.toys:
        points = seen.project(corners(toy, pose(toy, times, scene.seconds)), (100, 100))
        low, high = points[..., :2].amin(dim=1), points[..., :2].amax(dim=1)
        inside = (high.clamp(0, 100) - low.clamp(0, 100)).prod(dim=1)
        if bool((inside < INSIDE * (high - low).prod(dim=1)).any()):
            return False
    return True


def apart(scene: Scene) -> bool:
    """Whether no two toys share a place at any moment; touching in a collision is allowed."""
    times = torch.linspace(0, scene.seconds, 33, dtype=torch.float64)
    poses = [pose(toy, times, scene.seconds) for toy in scene.toys]
    for second in range(len(poses)):
        for first in range(second):
            gap = (poses[first].centre - poses[second].centre)[:, ::2].norm(dim=1)
            reach = _reach(scene.toys[first]) * poses[first].radius
            reach = reach + _reach(scene.toys[second]) * poses[second].radius
            if bool((gap < reach - 1e-3).any()):
                return False
    return True


def distinct(scene: Scene) -> bool:
    """Whether every word of the caption shows: each swap changes 2 % of the clip's pixels."""
    return all(share >= VISIBLE for share in changes(scene).values())


def changes(scene: Scene) -> dict[str, float]:
    """The share of the clip's pixels that each swap changes, by the name of the swap."""
    named = dict(swaps(scene))
    times = torch.tensor(MOMENTS, dtype=torch.float64) * scene.seconds
    video = render([scene, *named.values()], times, SIZE, supersample=1).video.short()
    moved = ((video[1:] - video[:1]).abs() > STEP).any(dim=-1)
    shares = moved.flatten(1).float().mean(dim=1)
    return dict(zip(named, shares.tolist(), strict=True))


def open_to_view(scene: Scene) -> bool:
    """Whether each of several toys can be seen past the others."""
    times = torch.tensor(MOMENTS, dtype=torch.float64) * scene.seconds
    masks = render([scene], times, SIZE, supersample=1).masks
    shares = [float((masks == number + 1).float().mean()) for number in range(len(scene.toys))]
    return min(shares) >= OPEN


def swaps(scene: Scene) -> Iterator[tuple[str, Scene]]:
    """Scenes that a confusable other word would mean, each with the word's name."""
    said = attributes(scene)
    for number, toy in enumerate(scene.toys):
        suffix = str(number + 1) if number else ""
        for name, other in _toy_swaps(toy, f"size{suffix}" in said):
            yield f"{name} of toy {number + 1}", _with(scene, number, other)
        if f"motion{suffix}" in said:
            for name, other in _motion_swaps(toy):
                yield f"{name} of toy {number + 1}", _with(scene, number, other)
    yield "floor", replace(scene, floor=replace(scene.floor, kind=CLOSE_FLOORS[scene.floor.kind]))
    yield "backdrop", replace(scene, backdrop=Backdrop(kind=CLOSE_BACKDROPS[scene.backdrop.kind]))
    if scene.light.side != "front":
        azimuth = -scene.light.azimuth
        yield "light", replace(scene, light=replace(scene.light, azimuth=azimuth))
    yield from _camera_swaps(scene)
    if scene.relation is not None:
        yield from _relation_swaps(scene)


def _toy_swaps(toy: Toy, sized: bool) -> Iterator[tuple[str, Toy]]:
    """The toy with one of its own words changed."""
    yield "colour", replace(toy, colour=CLOSE_COLOURS[toy.colour])
    yield "shape", replace(toy, shape=CLOSE_SHAPES[toy.shape])
    yield "material", replace(toy, material=OTHER_MATERIAL[toy.material])
    if sized:
        yield "size", replace(toy, radius=MEDIUM)
    if toy.becomes is not None:
        yield "becomes", replace(toy, becomes=CLOSE_COLOURS[toy.becomes])
    if toy.speed == "slow":
        yield "speed", replace(toy, amount=toy.amount * 2, speed="normal")
    if toy.speed == "quick":
        yield "speed", replace(toy, amount=toy.amount / 1.5, speed="normal")


def _motion_swaps(toy: Toy) -> Iterator[tuple[str, Toy]]:
    """The toy with its motion changed into another that looks as much like it as it can."""
    if toy.motion != "still":
        x, z = toy.x, toy.z
        still = replace(toy, motion="still", amount=0.0, impact=None, becomes=None)
        if toy.motion in DIRECTIONS:
            along_x, _, along_z = DIRECTIONS[toy.motion]
            x, z = x + along_x * toy.amount / 2, z + along_z * toy.amount / 2
        yield "motion (still)", replace(still, x=x, z=z)
    elif toy.impact is None:
        yield "motion (spin)", replace(toy, motion="spin", amount=0.8)
    pairs: dict[Motion, Motion] = {
        "towards": "grow",
        "away": "shrink",
        "grow": "towards",
        "shrink": "away",
    }
    if toy.motion in ("towards", "away"):
        way = 1 if toy.motion == "towards" else -1
        depth = Camera().distance - toy.z
        factor = depth / (depth - way * toy.amount)
        yield "motion (size)", replace(toy, motion=pairs[toy.motion], amount=factor)
    if toy.motion in ("grow", "shrink"):
        depth = Camera().distance - toy.z
        amount = abs(depth - depth / toy.amount)
        yield "motion (depth)", replace(toy, motion=pairs[toy.motion], amount=amount)


def _camera_swaps(scene: Scene) -> Iterator[tuple[str, Scene]]:
    """The camera's word changed, and moves of the camera instead of the only toy's."""
    camera = scene.camera
    if camera.move != "static":
        static = replace(camera, move="static", amount=0.0)
        if "zoom" in camera.move:
            static = replace(static, focal=camera.focal * math.sqrt(camera.amount))
        yield "camera (static)", replace(scene, camera=static)
        yield "camera (opposite)", replace(scene, camera=_opposite(camera))
        if camera.move == "circle":
            pan: Move = "pan left" if camera.amount < 0 else "pan right"
            panning = replace(camera, move=pan, amount=min(abs(camera.amount), 0.4))
            yield "camera (pan)", replace(scene, camera=panning)
        return
    if len(scene.toys) == 1:
        yield from _camera_for_toy(scene, scene.toys[0])


def _opposite(camera: Camera) -> Camera:
    """The opposite move; a circle the other way round."""
    if camera.move == "circle":
        return replace(camera, amount=-camera.amount)
    return replace(camera, move=OPPOSITE[camera.move])


def _camera_for_toy(scene: Scene, toy: Toy) -> Iterator[tuple[str, Scene]]:
    """A camera's move that brings the toy about as far over the picture as its own motion."""
    camera, still = scene.camera, replace(toy, motion="still", amount=0.0, becomes=None)
    times = torch.tensor([0.0, scene.seconds], dtype=torch.float64)
    found = pose(toy, times, scene.seconds)
    angle = _angles(found.centre, scene)
    move: Move
    if toy.motion in ("left", "right"):
        move = "pan right" if toy.motion == "left" else "pan left"
        turn = float((angle[1, 0] - angle[0, 0]).abs())
        way = DIRECTIONS[toy.motion][0]
        still = replace(still, x=toy.x + way * toy.amount / 2)
    elif toy.motion in ("rise", "fall"):
        move = "tilt down" if toy.motion == "rise" else "tilt up"
        turn = float((angle[1, 1] - angle[0, 1]).abs())
    elif toy.motion in ("towards", "grow"):
        move, turn = "zoom in", _growth(found.centre, found.radius, scene)
    elif toy.motion in ("away", "shrink"):
        move, turn = "zoom out", 1 / _growth(found.centre, found.radius, scene)
        camera = replace(camera, focal=camera.focal / turn)
    elif toy.motion == "spin":
        move, turn = "circle", max(-1.3, min(1.3, toy.amount * 2 * math.pi))
    else:
        return
    moving = replace(camera, move=move, amount=turn)
    yield f"motion ({move})", replace(scene, toys=(still,), camera=moving)


def _angles(points: Tensor, scene: Scene) -> Tensor:
    """Angles (T, 2) to the right and down at which the resting camera sees points (T, 3)."""
    seen = view(scene.camera, torch.zeros(len(points)), scene.seconds)
    local = torch.einsum("tij,tj->ti", seen.axes, points - seen.origin)
    return torch.atan2(local[:, :2], local[:, 2:])


def _growth(points: Tensor, radius: Tensor, scene: Scene) -> float:
    """How many times larger a toy looks at the end than at the start."""
    seen = view(scene.camera, torch.zeros(len(points)), scene.seconds)
    apparent = radius / (points - seen.origin).norm(dim=1)
    return float(apparent[1] / apparent[0])


def _relation_swaps(scene: Scene) -> Iterator[tuple[str, Scene]]:
    """The two toys of a relation in exchanged places; a collision that does not happen."""
    assert scene.relation is not None
    first, second = scene.toys[scene.relation.first], scene.toys[scene.relation.second]
    if first.impact is not None:
        missed = _with(scene, scene.relation.first, replace(first, impact=None))
        yield "relation", _with(missed, scene.relation.second, replace(second, impact=None))
        return
    exchanged = _with(scene, scene.relation.first, replace(first, x=second.x, z=second.z))
    yield "relation", _with(exchanged, scene.relation.second, replace(second, x=first.x, z=first.z))


def _with(scene: Scene, number: int, toy: Toy) -> Scene:
    """The scene with one toy replaced."""
    return replace(scene, toys=(*scene.toys[:number], toy, *scene.toys[number + 1 :]))


def _reach(toy: Toy) -> float:
    """How far a toy's footprint extends, for radius 1; in a collision boxes meet flat."""
    wide = HALF[toy.shape][0]
    return wide * math.sqrt(2) if toy.shape == "cube" and toy.impact is None else wide
