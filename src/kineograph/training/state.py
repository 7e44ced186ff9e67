"""What a run needs to go on: written beside itself, renamed when complete."""

import os
from pathlib import Path
from typing import Any

import torch

from kineograph.errors import CheckpointError

STATE = "state.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write a training state into a folder, replacing the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (STATE + ".part")
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / STATE)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CheckpointError(f"{folder / STATE}: cannot be written: {error}") from error


def load(folder: Path) -> dict[str, Any] | None:
    """The state in a folder, None where there is none yet.

    Raises:
        CheckpointError: there is one, but it cannot be read.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: expected a training state, found {type(state).__name__}")
    return state
