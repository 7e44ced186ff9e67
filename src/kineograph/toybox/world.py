"""Drawing scenes: one seed, one scene; and which combinations are kept out of all training.

A combination is shape x colour x motion of a toy. It is held out when the first four bytes of
SHA-256 over "shape colour motion" (one blank between the words), read as a big-endian number, are
below a tenth of 2**32. A scene is held out when one of its toys is.
"""

import hashlib
import random

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


def sample_scene(level: int, seed: int, *, held_out: bool | None = False) -> Scene:
    """The scene of a level and seed.

    Args:
        level: 1 one toy; 2 toys and cameras; 3 company.
        seed: any integer; same level, seed and `held_out`, same scene.
        held_out: False never gives a held-out combination (training), True nothing else
            (measuring), None whatever comes.
    """
    if level not in drawing.LEVELS:
        raise ConfigError(f"level: {level!r}; expected one of {', '.join(map(str, LEVELS))}")
    draw = random.Random(f"toybox {level} {seed}")
    while True:
        scene = drawing.LEVELS[level](draw, seed)
        if held_out is not None and is_held_out(scene) != held_out:
            continue
        if level == 1 or _fit(scene):
            return scene


def _fit(scene: Scene) -> bool:
    """Whether the scene obeys the rules; the cheap ones are asked first."""
    if not (rules.in_view(scene) and rules.apart(scene)):
        return False
    return (len(scene.toys) == 1 or rules.open_to_view(scene)) and rules.distinct(scene)
