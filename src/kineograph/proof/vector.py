"""Golden vectors: a reference's weights, inputs and outputs, read from files.

`NAME.json` says what was computed; `NAME.safetensors` beside it, where there is one, holds tensors
under `state/`, `in/`, `out/` and `mid/`. `state_from` names a sibling whose weights are shared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from kineograph.checkpoints.files import Lazy
from kineograph.checkpoints.manifest import Manifest as Manifest
from kineograph.checkpoints.manifest import read_json
from kineograph.errors import CheckpointError


@dataclass(frozen=True, eq=False)
class Vector:
    """One stored computation of a reference.

    kind: `<system>/<kind>`, empty for plain data; meta: the whole json; state, inputs, outputs,
    mids: tensors without their prefixes.
    """

    name: str
    kind: str
    path: Path
    meta: Mapping[str, Any]
    state: Mapping[str, Tensor] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    mids: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def config(self) -> Mapping[str, Any]:
        """How the reference's object was built; empty when the json does not say."""
        config: Mapping[str, Any] = self.meta.get("config") or {}
        return config

    def part(self, config: Mapping[str, Any], prefix: str) -> "Vector":
        """One model of several: its own config, and the weights that begin with a prefix."""
        return replace(self, meta={**self.meta, "config": config}, state=_below(self.state, prefix))


@dataclass(frozen=True, eq=False)
class Results:
    """What our parts compute for a vector.

    Attributes:
        outputs: ours, under the names of the vector's outputs.
        dumped: the vector's state, written back through our key map; None: it has none.
        expected: stored values that the json holds, for vectors without tensors.
        informative: outputs that are shown but do not count.
        note: a remark for the reader.
    """

    outputs: Mapping[str, Tensor]
    dumped: Mapping[str, Tensor] | None = None
    expected: Mapping[str, Tensor] | None = None
    informative: frozenset[str] = frozenset()
    note: str = ""


def read_vector(path: Path) -> Vector:
    """Read a vector by the name of its json or its safetensors file.

    Raises:
        CheckpointError: a file is missing or damaged, or `state_from` leads nowhere.
    """
    text, binary = path.with_suffix(".json"), path.with_suffix(".safetensors")
    meta = read_json(text) if text.exists() or not binary.exists() else {}
    if not isinstance(meta, dict):
        raise CheckpointError(f"{text}: expected a table, found {type(meta).__name__}")
    tensors: Mapping[str, Tensor] = Lazy(binary) if binary.exists() else {}
    state = _below(tensors, "state/")
    if source := meta.get("state_from"):
        sibling = path.with_name(f"{source}.safetensors")
        state = {**_below(Lazy(sibling), "state/"), **state}
    kind = meta.get("kind", f"{path.parent.name}/{path.stem.split('.')[0]}")
    if not isinstance(kind, str | None):
        raise CheckpointError(f"{text}: kind: {kind!r}; expected a text such as 'stiv/rope'")
    return Vector(
        name=path.stem,
        kind=kind or "",
        path=path,
        meta=meta,
        state=state,
        inputs=_below(tensors, "in/"),
        outputs=_below(tensors, "out/"),
        mids=_below(tensors, "mid/"),
    )


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix; safetensors maps the file, so that unused ones cost nothing."""
    return {n.removeprefix(prefix): tensors[n] for n in tensors if n.startswith(prefix)}
