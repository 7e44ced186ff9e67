"""A cache of a user's clips: content-addressed, so that nothing is ever encoded twice.

A clip's key is the digest of its file's bytes, of which part and shape of it is looked at, and
of the autoencoder's weights. Captions are no part of it: they may change without a new encoding.
A run that is stopped loses at most the clip at hand. Clips are decoded in workers, and a few
frames of a few clips are all that is in memory.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from kineograph.data.check import printable
from kineograph.data.latents import KEY, Latents, describe, write_clip, write_listing
from kineograph.data.layouts.lines import Found
from kineograph.data.layouts.rows import Problem
from kineograph.data.reading import Encoding, Reader
from kineograph.errors import DataError
from kineograph.media.resize import to_unit
from kineograph.media.workers import Limits, each
from kineograph.training.journal import Say
from kineograph.training.run import halved
from kineograph.types import Autoencoder


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


@dataclass(frozen=True, eq=False)
class Coding:
    """An autoencoder, and the device on which it lies."""

    autoencoder: Autoencoder
    device: str = "cpu"

    def __call__(self, video: Tensor) -> Tensor:
        """One clip (1, 3, T, Y, X) in [-1, 1] -> (1, C, F, H, W) bfloat16, the mode.

        Clips are encoded one by one, so that none depends on who was encoded with it.
        """
        with torch.inference_mode(), halved(self.device):
            return self.autoencoder.encode(video.to(self.device)).to("cpu", torch.bfloat16)


def rows(found: Iterable[Found], coding: Coding, reader: Reader, limits: Limits) -> Iterator[Row]:
    """Read and encode every clip that is not cached, in order; each row has one outcome.

    Args:
        found: clips and problems, as importers give them.
        coding: encodes.
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
        latents = coding(video)
        yield Row(name, "encoded", record=record, latents=latents)


def make(
    found: Iterable[Found],
    coding: Coding,
    encoding: Encoding,
    folder: Path,
    limits: Limits,
    say: Say,
) -> dict[str, int]:
    """Make or complete a cache of clips.

    Args:
        found: clips and problems, as importers give them.
        coding: encodes.
        encoding: what clips are brought to, by that autoencoder's digest.
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
    for row in rows(found, coding, Reader(encoding=encoding, folder=folder), limits):
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
    found: Iterable[Found], coding: Coding, encoding: Encoding, limits: Limits
) -> Latents:
    """The same latents as those of a cache, bit for bit, without writing any.

    Raises:
        DataError: no clip can be used.
    """
    reader = Reader(encoding=encoding, folder=None)
    clips = [
        _alone(row.latents, row.record)
        for row in rows(found, coding, reader, limits)
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
