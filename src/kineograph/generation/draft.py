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
from kineograph.generation.sources import Source

KEY = "kineograph"
"""The name of the entry in a video's or a draft's metadata that holds the `Info`."""
UNFINISHED = "kineograph_unfinished"
"""The name of the entry of a draft that was cancelled."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One of the videos that were denoised together."""

    prompt: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Info:
    """How a video came about; enough to make it again.

    model: recipe name or weights folder as it was given; recipe and digest: what that was;
    overrides: of the recipe; adapters: files with their strengths; inputs: the pictures and
    videos; guidance: None where the recipe's has no single scale. batch: all that were denoised
    together, empty for one alone: rounding depends on it. machine: where it was computed.
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
    task: str = "continue"
    strength: float = 1.0
    inputs: tuple[Source, ...] = ()
    overrides: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    batch: tuple[Row, ...] = ()
    machine: str = ""

    def metadata(self) -> dict[str, str]:
        """As the metadata of a file."""
        return {KEY: json.dumps(asdict(self), ensure_ascii=False)}


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """How far a generation came before it was cancelled.

    window: the one that was being denoised; step: its steps that are done, of all `steps`;
    drawn: shapes of the draws so far, without the batch.
    """

    window: int
    step: int
    drawn: tuple[tuple[int, ...], ...] = ()


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
    """Latents (C, F, H, W), float32 on the CPU, and how they came about.

    unfinished: None where all steps are done. Otherwise `latents` are as far as they came, and
    `running` (C, E + F', H, W) are those of the window that was being denoised.
    """

    latents: Tensor
    info: Info
    unfinished: Unfinished | None = None
    running: Tensor | None = None

    def save(self, path: Path) -> None:
        """Write a safetensors file; complete or not at all."""
        tensors, metadata = {"latents": self.latents}, self.info.metadata()
        if self.unfinished is not None and self.running is not None:
            tensors["running"] = self.running
            metadata[UNFINISHED] = json.dumps(asdict(self.unfinished))
        files.write(path, tensors, metadata)

    @staticmethod
    def read(path: Path) -> "Draft":
        """Read what `save` wrote.

        Raises:
            CheckpointError: the file is missing, damaged, or no draft.
        """
        metadata = files.read_metadata(path)
        told, tensors = info(metadata, path), files.read(path)
        if UNFINISHED not in metadata:
            return Draft(tensors["latents"], told)
        state = from_data(Unfinished, json.loads(metadata[UNFINISHED]))
        return Draft(tensors["latents"], told, state, tensors["running"])
