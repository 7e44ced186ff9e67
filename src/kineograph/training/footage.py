"""Clips of the videos of a dataset, for training: a seed is a video, a moment, and nothing else.

A tenth of the videos (at least one, where there are two or more) is kept out of training; which
ones is decided by their names, so that it does not change with the order of a folder.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from kineograph.data.check import look
from kineograph.data.clip import Clip
from kineograph.data.layouts.table import read
from kineograph.data.media import local
from kineograph.errors import DataError, MediaError
from kineograph.media.probe import probe
from kineograph.media.resize import to_unit
from kineograph.media.sampling import window
from kineograph.recipes.stages import Footage


@dataclass(frozen=True)
class Film:
    """Where a video begins, and by how many seconds it is longer than a clip."""

    path: Path
    start: float
    spare: float


def videos(footage: Footage) -> int:
    """How many videos are long enough for a clip."""
    return len(_films(footage.folder, _seconds(footage)))


def clips_of(footage: Footage, seeds: range, *, held_out: bool) -> Tensor:
    """One clip for each seed.

    Args:
        footage: which videos, and the clips' shape.
        seeds: B of them.
        held_out: from videos that are never trained on; where there are none, from all.

    Returns:
        (B, 3, T, Y, X) in [-1, 1].

    Raises:
        DataError: there is no such dataset, or no video in it is long enough.
    """
    films = _share(footage, held_out=held_out)
    return torch.cat([_read(footage, *_choose(films, seed)) for seed in seeds])


def moment(footage: Footage, seed: int) -> str:
    """Which video a seed's training clip is of, and where it begins."""
    path, start = _choose(_share(footage, held_out=False), seed)
    return f"{path} at {start:.2f} s"


def _share(footage: Footage, *, held_out: bool) -> tuple[Film, ...]:
    """The videos that are kept out of training, or the others; all where there are none."""
    films = _films(footage.folder, _seconds(footage))
    kept = max(1, int(len(films) * footage.held_out)) if footage.held_out else 0
    return (films[:kept] if held_out else films[kept:]) or films


def _seconds(footage: Footage) -> float:
    """From the first frame of a clip to its last."""
    return (footage.frames - 1) / footage.fps


def _choose(films: tuple[Film, ...], seed: int) -> tuple[Path, float]:
    """A video, and the second at which the clip begins."""
    draw = random.Random(seed)
    film = draw.choice(films)
    return film.path, film.start + draw.uniform(0.0, film.spare)


def _read(footage: Footage, source: Path, start: float) -> Tensor:
    """One clip, (1, 3, T, Y, X); a last frame that is missing is shown twice."""
    size = (footage.size, footage.size)
    with local(source) as path:
        found = window(path, start=start, fps=footage.fps, frames=footage.frames, size=size)
    frames = torch.from_numpy(found)
    missing = footage.frames - len(frames)
    return to_unit(torch.cat([frames, frames[-1:].expand(missing, *frames.shape[1:])]))


@lru_cache
def _films(folder: str, seconds: float) -> tuple[Film, ...]:
    """Videos that are long enough, in the order of their names' digests."""
    root = Path(folder)
    clips = [row for row in read(root) if isinstance(row, Clip)]
    found = [
        film
        for clip in sorted(clips, key=lambda one: _digest(one, root))
        for film in _long(clip, seconds)
    ]
    if not found:
        raise DataError(
            f"{folder}: none of {len(clips)} videos has {seconds:.2f} seconds, as a clip needs"
        )
    return tuple(found)


def _long(clip: Clip, seconds: float) -> Iterator[Film]:
    """The film of a clip that is long enough; one damaged file does not stop a run."""
    try:
        if clip.span is not None and clip.span.end is None and clip.span.stop is not None:
            checked = look(clip)  # only frame numbers are known: decoding says when that is
            assert checked is not None
            clip = checked.clip
        with local(clip.path) as path:
            facts = probe(path)
    except MediaError:
        return
    start = 0.0 if clip.span is None else clip.span.start
    end = (
        facts.duration
        if clip.span is None
        else min(facts.duration, clip.span.end or facts.duration)
    )
    if (spare := end - 1 / facts.fps - start - seconds) >= 0:
        yield Film(clip.path, start, spare)


def _digest(clip: Clip, root: Path) -> str:
    """By the name inside a folder, so that a folder may move."""
    inside = clip.path.is_relative_to(root)
    name = (clip.path.relative_to(root) if inside else clip.path).as_posix()
    part = "" if clip.span is None else f"@{clip.span.start}@{clip.span.first}"
    return hashlib.sha256((name + part).encode()).hexdigest()
