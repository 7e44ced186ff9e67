"""Reading the tensors of a distributed checkpoint without running anything that is in it."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint import state_dict_loader
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata

# What the index of a checkpoint of tensors consists of; it is a pickle.
_NAMES = {
    "torch.distributed.checkpoint.metadata": {
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "torch": {"Size"}
    | {name for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
    "pathlib": {"PosixPath", "WindowsPath"},
    "pathlib._local": {"PosixPath", "WindowsPath"},  # Python 3.13 and later
}


class _Index(pickle.Unpickler):
    """Builds the classes of an index and nothing else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        if global_name not in _NAMES.get(module_name, ()):
            raise ValueError(
                f"the index names {module_name}.{global_name}, which is no part of one"
            )
        return super().find_class(module_name, global_name)


class _Reader(FileSystemReader):
    """A reader whose index cannot run code."""

    def read_metadata(self) -> Metadata:
        with (Path(self.path) / ".metadata").open("rb") as file:
            found = _Index(file).load()
        if not isinstance(found, Metadata):
            raise ValueError(f"the index is a {type(found).__name__}")
        return found


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint folder, on the CPU.

    Raises:
        ValueError: its index holds anything but tensors.
        OSError, RuntimeError, CheckpointException: it cannot be read.
    """
    reader = _Reader(folder)
    tensors = {}
    for name, described in reader.read_metadata().state_dict_metadata.items():
        if not isinstance(described, TensorStorageMetadata):
            raise ValueError(f"{name} is no tensor")
        tensors[name] = torch.empty(described.size, dtype=described.properties.dtype)
    state_dict_loader.load(tensors, storage_reader=reader, no_dist=True)
    return tensors
