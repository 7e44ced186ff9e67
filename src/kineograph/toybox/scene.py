"""A scene of the toybox as plain data, and its JSON form.

Lengths are metres, angles radians, times seconds. The world is right-handed: x to the right, y up,
z towards the camera; the floor is y = 0 and the camera looks from +z to -z.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from kineograph.errors import DataError, nearest

Shape = Literal["ball", "cube", "cylinder", "cone", "ring"]
Colour = Literal[
    "red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black"
]
Size = Literal["small", "medium", "large"]
Material = Literal["matte", "shiny"]
Motion = Literal[
    "still",
    "left",
    "right",
    "towards",
    "away",
    "bounce",
    "spin",
    "rise",
    "fall",
    "circle",
    "grow",
    "shrink",
    "recolour",
]
Speed = Literal["slow", "normal", "quick"]
FloorKind = Literal["grey", "wooden", "checkered", "grass", "sand"]
BackdropKind = Literal["day", "dusk", "night"]
Side = Literal["front", "left", "right"]
Move = Literal[
    "static",
    "pan left",
    "pan right",
    "tilt up",
    "tilt down",
    "zoom in",
    "zoom out",
    "circle",
]
RelationKind = Literal[
    "left of", "right of", "in front of", "behind", "collides with", "passes behind"
]


@dataclass(frozen=True, kw_only=True)
class Impact:
    """A collision: from `at` on the toy moves with this velocity until friction stops it."""

    at: float
    x: float
    z: float


@dataclass(frozen=True, kw_only=True)
class Toy:
    """One object: what it is, where it stands at time 0, and what it does.

    `radius` is half its width. `amount` is the size of the motion: metres travelled in the scene's
    `seconds` (left, right, towards, away, rise, fall), the height of a bounce, the radius of a
    circle, the turns of a spin, the final factor of growing or shrinking. `phase` is where a bounce
    (0 to 1) or a circle (radians) begins, or how many seconds a falling toy waits. `becomes` is the
    colour that it changes to. A marked toy has patches or stripes, which show how it turns.
    """

    shape: Shape
    colour: Colour
    size: Size
    radius: float
    x: float
    z: float
    yaw: float = 0.0
    material: Material = "matte"
    marked: bool = False
    motion: Motion = "still"
    speed: Speed = "normal"
    amount: float = 0.0
    phase: float = 0.0
    becomes: Colour | None = None
    impact: Impact | None = None


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The plane y = 0; (x, z) shifts its pattern, `tone` scales its brightness."""

    kind: FloorKind
    x: float = 0.0
    z: float = 0.0
    tone: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """The sky: its colours and the colours of the light."""

    kind: BackdropKind = "day"


@dataclass(frozen=True, kw_only=True)
class Light:
    """The sun, from the camera's side ("front") or from the left or right.

    `azimuth` is 0 straight from the camera, positive to the right.
    """

    side: Side = "front"
    azimuth: float = -0.45
    elevation: float = 0.95


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera that looks at the point (0, `aim`, 0) from `distance`, at `height`.

    `focal` is the focal length in units of sqrt(width x height) of the picture. `amount` is the
    size of the move within the scene's `seconds`: radians (pan, tilt, circle) or a factor (zoom).
    """

    move: Move = "static"
    amount: float = 0.0
    distance: float = 5.5
    height: float = 2.5
    aim: float = 0.72
    focal: float = 1.12


@dataclass(frozen=True, kw_only=True)
class Relation:
    """How the first toy stands or moves relative to the second."""

    kind: RelationKind
    first: int
    second: int


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that a clip shows; `seconds` is the time in which directed motions happen."""

    level: int
    seed: int
    toys: tuple[Toy, ...]
    floor: Floor
    backdrop: Backdrop = Backdrop()
    light: Light = Light()
    camera: Camera = Camera()
    relation: Relation | None = None
    seconds: float = 2.0


def to_json(scene: Scene) -> dict[str, Any]:
    """Plain data (dicts, lists, strings, numbers) of a scene; `from_json` undoes it exactly."""
    data = asdict(scene)
    data["toys"] = list(data["toys"])
    return data


def from_json(data: Mapping[str, Any]) -> Scene:
    """The scene of plain data; an unknown, ill-typed or missing entry is a DataError.

    What has a default may be left out.
    """
    scene = _read(Scene, data, "scene")
    assert isinstance(scene, Scene)
    if not scene.toys:
        raise DataError("scene.toys: empty; expected one to three toys")
    if scene.relation is not None:
        _check_relation(scene.relation, len(scene.toys))
    return scene


def words(kind: object) -> tuple[Any, ...]:
    """The allowed words of one of the Literal types above, e.g. of Shape."""
    return tuple(get_args(kind))


def _check_relation(relation: Relation, count: int) -> None:
    for name, index in (("first", relation.first), ("second", relation.second)):
        if not 0 <= index < count:
            raise DataError(
                f"scene.relation.{name}: {index}; expected the index of a toy, 0 to {count - 1}"
            )


def _read(kind: Any, value: Any, where: str) -> object:
    """`value` as `kind`: a dataclass, Literal, optional, tuple or number; errors name `where`."""
    origin = get_origin(kind)
    if origin is Literal:
        return _read_word(kind, value, where)
    if origin in (Union, UnionType):
        inner = next(option for option in get_args(kind) if option is not NoneType)
        return None if value is None else _read(inner, value, where)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise DataError(f"{where}: {value!r}; expected a list")
        inner = get_args(kind)[0]
        return tuple(_read(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
    if kind in (bool, int, float):
        return _read_number(kind, value, where)
    return _read_record(kind, value, where)


def _read_word(kind: Any, value: Any, where: str) -> str:
    if value not in get_args(kind):
        raise DataError(
            f"{where}: {value!r} is not one of its words{nearest(str(value), words(kind))}"
        )
    return str(value)


def _read_number(kind: type, value: Any, where: str) -> object:
    fits = isinstance(value, bool) if kind is bool else not isinstance(value, bool)
    if kind is float and fits and isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if kind is float or not fits or not isinstance(value, kind):
        raise DataError(f"{where}: {value!r}; expected a finite {kind.__name__}")
    return value


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    """The types of a record's entries; to work them out takes longer than to read one."""
    return get_type_hints(kind)


def _read_record(kind: Any, value: Any, where: str) -> object:
    if not isinstance(value, Mapping):
        raise DataError(f"{where}: {value!r}; expected an object with named entries")
    hints = _hints(kind)
    for name in value:
        if name not in hints:
            raise DataError(f"{where}.{name}: there is no such entry{nearest(str(name), hints)}")
    needed = [f.name for f in fields(kind) if f.default is MISSING]
    missing = [name for name in needed if name not in value]
    if missing:
        raise DataError(f"{where}: missing {', '.join(missing)}")
    return kind(
        **{name: _read(hints[name], item, f"{where}.{name}") for name, item in value.items()}
    )
