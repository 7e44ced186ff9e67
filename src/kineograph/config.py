"""Recipes and settings as plain data: read strictly, written, overridden, compared.

A configuration is a frozen keyword-only dataclass; where several may stand in one place,
their field `kind` says which it is. Unknown names and wrong types are errors that name
the dotted path, the value, and the nearest valid choice.
"""

import json
import re
import types
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import (
    Annotated,
    Any,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from kineograph.errors import ConfigError, nearest

T = TypeVar("T")
ABSENT = "(absent)"
"""What `diff` shows for a side that does not have the field."""


class Difference(NamedTuple):
    """One plain value in which two configurations differ."""

    path: str
    left: object
    right: object


def to_data(config: object) -> Any:
    """A configuration as JSON-able data: mappings, lists, numbers, strings."""
    cls: Any = type(config)
    return _adapter(cls).dump_python([config], mode="json")[0]


def from_data(cls: type[T], data: object) -> T:
    """The configuration that `data` describes, every name and type checked.

    Args:
        cls: a configuration class.
        data: what `to_data` gives, for instance read from JSON or YAML.

    Raises:
        ConfigError: unknown or missing names, an unknown kind, or a value of a wrong type.
    """
    _check_names(cls, data, "")
    strict: TypeAdapter[list[T]] = _adapter(cast(Hashable, cls))
    try:
        [config] = strict.validate_json(json.dumps([data]))
    except ValidationError as error:
        raise ConfigError(_explain(error, data)) from None
    return config


def schema(cls: Any) -> dict[str, Any]:
    """The JSON schema of a configuration class."""
    whole = _adapter(cls, explained=True).json_schema()
    return {**whole["items"], "$defs": whole.get("$defs", {})}


def override(config: T, *assignments: str) -> T:
    """A copy of `config` with some values replaced.

    Args:
        config: any configuration.
        assignments: `dotted.path=value`, applied in order; the value is YAML. Numbers
            index into tuples (`stages.0.steps=10`), a mapping replaces a whole part
            (`guidance={kind: classifier_free, scale: 5}`), and another `kind` puts that
            kind with its defaults in the part's place.

    Raises:
        ConfigError: an assignment that does not fit the configuration.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"{assignment!r}: expected name=value, e.g. sampling.steps=40")
        data = _assign(to_data(config), tuple(path.strip().split(".")), parse(text), "")
        config = from_data(type(config), data)
    return config


def diff(left: object, right: object) -> list[Difference]:
    """Where two configurations differ, value by value, in the order of their fields."""
    one, two = (dict(_leaves(to_data(config), "")) for config in (left, right))
    return [
        Difference(path, one.get(path, ABSENT), two.get(path, ABSENT))
        for path in {**one, **two}
        if one.get(path, ABSENT) != two.get(path, ABSENT)
    ]


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: `off` and `2:30` are text, `1e-4` is a number."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012


for _tag, _pattern in {
    "null": r"~|null",
    "bool": r"true|false",
    "int": r"[-+]?(0|[1-9][0-9]*)",
    "float": r"[-+]?([0-9]+\.[0-9]*|\.?[0-9]+(?=[eE])|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
}.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"({_pattern})\Z"), None)


def parse(text: str) -> Any:
    """A value written in YAML; an empty text is an empty string.

    Raises:
        ConfigError: no valid YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader) if text.strip() else ""
    except yaml.YAMLError as error:
        raise ConfigError(f"{text!r}: not valid YAML ({error})") from None


@cache
def _adapter(cls: Any, *, explained: bool = False) -> TypeAdapter[list[Any]]:
    # Strictness is passed down to plain dataclasses from whatever holds them, here a list.
    # Explanations of fields are parsed from the source, which takes most of a second.
    config = ConfigDict(strict=True, extra="forbid", use_attribute_docstrings=explained)
    return TypeAdapter(list[cls], config=config)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _check_names(hint: Any, data: object, path: str) -> None:
    """Raise if a name in `data` is unknown or missing; values are left to pydantic."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _check_names(arguments[0], data, path)
    if origin in (Union, types.UnionType):
        hint = _chosen([one for one in arguments if is_dataclass(one)], data, path)
    if is_dataclass(hint) and isinstance(data, Mapping) and isinstance(hint, type):
        _check_fields(hint, data, path)
    elif origin is tuple and isinstance(data, list):
        hints = arguments[:1] * len(data) if Ellipsis in arguments else arguments
        for index, (item_hint, item) in enumerate(zip(hints, data, strict=False)):
            _check_names(item_hint, item, _join(path, index))
    elif origin in (dict, Mapping) and isinstance(data, Mapping):
        for name, item in data.items():
            _check_names(arguments[1], item, _join(path, name))
    return None


def _check_fields(cls: Any, data: Mapping[Any, object], path: str) -> None:
    known = {field.name: field for field in fields(cls)}
    for name in data:
        if name not in known:
            raise ConfigError(
                f"{_join(path, name)}: {cls.__name__} has no field {name!r}{nearest(name, known)}"
            )
    for name, field in known.items():
        if name in data:
            _check_names(_hints(cls)[name], data[name], _join(path, name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{_join(path, name)}: missing, {cls.__name__} needs it")


def _chosen(classes: list[Any], data: object, path: str) -> Any:
    """The one of the classes that `data` means; None where data is no part at all."""
    if not classes or not isinstance(data, Mapping):
        return None
    if len(classes) == 1:
        return classes[0]
    kinds = {
        str(field.default): cls for cls in classes for field in fields(cls) if field.name == "kind"
    }
    kind = data.get("kind")
    if kind is None:
        raise ConfigError(f"{_join(path, 'kind')}: missing; there is: {', '.join(sorted(kinds))}")
    if kind not in kinds:
        raise ConfigError(f"{_join(path, 'kind')}: no {kind!r}{nearest(str(kind), kinds)}")
    return kinds[kind]


def _explain(error: ValidationError, data: object) -> str:
    """One line for every value of a wrong type."""
    problems = error.errors(include_url=False)
    # Of a union's members, those whose `kind` is another one were not meant.
    others = [
        p["loc"][:-1] for p in problems if p["type"] == "literal_error" and "kind" in p["loc"]
    ]
    lines = []
    for problem in problems:
        place = problem["loc"]
        if any(place[: len(other)] == other for other in others):
            continue
        path = _real_path(place[1:], data)
        expected = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        lines.append(f"{path}: {problem['input']!r} given, expected {expected}")
    return "\n".join(dict.fromkeys(lines))


def _real_path(place: tuple[int | str, ...], data: Any) -> str:
    """A dotted path, without the class names that pydantic puts in for unions."""
    path = ""
    for piece in place:
        inside = _inside(data)
        if piece in inside:
            path, data = _join(path, piece), inside[piece]
    return path


def _assign(data: Any, path: tuple[str, ...], value: object, done: str) -> Any:
    """`data` with the value at `path` replaced; `done` is the way to `data`."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    here = _join(done, name)
    if isinstance(data, Mapping):
        if name == "kind" and not rest and data.get("kind") != value:
            return {"kind": value}
        if rest and name not in data:
            raise ConfigError(f"{here}: there is no {name!r}{nearest(name, data)}")
        return {**data, name: _assign(data.get(name), rest, value, here)}
    if isinstance(data, list):
        if not name.isdecimal() or int(name) >= len(data):
            raise ConfigError(f"{here}: expected an index below {len(data)}")
        index = int(name)
        return [*data[:index], _assign(data[index], rest, value, here), *data[index + 1 :]]
    raise ConfigError(f"{here}: {done} is {data!r} and has no field {name!r}")


def _leaves(data: object, path: str) -> Iterator[tuple[str, object]]:
    inside = _inside(data)
    if not inside:
        yield path, data
    for name, item in inside.items():
        yield from _leaves(item, _join(path, name))


def _inside(data: object) -> dict[Any, object]:
    """What a mapping or a list holds; nothing for a plain value."""
    if isinstance(data, Mapping):
        return dict(data)
    return dict(enumerate(data)) if isinstance(data, list) else {}


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
