"""Weights folders: each part of a model in a file of its name, or in several shards.

A part above `LIMIT` bytes is divided, with the index that is usual for shards, so that no
file is too large for a repository.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from kineograph.checkpoints import files

LIMIT = 12_000_000


def find(folder: Path, part: str) -> Path:
    """Where a part's weights lie: its file, or the index of its shards.

    Returns:
        The path of the file where there is neither.
    """
    index = folder / f"{part}.safetensors.index.json"
    return index if index.exists() else folder / f"{part}.safetensors"


def write(folder: Path, part: str, tensors: Mapping[str, Tensor]) -> None:
    """Write a part's weights and remove what was there of it.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written.
    """
    shards = _divide(tensors)
    before = set(folder.glob(f"{part}.safetensors*")) | set(folder.glob(f"{part}-*.safetensors"))
    count = len(shards)
    names = [
        f"{part}.safetensors" if count == 1 else f"{part}-{i:05d}-of-{count:05d}.safetensors"
        for i in range(1, count + 1)
    ]
    for name, shard in zip(names, shards, strict=True):
        files.write(folder / name, shard, {"part": part})
    written = {folder / name for name in names}
    if count > 1:
        table = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        index = folder / f"{part}.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": table}, indent=0) + "\n", encoding="utf-8")
        written.add(index)
    for path in before - written:
        path.unlink()


def _divide(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        more = tensor.numel() * tensor.element_size()
        if shards[-1] and size + more > LIMIT:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += more
    return shards
