"""Drawing scenes: one seed, one scene; and which combinations are kept out of all training.

A combination is shape x colour x motion of a toy. It is held out when the first four bytes of
SHA-256 over "shape colour motion" (one blank between the words), read as a big-endian number, are
below a tenth of 2**32. A scene is held out when one of its toys is.
"""

import hashlib
import random
from dataclasses import replace

from kineograph.errors import ConfigError
from kineograph.toybox import drawing, rules
from kineograph.toybox.scene import Colour, Motion, Scene, Shape

LEVELS = tuple(drawing.LEVELS)
HELD_OUT_SHARE = 0.1


def combination_held_out(shape: Shape, colour: Colour, motion: Motion) -> bool:
    """Whether toys of this shape and colour with this motion are kept out of training."""
    digest = hashlib.sha256(f"{shape} {colour} {motion}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def is_held_out(scene: Scene) -> bool:
    """Whether one of the scene's toys is a held-out combination."""
    return any(combination_held_out(toy.shape, toy.colour, toy.motion) for toy in scene.toys)


COMPANY = (2, 3)
"""How many toys a scene of level 3 may have."""

TRIES = 60
"""How many third toys are tried beside two, before two others are drawn."""


def sample_scene(
    level: int, seed: int, *, held_out: bool | None = False, toys: int | None = None
) -> Scene:
    """The scene of a level and seed.

    Args:
        level: 1 one toy; 2 toys and cameras; 3 company.
        seed: any integer; same level, seed, `held_out` and `toys`, same scene.
        held_out: False never gives a held-out combination (training), True nothing else
            (measuring), None whatever comes.
        toys: how many; None as it comes, which of level 3 is nearly always two, because a third
            that is placed anywhere rarely shows every word that is said of it.

    Raises:
        ConfigError: there is no such level, or it has not so many toys.
    """
    if level not in drawing.LEVELS:
        raise ConfigError(f"level: {level!r}; expected one of {', '.join(map(str, LEVELS))}")
    if toys is not None:
        return _sample_so_many(level, seed, held_out, toys)
    draw = random.Random(f"toybox {level} {seed}")
    while True:
        scene = drawing.LEVELS[level](draw, seed)
        if held_out is not None and is_held_out(scene) != held_out:
            continue
        if level == 1 or _fit(scene):
            return scene


def _sample_so_many(level: int, seed: int, held_out: bool | None, toys: int) -> Scene:
    """Two toys that obey the rules, then a third beside them, tried until it does too."""
    if level != 3:
        if toys != 1:
            raise ConfigError(f"{toys} toys of level {level}: it has 1")
        return sample_scene(level, seed, held_out=held_out)
    if toys not in COMPANY:
        raise ConfigError(f"{toys} toys of level 3: expected {COMPANY[0]} or {COMPANY[1]}")
    draw = random.Random(f"toybox {level} {seed} of {toys}")
    while True:
        scene = drawing.LEVELS[level](draw, seed)
        scene = replace(scene, toys=scene.toys[:2])
        # A third toy can make a scene held out, but not the other way round.
        bound = is_held_out(scene)
        if (bound and held_out is False) or (toys == 2 and held_out not in (None, bound)):
            continue
        if not _fit(scene):
            continue
        if toys == 2:
            return scene
        for _ in range(TRIES):
            more = replace(scene, toys=(*scene.toys, drawing.third(draw)))
            if held_out in (None, is_held_out(more)) and _fit(more):
                return more


def _fit(scene: Scene) -> bool:
    """Whether the scene obeys the rules; the cheap ones are asked first."""
    if not (rules.in_view(scene) and rules.apart(scene)):
        return False
    return (len(scene.toys) == 1 or rules.open_to_view(scene)) and rules.distinct(scene)
