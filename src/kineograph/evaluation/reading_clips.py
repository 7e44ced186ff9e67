"""Clips that teach the reader: rendered once, kept in files of some hundred clips each.

Shapes: N clips of M moments of S x S pixels, at most K toys each.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from kineograph.evaluation.reading import VALUES
from kineograph.toybox.camera import View, view
from kineograph.toybox.drawing import LEVELS
from kineograph.toybox.motion import HALF, Pose, pose
from kineograph.toybox.render import render
from kineograph.toybox.rules import apart, in_view
from kineograph.toybox.scene import Scene, Toy

SIZE, MOMENTS, TOYS = 64, 9, 3
"""S, M and K."""

SHARES = {1: 0.2, 2: 0.35, 3: 0.45}
"""How often a clip is of each level."""

EMPTY = 0.04
"""How often the toys are left out."""

SMOOTH = 0.35
"""How often a pixel is the mean of four rays instead of one, which takes half the time."""

NO = -1
"""Stands for a value that is not there, or not said."""


@dataclass(frozen=True, eq=False)
class Clips:
    """N clips with everything that is known of them.

    video: (N, M, S, S, 3) uint8. place: (N, M, K, 3) x, y and radius of each toy in the picture,
    in shares of its side; not a number where there is no toy. seen: (N, M, K) share of the picture
    that it covers. world: (N, M, K, 4) x, height over the floor, z, radius in metres. camera:
    (N, M, 4) azimuth, turn and pitch in radians, logarithm of the focal length. yaw: (N, M, K)
    radians by which a toy is turned as the camera sees it, 0 for one that rolls. toy: (N, K, 4)
    indices of colour, shape, motion, becomes. scene: (N, 5) indices of floor, backdrop, camera,
    relation of toy 1 to toy 2, and whether the clip may be played backwards.
    """

    video: Tensor
    place: Tensor
    seen: Tensor
    world: Tensor
    camera: Tensor
    yaw: Tensor
    toy: Tensor
    scene: Tensor

    def __len__(self) -> int:
        return len(self.video)

    def at(self, index: Tensor) -> "Clips":
        """Some of the clips."""
        return Clips(*(column[index] for column in vars(self).values()))


def fresh(first: int, count: int) -> Clips:
    """Render `count` clips of the scenes with these seeds, all levels mixed."""
    rows = [_clip(random.Random(f"reading {seed}"), seed) for seed in range(first, first + count)]
    return Clips(*(torch.stack(column) for column in zip(*rows, strict=True)))


def load(path: Path) -> Clips:
    """The clips of a file."""
    return Clips(**torch.load(path, mmap=True))


def draw(random_: random.Random, level: int, seed: int) -> Scene:
    """A scene that obeys the cheap rules: toys in the picture and not inside each other.

    Whether every word shows is not asked here: that takes ten times as long.
    """
    while True:
        scene = LEVELS[level](random_, seed)
        if level == 1 or (in_view(scene) and apart(scene)):
            return scene


def moments(random_: random.Random) -> Tensor:
    """M moments within the two seconds of a scene: mostly all of it, not quite even."""
    span = 2.0 if random_.random() < 0.7 else random_.uniform(1.6, 2.0)
    start = random_.uniform(0, 2.0 - span)
    step = span / (MOMENTS - 1)
    shaken = [start + step * (k + random_.uniform(-0.15, 0.15)) for k in range(MOMENTS)]
    return torch.tensor(shaken, dtype=torch.float64).clamp(0, 2)


def describe(scene: Scene, times: Tensor) -> tuple[Tensor, ...]:
    """place, world, camera, yaw, toy and scene of `Clips`, for one scene at some moments."""
    seen = view(scene.camera, times, scene.seconds)
    place = torch.full((len(times), TOYS, 3), torch.nan)
    world = torch.full((len(times), TOYS, 4), torch.nan)
    yaw = torch.zeros(len(times), TOYS)
    toys = torch.full((TOYS, 4), NO, dtype=torch.int8)
    for number, toy in enumerate(scene.toys):
        found = pose(toy, times, scene.seconds)
        x, y, depth = seen.project(found.centre, (1, 1)).unbind(-1)
        place[:, number] = torch.stack([x, y, seen.focal * found.radius / depth], -1).float()
        height = found.centre[:, 1] - HALF[toy.shape][1] * found.radius
        across, _, along = found.centre.unbind(-1)
        world[:, number] = torch.stack([across, height, along, found.radius], -1).float()
        yaw[:, number] = _yaw(toy, found, seen)
        toys[number] = torch.tensor(_toy(toy, told=number != 1 or toy.impact is None))
    relation = scene.relation.kind if scene.relation is not None else None
    values = (
        _index("floor", scene.floor.kind),
        _index("backdrop", scene.backdrop.kind),
        _index("camera", scene.camera.move),
        _index("relation", relation),
        int(_reversible(scene)),
    )
    return place, world, _camera(seen), yaw, toys, torch.tensor(values, dtype=torch.int8)


def _clip(random_: random.Random, seed: int) -> tuple[Tensor, ...]:
    level = random_.choices(tuple(SHARES), tuple(SHARES.values()))[0]
    scene = draw(random_, level, seed)
    empty = random_.random() < EMPTY
    if empty:
        scene = replace(scene, toys=(replace(scene.toys[0], x=1e3),), relation=None)
    times = moments(random_)
    rays = 2 if random_.random() < SMOOTH else 1
    drawn = render([scene], times, (SIZE, SIZE), supersample=rays)
    place, world, camera, yaw, toys, about = describe(scene, times)
    if empty:
        place.fill_(torch.nan)
        toys.fill_(NO)
    share = [(drawn.masks[0] == number + 1).float().mean((-2, -1)) for number in range(TOYS)]
    return drawn.video[0], place, torch.stack(share, -1), world, camera, yaw, toys, about


def _toy(toy: Toy, *, told: bool) -> tuple[int, int, int, int]:
    """Indices of what a toy is and does; what it does when it is hit is not told."""
    return (
        _index("colour", toy.colour),
        _index("shape", toy.shape),
        _index("motion", toy.motion) if told else NO,
        _index("becomes", toy.becomes),
    )


def _index(attribute: str, value: str | None) -> int:
    return NO if value is None else VALUES[attribute].index(value)


def _camera(seen: View) -> Tensor:
    """(M, 4): azimuth, turn, pitch, logarithm of the focal length."""
    forward = seen.axes[:, 2]
    azimuth = torch.atan2(seen.origin[:, 0], seen.origin[:, 2])
    turn = torch.atan2(-forward[:, 0], -forward[:, 2]) - azimuth
    return torch.stack([azimuth, turn, forward[:, 1].asin(), seen.focal.log()], -1).float()


def _yaw(toy: Toy, found: Pose, seen: View) -> Tensor:
    """(M,): a toy's turn around the vertical, less the side from which it is looked at."""
    if toy.shape == "ball" and toy.motion not in ("still", "spin"):
        return torch.zeros(len(found.radius))
    turned = torch.atan2(found.rotation[:, 0, 2], found.rotation[:, 0, 0])
    away = seen.origin - found.centre
    return (turned - torch.atan2(away[:, 0], away[:, 2])).float()


def _reversible(scene: Scene) -> bool:
    """Whether the clip played backwards is of this world: nothing rises, falls or is hit."""
    return all(toy.impact is None and toy.motion not in ("rise", "fall") for toy in scene.toys)


def files(folder: Path) -> Iterator[Path]:
    """The files of clips of a folder, in order."""
    return iter(sorted(folder.glob("clips-*.pt")))
