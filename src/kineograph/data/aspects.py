"""Size classes: the heights and widths of one area at many shapes of the picture.

A class has a name (`720p`), a nominal area, and one height and width per shape. Shapes are
given as height / width throughout; the labels are those of the published tables.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from kineograph.data.open_sora_1_sizes import CLASSES
from kineograph.errors import ConfigError, nearest


@dataclass(frozen=True)
class Aspect:
    """One shape: its label, the height / width that it stands for, and its pixels."""

    label: str
    ratio: float
    height: int
    width: int


@dataclass(frozen=True)
class SizeClass:
    """Pictures of about `pixels` pixels; of two equally near shapes the first one counts."""

    name: str
    pixels: int
    aspects: tuple[Aspect, ...]

    def closest(self, height: int, width: int) -> Aspect:
        """The shape whose height / width is nearest to a picture's."""
        ratio = height / width
        return min(self.aspects, key=lambda one: abs(ratio - one.ratio))

    def named(self, label: str) -> Aspect:
        """The shape with a label.

        Raises:
            ConfigError: there is none.
        """
        for one in self.aspects:
            if one.label == label:
                return one
        labels = [one.label for one in self.aspects]
        raise ConfigError(f"shape {label!r} at {self.name}{nearest(label, labels)}")


@cache
def open_sora_1(name: str) -> SizeClass:
    """A size class of Open-Sora 1.x: 144p to 4k in 17 shapes, 256 to 2880 in PixArt's 40.

    Raises:
        ConfigError: there is no such class.
    """
    if name not in CLASSES:
        raise ConfigError(f"size class {name!r}{nearest(name, CLASSES)}")
    labels, pixels, unit, sizes = CLASSES[name]
    aspects = []
    for label, size in zip(labels.split(), sizes.split(), strict=True):
        height, width = (int(side) * unit for side in size.split("x"))
        aspects.append(Aspect(label, float(label), height, width))
    return SizeClass(name, pixels, tuple(aspects))


WIDE = ("2.39:1", "2:1", "16:9", "1.85:1", "9:16", "5:8", "3:2", "4:3", "1:1")
"""Open-Sora 2.0's shapes, width : height; each stands for its upright form as well."""


@cache
def open_sora_2(name: str, *, multiple: int = 16, training: bool = True) -> SizeClass:
    """A size class of Open-Sora 2.0.

    Args:
        name: `768px` for the area of that square, `480p` for that height at 16:9.
        multiple: what heights and widths are multiples of; 32 with the high compression.
        training: move sizes towards the nominal area and leave out shapes that are there
            already; otherwise every shape is kept as computed.

    Raises:
        ConfigError: the name says no area, or the area has no room for a multiple.
    """
    pixels = area(name)
    flat: dict[str, tuple[int, int]] = {}
    upright: dict[str, tuple[int, int]] = {}
    for label in WIDE:
        across, down = (float(side) for side in label.split(":"))
        width = int(math.sqrt(pixels * (across / down)) // multiple) * multiple
        height = int(pixels / width // multiple) * multiple if width else 0
        if not height:
            raise ConfigError(f"size class {name!r}: too small for multiples of {multiple} pixels")
        if training:
            height, width = _towards(pixels, height, width, multiple)
        if training and (height, width) in flat.values():
            continue
        flat[label] = (height, width)
        upright[":".join(reversed(label.split(":")))] = (width, height)
    # A shape that is in both lists keeps its place in the first and its size in the second.
    sizes = {**flat, **upright}
    aspects = tuple(Aspect(label, tall(label), *size) for label, size in sizes.items())
    return SizeClass(name, pixels, aspects)


def area(name: str) -> int:
    """Pixels of a size class by its name: `768px` is a square, `480p` a 16:9 picture."""
    for ending in ("px", "p"):
        side = name.removesuffix(ending)
        if side != name and side.isdecimal() and int(side):
            square = int(side) * int(side)
            return square if ending == "px" else int(square / 9 * 16)
    raise ConfigError(
        f"size class {name!r}: expected a side such as 256px or a height such as 480p"
    )


def tall(label: str) -> float:
    """Height / width of a label `width:height`."""
    try:
        across, down = (float(side) for side in label.split(":"))
        return down / across
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"shape {label!r}: expected width:height such as 16:9") from None


def rounded_up(height: int, width: int, multiple: int = 16) -> tuple[int, int]:
    """The next multiples, as Open-Sora 2.0 rounds the size that is asked for."""
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def _towards(pixels: int, height: int, width: int, step: int) -> tuple[int, int]:
    """Of a size and its four neighbours the one nearest to an area, the first of equals."""
    sizes: Sequence[tuple[int, int]] = (
        (height, width),
        (height - step, width),
        (height + step, width),
        (height, width - step),
        (height, width + step),
    )
    return min(sizes, key=lambda size: abs(size[0] * size[1] - pixels))
