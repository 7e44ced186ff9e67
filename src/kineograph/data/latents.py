"""Clips as stored latents: what `cache` writes and `train` reads.

A cache is a folder of safetensors shards. A shard holds `latents` (n, C, F, H, W) in
bfloat16, `focus` (n, 1, F, H, W) in uint8 (255 where an object covers a cell wholly), and in
its metadata, per clip, a JSON record with what captions are made from. `cache.json`
names the autoencoder's digest; weights of another digest are refused.

Rendered scenes have many to a shard. A user's clips have one each, named after what it was made
from; `clips.jsonl` says which of them belong to the dataset, and what is said about them.

Letters: n clips; C x F x H x W latents.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kineograph.data.reading import LISTED, clip_path
from kineograph.errors import DataError

DESCRIPTION = "cache.json"
LISTING = "clips.jsonl"
KEY = "key"  # of a listed clip's record: the name of its shard


@dataclass(frozen=True, eq=False)
class Latents:
    """Stored clips: normalised latents, where their objects are, and their records."""

    latents: Tensor
    focus: Tensor
    records: tuple[Mapping[str, Any], ...]


def shard_path(folder: Path, number: int) -> Path:
    """Where shard `number` of a cache lies."""
    return folder / f"latents-{number:05d}.safetensors"


def count_clips(folder: Path, number: int) -> int:
    """How many clips shard `number` holds; 0 where there is none."""
    path = shard_path(folder, number)
    return len(_read_shard(path).records) if path.exists() else 0


def write_shard(folder: Path, number: int, clips: Latents) -> None:
    """Write one shard under a `.part` name and rename it when complete."""
    _write(shard_path(folder, number), clips)


def write_clip(folder: Path, key: str, clip: Latents) -> None:
    """Write one clip under its key, whole or not at all."""
    _write(clip_path(folder, key), clip)


def write_listing(folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Say which clips of a cache belong to the dataset, in order, and what is said about them.

    Raises:
        DataError: it cannot be written.
    """
    path = folder / LISTING
    part = path.with_suffix(".part")
    try:
        text = "".join(json.dumps(record) + "\n" for record in records)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written: {error}") from error


def _write(path: Path, clips: Latents) -> None:
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(
            {
                "latents": clips.latents.to(torch.bfloat16).contiguous(),
                "focus": (clips.focus * 255).round().to(torch.uint8).contiguous(),
            },
            part,
            metadata={"records": json.dumps(list(clips.records))},
        )
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written: {error}") from error


def describe(folder: Path, description: Mapping[str, Any]) -> None:
    """Say what a cache was made with.

    Raises:
        DataError: the folder holds a cache that was made otherwise, or cannot be written.
    """
    path = folder / DESCRIPTION
    if path.exists():
        found = _read_description(path)
        if found != dict(description):
            raise DataError(
                f"{folder}: holds a cache of {found}, asked for {dict(description)}; "
                "choose another folder or delete this one"
            )
        return
    part = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(dict(description), indent=1), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error


def description(folder: Path) -> dict[str, Any]:
    """What a cache says that it was made with.

    Raises:
        DataError: no cache, or a damaged one.
    """
    path = folder / DESCRIPTION
    if not path.exists():
        raise DataError(f"{folder}: no {DESCRIPTION} there; make a cache with `kineograph cache`")
    return _read_description(path)


def read(folder: Path, digest: str) -> Latents:
    """All clips of a cache.

    Args:
        folder: where `cache` wrote.
        digest: of the autoencoder that the latents are to be used with.

    Raises:
        DataError: no cache, an empty one, or one made with other weights.
    """
    told = description(folder)
    made_with = told.get("autoencoder")
    if made_with != digest:
        raise DataError(
            f"{folder}: made with autoencoder {made_with}, expected {digest}; "
            "make it again with `kineograph cache`"
        )
    if told.get("layout") == LISTED:
        return _listed(folder)
    shards = [_read_shard(shard) for shard in sorted(folder.glob("latents-*.safetensors"))]
    if not shards:
        raise DataError(f"{folder}: the cache holds no clips yet")
    return _joined(shards, [record for shard in shards for record in shard.records])


def sentences(folder: Path) -> list[str]:
    """What is said about the clips of a user's cache; nothing about rendered scenes.

    Raises:
        DataError: no cache, or a damaged one.
    """
    if description(folder).get("layout") != LISTED:
        return []
    path = folder / LISTING
    try:
        return [str(text) for record in _records(path) for text in record["captions"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _incomplete(path, error) from error


def _records(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _incomplete(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: no complete listing: {error}; let `kineograph cache` complete the cache"
    )


def _listed(folder: Path) -> Latents:
    """The clips that the listing names, in its order, with its records."""
    path = folder / LISTING
    try:
        records = _records(path)
        shards = [_read_shard(clip_path(folder, record[KEY])) for record in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _incomplete(path, error) from error
    if not shards:
        raise DataError(f"{folder}: the cache holds no clips yet")
    return _joined(shards, records)


def _joined(shards: Sequence[Latents], records: Sequence[Mapping[str, Any]]) -> Latents:
    return Latents(
        latents=torch.cat([shard.latents for shard in shards]),
        focus=torch.cat([shard.focus for shard in shards]),
        records=tuple(records),
    )


def _read_description(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}; make the cache again") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected a table, found {type(found).__name__}")
    return found


def _read_shard(path: Path) -> Latents:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            records: Sequence[Mapping[str, Any]] = json.loads(metadata["records"])
            return Latents(file.get_tensor("latents"), file.get_tensor("focus"), tuple(records))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: no complete shard: {error}; delete it, `kineograph cache` makes it again"
        ) from error
