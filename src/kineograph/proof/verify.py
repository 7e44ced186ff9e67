"""Verify: run our parts on stored vectors and manifests, and report how far they are off."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from kineograph.checkpoints.manifest import compare, read_manifest
from kineograph.errors import KineographError, nearest
from kineograph.proof.compare import Check, check, same_state, tolerance
from kineograph.proof.report import Entry, Report, Status
from kineograph.proof.systems import ADAPTERS, Adapters
from kineograph.proof.vector import Results, Vector, read_vector

MANIFEST = (".manifest.json.gz", ".manifest.json")


def verify(
    paths: Sequence[Path], *, manifests: bool = False, adapters: Adapters = ADAPTERS
) -> Report:
    """Verify files; arguments as for `entries`."""
    return Report(tuple(entries(paths, manifests=manifests, adapters=adapters)))


def entries(
    paths: Sequence[Path], *, manifests: bool = False, adapters: Adapters = ADAPTERS
) -> Iterator[Entry]:
    """Verify files, one after the other.

    Args:
        paths: vectors (`NAME.json` or `NAME.safetensors`), manifests, or folders of them.
        manifests: take every file as a manifest, whatever its name.
        adapters: what proves which kind.

    Yields:
        One entry per file; a file that cannot be read is one that fails.
    """
    for path in _expanded(paths):
        yield _entry(path, manifests, adapters)


def _expanded(paths: Iterable[Path]) -> list[Path]:
    """Folders as their vectors and manifests, and each vector once, by its json."""
    files: dict[Path, None] = {}
    for path in paths:
        inside = [*path.glob("*.json"), *path.glob("*.safetensors")] if path.is_dir() else [path]
        if path.is_dir():
            inside += path.glob(f"*{MANIFEST[0]}")
        for file in sorted(inside):
            text = file.with_suffix(".json")
            files[text if file.suffix == ".safetensors" and text.exists() else file] = None
        if not inside:
            files[path] = None
    return list(files)


def _entry(path: Path, manifest: bool, adapters: Adapters) -> Entry:
    """Verify one file; whatever goes wrong is this file's failure, and the rest goes on."""
    start = time.perf_counter()
    manifest = manifest or path.name.endswith(MANIFEST)
    try:
        if path.is_dir():
            entry = _failed(path, "", "the folder holds no vector and no manifest")
        elif manifest:
            entry = _manifest(path, adapters)
        elif path.name.endswith(".json.gz"):
            entry = Entry(_name(path), "", "data")
        else:
            entry = _vector(path, adapters)
    except KineographError as error:
        entry = _failed(path, "", str(error))
    return replace(entry, seconds=time.perf_counter() - start)


def _vector(path: Path, adapters: Adapters) -> Entry:
    vector = read_vector(path)
    if not vector.kind:
        return Entry(_name(path), "", "data")
    kind = vector.kind if "kind" in vector.meta else _guessed(path, vector.kind, adapters)
    vector = replace(vector, kind=kind)
    adapter = adapters.vectors.get(kind)
    if adapter is None:
        return Entry(_name(path), vector.kind, "unsupported")
    try:
        with torch.no_grad():
            results = adapter(vector)
        return _judged(path, vector, results)
    except Exception as error:  # an adapter may fail in any way; the other files go on
        return _failed(path, vector.kind, _crash(error))


def _guessed(path: Path, kind: str, adapters: Adapters) -> str:
    """The kind of a file that names none: its folder and the first part of its name.

    Where several programs share that part, the further parts tell which one it is.
    """
    if kind in adapters.vectors:
        return kind
    name = f"{path.parent.name}/{path.name.removesuffix(path.suffix).replace('.', '/')}"
    fitting = [known for known in adapters.vectors if name.startswith(known)]
    return max(fitting, key=len, default=kind)


def _judged(path: Path, vector: Vector, results: Results) -> Entry:
    expected: Mapping[str, Tensor] = {**vector.outputs, **(results.expected or {})}
    checks = tuple(_check(name, reference, vector, results) for name, reference in expected.items())
    reasons = list[str]()
    written, notes = None, [results.note] if results.note else []
    extra = [name for name in results.outputs if name not in expected]
    if extra:
        notes.append(f"not stored, so not compared: {', '.join(extra[:8])}")
    if results.dumped is not None:
        problems = same_state(_as_stored(results.dumped, vector.state), vector.state)
        reasons += [f"state written back: {problem}" for problem in problems]
        written = not problems
    elif vector.state:
        notes.append("the state was not written back")
    if written is None and all(one.informative for one in checks):
        reasons.append("nothing was compared: no output counts, and no state came back")
    right = all(one.passed or one.informative for one in checks) and not reasons
    return Entry(
        _name(path),
        vector.kind,
        "pass" if right else "fail",
        checks,
        written,
        tuple(reasons),
        "; ".join(notes),
    )


def _as_stored(ours: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state in the file's own float dtypes: parts compute in float32, whatever it has."""
    return {
        name: one.to(stored[name].dtype)
        if name in stored and one.is_floating_point() and stored[name].is_floating_point()
        else one
        for name, one in ours.items()
    }


def _check(name: str, reference: Tensor, vector: Vector, results: Results) -> Check:
    allowed = tolerance(vector.kind, vector.meta, name)
    ours = results.outputs.get(name)
    if ours is None:
        nan = float("nan")
        found = Check(name, False, nan, nan, allowed, "missing" + nearest(name, results.outputs))
    else:
        found = check(name, ours, reference, allowed)
    return replace(found, informative=name in results.informative)


def _manifest(path: Path, adapters: Adapters) -> Entry:
    manifest = read_manifest(path)
    adapter = adapters.manifests.get(manifest.kind)
    if adapter is None:
        return Entry(_name(path), manifest.kind, "unsupported")
    try:
        found = {name: tuple(shape) for name, shape in adapter(manifest).items()}
    except Exception as error:  # as for vectors
        return _failed(path, manifest.kind, _crash(error))
    differences = compare(found, manifest.tensors, manifest.optional)
    note = f"{len(manifest.tensors)} names and shapes, layout {manifest.layout}"
    status: Status = "fail" if differences else "pass"
    return Entry(_name(path), manifest.kind, status, reasons=tuple(differences.lines()), note=note)


def _failed(path: Path, kind: str, reason: str) -> Entry:
    return Entry(_name(path), kind, "fail", reasons=(reason,))


def _crash(error: Exception) -> str:
    """One line; the library's own errors may have several."""
    if isinstance(error, KineographError):
        return str(error)
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _name(path: Path) -> str:
    """The folder's and the file's name."""
    return "/".join(path.parts[-2:])
