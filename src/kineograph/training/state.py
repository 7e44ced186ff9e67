"""What a run needs to go on: a folder for each saved state, whole or not at all.

states/00000007/  __0_0.distcp .metadata   tensors, torch's distributed checkpoint
                  state.json               everything else, and where the tensors belong
                  digests.json             SHA-256 of the other files

A folder is written under a `.part` name and renamed when complete. The last `KEEP` stay, so
that one that was damaged later does not end the run.
"""

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.distributed.checkpoint import state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from kineograph.errors import CheckpointError
from kineograph.training.tensors import read_tensors

FOLDER = "states"
KEEP = 2
_TREE, _DIGESTS = "state.json", "digests.json"


def save(folder: Path, state: Mapping[str, Any]) -> Path:
    """Write a training state as the newest one of a run.

    Args:
        folder: of the run.
        state: tables and lists, nested as you like, of tensors, numbers, texts and None.

    Returns:
        The folder of the state.

    Raises:
        CheckpointError: the disk is full or the place cannot be written to; the states
            before are still there.
    """
    before = _stored(folder)
    number = int(before[-1].name) + 1 if before else 1
    place = folder / FOLDER / f"{number:08d}"
    part = place.with_name(place.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _write(part, state)
        part.rename(place)
        _sync(place.parent)
    except (OSError, RuntimeError, CheckpointException) as error:
        shutil.rmtree(part, ignore_errors=True)
        kept = f"the last good one is {before[-1]}" if before else "there is none yet"
        raise CheckpointError(
            f"{place}: the state cannot be written: {_reason(error)}; {kept}"
        ) from error
    for old in [*before[: 1 - KEEP], *place.parent.glob("*.part")]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def load(folder: Path, say: Callable[[str], None] = warnings.warn) -> dict[str, Any] | None:
    """The newest state of a run that is whole.

    Args:
        folder: of the run.
        say: is told of states that are damaged and therefore passed over.

    Returns:
        What `save` was given, or None where nothing was saved yet.

    Raises:
        CheckpointError: there are states, but none that is whole, or none may be read.
    """
    damaged = []
    for place in reversed(_stored(folder)):
        try:
            state = _read(place)
        except (OSError, ValueError, KeyError, RuntimeError, CheckpointException) as error:
            damaged.append(f"{place}: the state cannot be read: {_reason(error)}")
            continue
        for line in damaged:
            say(f"{line}; going back to {place}")
        return state
    if damaged:
        raise CheckpointError(
            f"{'; '.join(damaged)}. Put back a good copy, or delete {folder / FOLDER} to "
            "begin again"
        )
    return None


def _stored(folder: Path) -> list[Path]:
    """All complete states, the oldest first."""
    try:
        return sorted(path for path in (folder / FOLDER).iterdir() if path.name.isdecimal())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{folder / FOLDER}: cannot be read: {error.strerror}") from error


def _write(place: Path, state: Mapping[str, Any]) -> None:
    tensors: dict[str, Tensor] = {}
    tree = _take_apart(state, "", tensors)
    with _alone():
        state_dict_saver.save(tensors, storage_writer=FileSystemWriter(place), no_dist=True)
    _write_text(place / _TREE, json.dumps(tree))
    names = sorted(path.name for path in place.iterdir())
    _write_text(place / _DIGESTS, json.dumps({name: _digest(place / name) for name in names}))
    _sync(place)


def _read(place: Path) -> dict[str, Any]:
    digests = json.loads((place / _DIGESTS).read_text(encoding="utf-8"))
    if not isinstance(digests, dict) or not digests:
        raise ValueError(f"{_DIGESTS} is damaged")
    for name, digest in digests.items():
        if _digest(place / name) != digest:
            raise ValueError(f"{name} is damaged")
    tree = json.loads((place / _TREE).read_text(encoding="utf-8"))
    with _alone():
        tensors = read_tensors(place)
    state = _put_together(tree, tensors)
    if not isinstance(state, dict):
        raise ValueError(f"expected a table, found {type(state).__name__}")
    return state


def _take_apart(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """A tree that JSON can hold; the tensors go into `tensors` under their paths."""
    match value:
        case Tensor():
            tensors[path] = value.detach()
            return {"tensor": path}
        case Mapping():
            pairs = [[k, _take_apart(v, f"{path}/{k}", tensors)] for k, v in value.items()]
            return {"table": pairs}
        case list() | tuple():
            items = [_take_apart(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]
            return {type(value).__name__: items}
        case bool() | int() | float() | str() | None:
            return value
        case _:
            raise TypeError(f"{path}: {type(value).__name__} cannot stand in a state")


def _put_together(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    match tree:
        case {"tensor": str(path)}:
            return tensors[path]
        case {"table": pairs}:
            return {key: _put_together(value, tensors) for key, value in pairs}
        case {"list": items}:
            return [_put_together(item, tensors) for item in items]
        case {"tuple": items}:
            return tuple(_put_together(item, tensors) for item in items)
        case _:
            return tree


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make sure that names outlast a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: BaseException) -> str:
    """The innermost cause in words; the distributed checkpoint wraps it several times."""
    if isinstance(error, CheckpointException):
        error = next(iter(error.failures.values()))[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "unexpected pos" in str(error):  # all that torch's writer says when the system takes no more
        return "not all bytes were taken, as when the disk is full"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@contextmanager
def _alone() -> Iterator[None]:
    """One process writes and reads alone, on purpose: no warning about that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield
