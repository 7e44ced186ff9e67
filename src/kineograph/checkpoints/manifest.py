"""Manifests: names and shapes of a published checkpoint, and how a state differs from one.

File: JSON, usually gzipped (`NAME.manifest.json.gz`), with `kind`, `layout`, `config` of the
full-size model and `tensors`: name -> shape. `optional_extra_tensors` may be in a file too.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import Tensor

from kineograph.errors import CheckpointError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Manifest:
    """What a published checkpoint holds; `optional` names may be absent."""

    name: str
    kind: str
    layout: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)


@dataclass(frozen=True)
class Differences:
    """How the tensors found differ from those expected; true when they do."""

    missing: Mapping[str, Shape]
    unexpected: Mapping[str, Shape]
    misshaped: Mapping[str, tuple[Shape, Shape]]  # (found, expected)

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshaped)

    def lines(self, most: int = 12) -> list[str]:
        """Sentences for people: kind of difference, then modules, `most` of each at most."""
        misshaped = {
            name: f"{name} {dims(found)}, expected {dims(expected)}"
            for name, (found, expected) in self.misshaped.items()
        }
        strangers = {
            name: f"{name} {dims(shape)}" + (_hint(name, self.missing) if index < most else "")
            for index, (name, shape) in enumerate(self.unexpected.items())
        }
        return [
            *_section("missing", {n: f"{n} {dims(s)}" for n, s in self.missing.items()}, most),
            *_section("unexpected", strangers, most),
            *_section("of another shape", misshaped, most),
        ]


def shapes(state: Mapping[str, Tensor]) -> dict[str, Shape]:
    """The names and shapes of a state; meta tensors have them too."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def compare(
    found: Mapping[str, Shape],
    expected: Mapping[str, Shape],
    optional: Mapping[str, Shape] | None = None,
) -> Differences:
    """What is missing, unexpected or of another shape; `optional` names may be found too."""
    known = {**(optional or {}), **expected}
    return Differences(
        missing={name: shape for name, shape in expected.items() if name not in found},
        unexpected={name: shape for name, shape in found.items() if name not in known},
        misshaped={
            name: (shape, known[name])
            for name, shape in found.items()
            if name in known and shape != known[name]
        },
    )


def read_json(path: Path) -> Any:
    """The content of a JSON file, gzipped or plain.

    Raises:
        CheckpointError: the file cannot be read or is no JSON.
    """
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"{path}: cannot be read: {reason}") from error
    except (ValueError, EOFError, zlib.error) as error:
        raise CheckpointError(f"{path}: no valid JSON: {error}") from error


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        CheckpointError: the file cannot be read, or is no manifest.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("tensors"), dict):
        raise CheckpointError(f"{path}: no manifest: expected a `tensors` table, name -> shape")
    if not isinstance(data.get("kind"), str):
        raise CheckpointError(f"{path}: a manifest needs a `kind` such as 'ltx_video/transformer'")
    try:
        return Manifest(
            name=path.name.split(".manifest.json")[0],
            kind=data["kind"],
            layout=data.get("layout", "original"),
            config=data.get("config", {}),
            tensors=_shape_table(data["tensors"]),
            optional=_shape_table(data.get("optional_extra_tensors", {})),
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: a shape that is no list of numbers: {error}") from error


def dims(shape: Shape) -> str:
    """A shape as people write it, e.g. 128x3x3."""
    return "x".join(str(n) for n in shape) or "scalar"


def _shape_table(table: Mapping[str, Any]) -> dict[str, Shape]:
    return {name: tuple(int(n) for n in shape) for name, shape in table.items()}


def _section(title: str, sentences: Mapping[str, str], most: int) -> list[str]:
    """A heading with a count per module, then the first few sentences."""
    if not sentences:
        return []
    modules: dict[str, int] = {}
    for name in sentences:
        module = _module(name)
        modules[module] = modules.get(module, 0) + 1
    counts = ", ".join(f"{module} ({count})" for module, count in list(modules.items())[:6])
    more = [f"  ... and {len(sentences) - most} more"] if len(sentences) > most else []
    head = f"{title}: {len(sentences)}, in {counts}" + (", ..." if len(modules) > 6 else "")
    return [head, *(f"  {sentence}" for sentence in list(sentences.values())[:most]), *more]


def _module(name: str) -> str:
    """The part of a model that a name belongs to: up to and with its first number."""
    pieces = name.split(".")[:-1]
    for index, piece in enumerate(pieces):
        if piece.isdigit():
            return ".".join(pieces[: index + 1])
    return ".".join(pieces[:2]) or "the model itself"


def _hint(name: str, missing: Mapping[str, Shape]) -> str:
    close = get_close_matches(name, missing, n=1, cutoff=0.8) if len(missing) <= 500 else []
    return f"; did you mean {close[0]!r}?" if close else ""
