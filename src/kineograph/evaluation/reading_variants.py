"""Clips in the mirror and backwards: new clips for nothing, with what is true of them.

Shapes: N clips of M moments of S x S pixels, at most K toys each, as in `reading_clips.Clips`.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kineograph.evaluation.reading import VALUES
from kineograph.evaluation.reading_clips import NO, Clips

MIRROR: Mapping[str, str] = {
    "left": "right",
    "right": "left",
    "pan left": "pan right",
    "pan right": "pan left",
    "left of": "right of",
    "right of": "left of",
}
BACKWARDS: Mapping[str, str] = {
    "left": "right",
    "right": "left",
    "towards": "away",
    "away": "towards",
    "grow": "shrink",
    "shrink": "grow",
    "pan left": "pan right",
    "pan right": "pan left",
    "tilt up": "tilt down",
    "tilt down": "tilt up",
    "zoom in": "zoom out",
    "zoom out": "zoom in",
}
"""What a word turns into; all others stay. Directions of a relation do not turn with time."""


def varied(clips: Clips, generator: torch.Generator) -> Clips:
    """Each clip mirrored with a chance of one half, and backwards with one half if it may be."""
    mirror = torch.rand(len(clips), generator=generator) < 0.5
    back = (torch.rand(len(clips), generator=generator) < 0.5) & (clips.scene[:, 4] == 1)
    clips = _chosen(clips, mirrored(clips), mirror)
    return _chosen(clips, backwards(clips), back)


def mirrored(clips: Clips) -> Clips:
    """Left and right exchanged in every clip."""
    place, world, camera = clips.place.clone(), clips.world.clone(), clips.camera.clone()
    place[..., 0] = 1 - place[..., 0]
    world[..., 0] = -world[..., 0]
    camera[..., :2] = -camera[..., :2]
    return replace(
        clips,
        video=clips.video.flip(3),
        place=place,
        world=world,
        camera=camera,
        yaw=-clips.yaw,
        toy=_renamed(clips.toy, ("colour", "shape", "motion", "becomes"), MIRROR),
        scene=_renamed(clips.scene, ("floor", "backdrop", "camera", "relation"), MIRROR),
    )


def backwards(clips: Clips) -> Clips:
    """Every clip from its end to its beginning."""
    toy = _renamed(clips.toy, ("colour", "shape", "motion", "becomes"), BACKWARDS)
    changes = toy[..., 3] != NO
    first = torch.where(changes, toy[..., 3], toy[..., 0])
    last = torch.where(changes, toy[..., 0], toy[..., 3])
    toy = torch.stack([first, toy[..., 1], toy[..., 2], last], -1)
    relation = clips.scene[:, 3:]
    scene = _renamed(clips.scene, ("floor", "backdrop", "camera"), BACKWARDS)
    return replace(
        clips,
        video=clips.video.flip(1),
        place=clips.place.flip(1),
        seen=clips.seen.flip(1),
        world=clips.world.flip(1),
        camera=clips.camera.flip(1),
        yaw=clips.yaw.flip(1),
        toy=toy,
        scene=torch.cat([scene[:, :3], relation], 1),
    )


def _chosen(clips: Clips, other: Clips, use: Tensor) -> Clips:
    """The other clip where `use` (N,) is true."""
    pairs = zip(vars(clips).values(), vars(other).values(), strict=True)
    return Clips(*(torch.where(use.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in pairs))


def _renamed(index: Tensor, names: tuple[str, ...], other: Mapping[str, str]) -> Tensor:
    """Indices (..., attributes) of values, replaced by those of other words; NO stays."""
    columns = list(index.unbind(-1))
    for number, name in enumerate(names):
        values = VALUES[name]
        table = [values.index(other.get(value, value)) for value in values]
        turned = torch.tensor([*table, NO], dtype=index.dtype)  # index -1 is the last: NO
        columns[number] = turned[columns[number].long()]
    return torch.stack(columns, -1)
