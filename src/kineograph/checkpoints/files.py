"""Weight files: safetensors, shards, diffusers folders and, for reading only, pickles.

Pickles are opened without executing anything in them. A file is written beside its place and
moved there when it is complete, so that a name never stands for half a file.
"""

import errno
import hashlib
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kineograph.checkpoints.manifest import compare, read_json, shapes
from kineograph.errors import CheckpointError

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
FOLDER_NAMES = (
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    "model.safetensors.index.json",
    "model.safetensors",
)


TYPES: Mapping[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
"""What safetensors calls the dtypes."""


class Lazy(Mapping[str, Tensor]):
    """The tensors of one safetensors file, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            file: Any = safe_open(str(path), framework="pt")  # the library is not typed
            self._names: tuple[str, ...] = tuple(file.keys())
        except (OSError, SafetensorError) as error:
            raise _unreadable(path, error) from error
        self._file: Any = file
        self._known = frozenset(self._names)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._known:
            raise KeyError(name)
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def like(self, name: str) -> Tensor:
        """A tensor's shape and dtype, of which no value is read."""
        piece = self._file.get_slice(name)
        dtype = TYPES.get(piece.get_dtype())
        if dtype is None:
            raise CheckpointError(f"{self.path}: {name}: unknown dtype {piece.get_dtype()}")
        return torch.empty(piece.get_shape(), dtype=dtype, device="meta")

    @property
    def metadata(self) -> dict[str, str]:
        """The texts stored in the file's header."""
        return dict(self._file.metadata() or {})


class Shards(Mapping[str, Tensor]):
    """The tensors of a shard index, each read from its file when it is asked for."""

    def __init__(self, index: Path) -> None:
        table = _weight_map(index)
        shards = {name: Lazy(index.with_name(name)) for name in sorted(set(table.values()))}
        absent = sorted(name for name, shard in table.items() if name not in shards[shard])
        if absent:
            raise CheckpointError(
                f"{index}: {len(absent)} tensors are not in their shards, e.g. {absent[0]} "
                f"in {table[absent[0]]}"
            )
        self._shards = {name: shards[shard] for name, shard in table.items()}

    def __getitem__(self, name: str) -> Tensor:
        return self._shards[name][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shards)

    def __len__(self) -> int:
        return len(self._shards)

    def like(self, name: str) -> Tensor:
        """A tensor's shape and dtype, of which no value is read."""
        return self._shards[name].like(name)


def opened(path: Path) -> Lazy | Shards:
    """A checkpoint of which each tensor is read when it is asked for.

    Args:
        path: as for `read`, but no pickle.

    Raises:
        CheckpointError: the file is missing, damaged, or a pickle.
    """
    file = locate(path)
    if file.name.endswith(".index.json"):
        return Shards(file)
    if file.suffix in PICKLES:
        raise CheckpointError(f"{file}: a pickle is read as a whole only; expected safetensors")
    return Lazy(file)


def read(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """All tensors of a checkpoint, in the dtypes they are stored in.

    Args:
        path: a safetensors file, a shard index (`*.index.json`), a folder with one of these under
            its usual name, or a pickle (`.ckpt`, `.pt`, `.pth`, `.bin`).
        prefix: take only names that begin with it, e.g. `vae.`, and cut it off.

    Raises:
        CheckpointError: the file is missing, damaged, of an unknown kind, or holds other things
            than tensors.
    """
    file = locate(path)
    if file.name.endswith(".index.json"):
        tensors = dict(Shards(file))
    elif file.suffix == ".safetensors":
        tensors = dict(Lazy(file))
    else:
        tensors = _read_pickle(file)
    chosen = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    if prefix and not chosen:
        starts = sorted({name.split(".")[0] + "." for name in tensors})[:8]
        raise CheckpointError(
            f"{path}: no tensor begins with {prefix!r}; there is: {', '.join(starts)}"
        )
    return chosen


def locate(path: Path) -> Path:
    """The file that a path means: itself, or the weights of a folder.

    Raises:
        CheckpointError: nothing is there, or the folder's weights are not evident.
    """
    if path.is_dir():
        for name in FOLDER_NAMES:
            if (path / name).exists():
                return path / name
        candidates = sorted(path.glob("*.safetensors")) or _pickles(path)
        if len(candidates) == 1:
            return candidates[0]
        raise CheckpointError(f"{path}: {_folder_problem(path, candidates)}")
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder")
    if path.suffix not in (".safetensors", *PICKLES) and not path.name.endswith(".index.json"):
        known = ", ".join((".safetensors", ".index.json", *PICKLES))
        raise CheckpointError(f"{path}: no checkpoint; expected a folder or one of {known}")
    return path


def read_metadata(path: Path) -> dict[str, str]:
    """The texts in a safetensors file's header (of a folder: of its file); empty for others.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    file = locate(path)
    return Lazy(file).metadata if file.suffix == ".safetensors" else {}


def read_config(path: Path) -> dict[str, Any]:
    """The model's settings: the header's `config`, or the `config.json` beside the weights.

    Returns:
        The settings as plain data; empty when there are none.

    Raises:
        CheckpointError: the file is missing or damaged, or the settings are no JSON object.
    """
    text = read_metadata(path).get("config")
    beside = locate(path).with_name("config.json")
    try:
        config = json.loads(text) if text is not None else {}
    except ValueError as error:
        raise CheckpointError(f"{path}: the header's `config` is no JSON: {error}") from error
    if text is None and beside.exists():
        config = read_json(beside)
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: the settings are {type(config).__name__}, expected a table")
    return config


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, completely or not at all.

    Raises:
        CheckpointError: the disk is full, or the place cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(_separate(tensors), part, metadata=dict(metadata))
        part.chmod(0o644)  # the library writes for the owner alone
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            part.unlink()
        raise _unwritable(path, tensors, error) from error


def digest(path: Path) -> str:
    """16 hexadecimal digits that stand for the content of a checkpoint (SHA-256).

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    file = locate(path)
    files = [file]
    if file.name.endswith(".index.json"):
        files += [file.with_name(name) for name in sorted(set(_weight_map(file).values()))]
    total = hashlib.sha256()
    try:
        for one in files:
            with one.open("rb") as stream:
                while block := stream.read(1 << 22):
                    total.update(block)
    except OSError as error:
        raise _unreadable(one, error) from error
    return total.hexdigest()[:16]


def load_into(module: nn.Module, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Give a module its weights; every one must be there, in its shape.

    Values are copied, into the module's dtype; a module on the meta device takes the tensors as
    they are (buffers that it computes itself stay on the meta device).

    Args:
        module: what to fill.
        state: our names and the tensors.

    Returns:
        Names in `state` of buffers that the module computes itself; they are left out.

    Raises:
        CheckpointError: names that are missing or unexpected, shapes that differ, by module;
            values that are not finite, or of another kind of number.
    """
    own = module.state_dict()
    computed = {name for name, _ in module.named_buffers()} - own.keys()
    given = {name: tensor for name, tensor in state.items() if name not in computed}
    differences = compare(shapes(given), shapes(own))
    if differences:
        lines = "\n  ".join(differences.lines())
        raise CheckpointError(f"the weights do not fit {type(module).__name__}:\n  {lines}")
    damaged = broken(given, own)
    if damaged:
        lines = "\n  ".join(damaged[:12])
        more = f"\n  ... and {len(damaged) - 12} more" if len(damaged) > 12 else ""
        raise CheckpointError(f"the weights are no weights:\n  {lines}{more}")
    module.load_state_dict(given, assign=any(tensor.is_meta for tensor in own.values()))
    return tuple(sorted(computed & state.keys()))


def broken(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Sentences on tensors that cannot be weights: not finite, or of another kind of number."""
    lines = []
    for name, tensor in given.items():
        if tensor.is_floating_point() != own[name].is_floating_point() or tensor.is_complex():
            lines.append(f"{name}: {tensor.dtype}, expected {own[name].dtype}")
        elif tensor.is_floating_point() and not tensor.is_meta and tensor.dtype.itemsize > 1:
            bad = int((~tensor.isfinite()).sum())
            if bad:
                lines.append(f"{name}: {bad} of {tensor.numel()} values are not finite")
    return lines


def _pickles(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in PICKLES)


def _folder_problem(folder: Path, candidates: list[Path]) -> str:
    if candidates:
        names = ", ".join(file.name for file in candidates[:8])
        return f"several weight files, name one: {names}"
    if (folder / "model_index.json").exists():
        parts = ", ".join(sorted(child.name for child in folder.iterdir() if child.is_dir()))
        return f"a whole pipeline, name one of its parts: {parts}"
    return f"no weights; expected one of {', '.join(FOLDER_NAMES)}"


def _weight_map(index: Path) -> dict[str, str]:
    data = read_json(index)
    table = data.get("weight_map") if isinstance(data, dict) else None
    if not isinstance(table, dict):
        raise CheckpointError(f"{index}: no shard index; expected a `weight_map`")
    for name, shard in table.items():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise CheckpointError(f"{index}: {name}: {shard!r}, expected a file beside the index")
    return table


def _read_pickle(path: Path) -> dict[str, Tensor]:
    """The weights of a training checkpoint: averaged ones first, then the generator's, then all."""
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: refused, because it is damaged or holds code besides tensors; "
            "convert it to safetensors where you trust it"
        ) from error
    except Exception as error:  # a damaged pickle may fail in any way
        raise _unreadable(path, error) from error
    state = data
    if isinstance(data, dict):
        state = data.get("state_dict", data)
        if isinstance(state, dict):
            state = state.get("gen_model", state)
        state = data.get("ema_state_dict") or state
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds {type(state).__name__}, expected named tensors")
    others = sorted(
        str(name)
        for name, value in state.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    )
    if others or not state:
        held = ", ".join(others[:8]) or "nothing"
        raise CheckpointError(f"{path}: expected named tensors, it holds {held}")
    wrapped = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(wrapped): value for name, value in state.items()}


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor alone and in one piece, as the format wants it; views are copied."""
    storages: set[int] = set()
    separate: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        alone = storage.nbytes() == tensor.nbytes and storage.data_ptr() not in storages
        storages.add(storage.data_ptr())
        separate[name] = (
            tensor.detach().contiguous()
            if alone
            else tensor.detach().clone(memory_format=torch.contiguous_format)
        )
    return separate


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CheckpointError(
        f"{path}: cannot be read: {reason.splitlines()[0] if reason else error!r}"
    )


def _unwritable(path: Path, tensors: Mapping[str, Tensor], error: Exception) -> CheckpointError:
    size = sum(tensor.nbytes for tensor in tensors.values())
    text = str(error)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "No space left" in text or "os error 28" in text:
        return CheckpointError(f"{path}: the disk is full; the file needs {size / 1e9:.3f} GB")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else text
    return CheckpointError(f"{path}: cannot be written: {reason.splitlines()[0]}")
