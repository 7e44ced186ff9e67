"""Clips of videos in a folder, for training: a seed is a video, a moment, and nothing else.

A tenth of the videos (at least one, where there are two or more) is kept out of training; which
ones is decided by their names, so that it does not change with the order of a folder.
"""

import hashlib
import random
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from kineograph.errors import DataError, MediaError
from kineograph.media.probe import probe
from kineograph.media.resize import to_unit
from kineograph.media.sampling import window
from kineograph.recipes.stages import Footage

SUFFIXES = {".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"}
SHARE = 10  # one video of so many is held out


def clips_of(footage: Footage, seeds: range, *, held_out: bool) -> Tensor:
    """One clip for each seed.

    Args:
        footage: which folder, and the clips' shape.
        seeds: B of them.
        held_out: from videos that are never trained on; a single video serves for both.

    Returns:
        (B, 3, T, Y, X) in [-1, 1].

    Raises:
        DataError: there is no folder, or no video in it is long enough.
    """
    films = _films(footage.folder, (footage.frames - 1) / footage.fps)
    kept = max(1, len(films) // SHARE)
    chosen = films[:kept] if held_out else films[kept:] or films
    return torch.cat([_read(footage, *_choose(chosen, seed)) for seed in seeds])


def _choose(films: tuple[tuple[Path, float], ...], seed: int) -> tuple[Path, float]:
    """A video, and the second at which the clip begins."""
    draw = random.Random(seed)
    path, spare = draw.choice(films)
    return path, draw.uniform(0.0, spare)


def _read(footage: Footage, path: Path, start: float) -> Tensor:
    """One clip, (1, 3, T, Y, X); a last frame that is missing is shown twice."""
    size = (footage.size, footage.size)
    found = window(path, start=start, fps=footage.fps, frames=footage.frames, size=size)
    frames = torch.from_numpy(found)
    missing = footage.frames - len(frames)
    return to_unit(torch.cat([frames, frames[-1:].expand(missing, *frames.shape[1:])]))


@lru_cache
def _films(folder: str, seconds: float) -> tuple[tuple[Path, float], ...]:
    """Videos that are long enough, in the order of their names' digests, with what is left."""
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{folder}: no such folder; expected one with videos")
    paths = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES]
    found = []
    for path in sorted(paths, key=lambda path: _digest(path.relative_to(root))):
        try:
            facts = probe(path)
        except MediaError:
            continue  # one damaged file does not stop a run
        if (spare := facts.duration - 1 / facts.fps - seconds) >= 0:
            found.append((path, spare))
    if not found:
        raise DataError(
            f"{folder}: none of {len(paths)} videos has {seconds:.2f} seconds, as a clip needs"
        )
    return tuple(found)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.as_posix().encode()).hexdigest()
