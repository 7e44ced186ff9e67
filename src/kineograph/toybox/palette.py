"""The colours of toys, floors, skies and lights.

All are linear light here (red, green, blue in [0, 1]): the picture shows their square roots.
"""

from dataclasses import dataclass

from kineograph.toybox.scene import BackdropKind, Colour, FloorKind

RGB = tuple[float, float, float]


def _linear(red: int, green: int, blue: int) -> RGB:
    """A colour as it looks on a screen, 0 to 255, as linear light."""
    return ((red / 255) ** 2, (green / 255) ** 2, (blue / 255) ** 2)


TOYS: dict[Colour, RGB] = {
    "red": _linear(220, 34, 38),
    "orange": _linear(252, 128, 12),
    "yellow": _linear(250, 216, 24),
    "green": _linear(38, 164, 58),
    "cyan": _linear(30, 200, 212),
    "blue": _linear(32, 72, 222),
    "purple": _linear(134, 48, 186),
    "pink": _linear(252, 136, 186),
    "white": _linear(244, 244, 244),
    "black": _linear(26, 26, 30),
}


@dataclass(frozen=True)
class FloorColours:
    """The main colour, the second colour of the pattern, and metres of the pattern's period."""

    main: RGB
    second: RGB
    period: float


FLOORS: dict[FloorKind, FloorColours] = {
    "grey": FloorColours(_linear(148, 150, 154), _linear(148, 150, 154), 1.0),
    "wooden": FloorColours(_linear(196, 148, 98), _linear(104, 68, 40), 0.55),
    "checkered": FloorColours(_linear(226, 224, 216), _linear(98, 106, 120), 1.1),
    "grass": FloorColours(_linear(92, 152, 54), _linear(48, 104, 34), 0.5),
    "sand": FloorColours(_linear(226, 200, 148), _linear(196, 164, 110), 0.7),
}


@dataclass(frozen=True)
class Air:
    """A time of day: sky at the horizon and above, sunlight, light from the sky and the floor."""

    horizon: RGB
    zenith: RGB
    sun: RGB
    sky: RGB
    bounce: RGB


AIRS: dict[BackdropKind, Air] = {
    "day": Air(
        horizon=_linear(226, 236, 244),
        zenith=_linear(112, 172, 232),
        sun=(0.86, 0.83, 0.76),
        sky=(0.40, 0.43, 0.48),
        bounce=(0.22, 0.21, 0.20),
    ),
    "dusk": Air(
        horizon=_linear(252, 186, 128),
        zenith=_linear(104, 84, 152),
        sun=(0.80, 0.56, 0.38),
        sky=(0.36, 0.30, 0.38),
        bounce=(0.17, 0.13, 0.13),
    ),
    "night": Air(
        horizon=_linear(44, 56, 96),
        zenith=_linear(8, 12, 34),
        sun=(0.36, 0.41, 0.52),
        sky=(0.13, 0.15, 0.22),
        bounce=(0.06, 0.07, 0.10),
    ),
}
