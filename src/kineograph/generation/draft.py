"""A generation before decoding: latents, and how they came about.

A draft is written before the autoencoder runs, so that nothing is lost if decoding fails.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from kineograph.checkpoints import files
from kineograph.config import from_data
from kineograph.errors import CheckpointError

KEY = "kineograph"
"""The name of the entry in a video's or a draft's metadata that holds the `Info`."""


@dataclass(frozen=True, kw_only=True)
class Info:
    """How a video came about; enough to make it again.

    model: recipe name or weights folder as it was given; recipe and digest: what that was;
    overrides: of the recipe; image: the file of the first frame; signal: that of the drawings;
    guidance: None where the recipe's has no single scale.
    """

    model: str
    recipe: str
    digest: str
    version: str
    prompt: str
    negative: str
    seed: int
    frames: int
    height: int
    width: int
    fps: float
    steps: int
    guidance: float | None
    image: str | None = None
    signal: str | None = None
    overrides: tuple[str, ...] = ()

    def metadata(self) -> dict[str, str]:
        """As the metadata of a file."""
        return {KEY: json.dumps(asdict(self), ensure_ascii=False)}


def info(metadata: dict[str, str], path: Path) -> Info:
    """The `Info` in a file's metadata.

    Raises:
        CheckpointError: the file was not made by Kineograph.
    """
    if KEY not in metadata:
        raise CheckpointError(f"{path}: its metadata has no entry {KEY!r}; not made by Kineograph")
    return from_data(Info, json.loads(metadata[KEY]))


@dataclass(frozen=True, eq=False)
class Draft:
    """Latents (C, F, H, W), float32 on the CPU, and how they came about."""

    latents: Tensor
    info: Info

    def save(self, path: Path) -> None:
        """Write a safetensors file; complete or not at all."""
        files.write(path, {"latents": self.latents}, self.info.metadata())

    @staticmethod
    def read(path: Path) -> "Draft":
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing, damaged, or no draft.
        """
        told = info(files.read_metadata(path), path)
        return Draft(files.read(path)["latents"], told)
