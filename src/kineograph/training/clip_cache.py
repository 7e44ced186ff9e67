"""A cache of a user's clips: content-addressed, so that nothing is ever encoded twice.

A clip's key is the digest of its file's bytes, of which part and shape of it is looked at, and
of the autoencoder's weights. Captions are no part of it: they may change without a new encoding.
A run that is stopped loses at most the clip at hand. Clips are decoded in workers, and a few
frames of a few clips are all that is in memory.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kineograph.data.check import look, printable
from kineograph.data.clip import Clip
from kineograph.data.latents import (
    KEY,
    LISTED,
    Latents,
    clip_path,
    describe,
    write_clip,
    write_listing,
)
from kineograph.data.layouts.lines import Found
from kineograph.data.layouts.rows import Problem
from kineograph.data.media import digest as digest_of
from kineograph.data.media import local
from kineograph.errors import DataError, MediaError
from kineograph.media.resize import to_unit
from kineograph.media.workers import Limits, each
from kineograph.recipes.stages import Clips
from kineograph.training.footage import window
from kineograph.training.journal import Say
from kineograph.types import Autoencoder


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What clips are brought to, and by which weights.

    shape: of every clip; autoencoder: the digest of its weights; device: computes.
    """

    shape: Clips
    autoencoder: str
    device: str = "cpu"

    def description(self) -> dict[str, object]:
        """What stands in the cache, for whoever reads it."""
        return {"autoencoder": self.autoencoder, "layout": LISTED, **self._looked_at()}

    def key(self, digest: str, start: float) -> str:
        """The name of a clip's latents."""
        content = {**self.description(), "clip": digest, "start": round(start, 6)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    def _looked_at(self) -> dict[str, object]:
        return {"frames": self.shape.frames, "size": self.shape.size, "fps": self.shape.fps}


@dataclass(frozen=True, eq=False)
class Read:
    """A clip as a worker has read it. frames: (T, Y, X, 3), None where its latents exist."""

    key: str
    digest: str
    start: float
    frames: NDArray[np.uint8] | None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """The job of a worker: a clip's frames in the wanted shape, unless they are cached.

    folder: where latents may be; None: nothing is cached.
    """

    encoding: Encoding
    folder: Path | None

    def __call__(self, clip: Found) -> Read | None:
        """Read a clip; a problem is handed through, to keep its place.

        Raises:
            MediaError: no video, or too few frames.
        """
        if isinstance(clip, Problem):
            return None
        if clip.span is not None and clip.span.end is None and clip.span.stop is not None:
            found = look(clip)  # only frame numbers are known: decoding says when that is
            assert found is not None
            clip = found.clip
        start = 0.0 if clip.span is None else clip.span.start
        end = None if clip.span is None else clip.span.end
        with local(clip.path) as path:
            digest = digest_of(path) if path.is_file() else ""
            key = self.encoding.key(digest, start)
            if self.folder is not None and clip_path(self.folder, key).exists():
                self._enough(clip, end, start, self.encoding.shape.frames)
                return Read(key, digest, start, None)
            frames = window(path, start, self.encoding.shape)
        self._enough(clip, end, start, len(frames))
        return Read(key, digest, start, frames.numpy())

    def _enough(self, clip: Clip, end: float | None, start: float, count: int) -> None:
        shape = self.encoding.shape
        if end is not None:
            count = min(count, int(np.ceil((end - start) * shape.fps - 1e-6)))
        if count < shape.frames:
            raise MediaError(
                f"{clip.source}: has {count} frames at {shape.fps:g} a second, expected "
                f"{shape.frames}; join it with others, or set cache.frames or cache.fps"
            )


@dataclass(frozen=True, eq=False)
class Row:
    """What became of one row of the dataset. latents: (1, C, F, H, W), if it was encoded now."""

    name: str
    outcome: Literal["encoded", "cached", "refused"]
    reason: str = ""
    record: Mapping[str, Any] | None = None
    latents: Tensor | None = None

    def __str__(self) -> str:
        return f"{self.outcome:<8} {self.name}" + (f": {self.reason}" if self.reason else "")


def encode(video: Tensor, autoencoder: Autoencoder, device: str) -> Tensor:
    """One clip (1, 3, T, Y, X) in [-1, 1] -> (1, C, F, H, W) bfloat16, the mode.

    Clips are encoded one by one, so that none depends on who was encoded with it.
    """
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16):
        return autoencoder.encode(video.to(device)).to("cpu", torch.bfloat16)


def rows(
    found: Iterable[Found], autoencoder: Autoencoder, reader: Reader, limits: Limits
) -> Iterator[Row]:
    """Read and encode every clip that is not cached, in order; each row has one outcome.

    Args:
        found: clips and problems, as importers give them.
        autoencoder: on the device that the encoding names.
        reader: what is read of each clip.
        limits: of each clip's reading.
    """
    waiting = deque[Found]()

    def taken() -> Iterator[Found]:
        for row in found:
            waiting.append(row)
            yield row

    for outcome in each(reader, taken(), limits):
        row, read = waiting.popleft(), outcome.value
        if isinstance(row, Problem):
            yield Row(printable(row.row), "refused", f"{row.reason}; {row.fix}")
            continue
        name = printable(row.source)
        if read is None:
            reason = (outcome.failure or "").removeprefix(f"{row.source}: ")
            yield Row(name, "refused", printable(reason))
            continue
        record = {
            KEY: read.key,
            "source": row.source,
            "digest": read.digest,
            "start": read.start,
            "captions": list(row.texts) or [""],
            **({"scores": dict(row.scores)} if row.scores else {}),
        }
        if read.frames is None:
            yield Row(name, "cached", record=record)
            continue
        video = to_unit(torch.from_numpy(read.frames))
        latents = encode(video, autoencoder, reader.encoding.device)
        yield Row(name, "encoded", record=record, latents=latents)


def make(
    found: Iterable[Found],
    autoencoder: Autoencoder,
    encoding: Encoding,
    folder: Path,
    limits: Limits,
    say: Say,
) -> dict[str, int]:
    """Make or complete a cache of clips.

    Args:
        found: clips and problems, as importers give them.
        autoencoder: on the encoding's device.
        encoding: what clips are brought to.
        folder: of the cache.
        limits: of each clip's reading.
        say: takes a line for each row.

    Returns:
        How many rows had which outcome.

    Raises:
        DataError: no clip can be used, the folder holds another cache, or cannot be written.
    """
    describe(folder, encoding.description())
    counts = {"encoded": 0, "cached": 0, "refused": 0}
    records = []
    for row in rows(found, autoencoder, Reader(encoding=encoding, folder=folder), limits):
        counts[row.outcome] += 1
        if row.record is not None:
            if row.latents is not None:
                write_clip(folder, row.record[KEY], _alone(row.latents, row.record))
            records.append(row.record)
        say(str(row))
    if not records:
        raise DataError(f"none of {counts['refused']} rows is a clip that can be used")
    write_listing(folder, records)
    return counts


def on_the_fly(
    found: Iterable[Found], autoencoder: Autoencoder, encoding: Encoding, limits: Limits
) -> Latents:
    """The same latents as those of a cache, bit for bit, without writing any.

    Raises:
        DataError: no clip can be used.
    """
    reader = Reader(encoding=encoding, folder=None)
    clips = [
        _alone(row.latents, row.record)
        for row in rows(found, autoencoder, reader, limits)
        if row.latents is not None and row.record is not None
    ]
    if not clips:
        raise DataError("there is no clip that can be used")
    return Latents(
        latents=torch.cat([clip.latents for clip in clips]),
        focus=torch.cat([clip.focus for clip in clips]),
        records=tuple(record for clip in clips for record in clip.records),
    )


def _alone(latents: Tensor, record: Mapping[str, Any]) -> Latents:
    """One clip; where its objects are is not known."""
    return Latents(latents, torch.zeros_like(latents[:, :1], dtype=torch.uint8), (record,))
