"""Reading clips for a cache: a worker's job. No torch, so that workers start quickly.

A clip's key is the digest of its file's bytes, of which part and shape of it is looked at, and
of the autoencoder's weights.
"""

import hashlib
import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kineograph.data.check import look
from kineograph.data.clip import Clip
from kineograph.data.layouts.lines import Found
from kineograph.data.layouts.rows import Problem
from kineograph.data.media import digest as digest_of
from kineograph.data.media import local
from kineograph.errors import MediaError
from kineograph.media.sampling import window

LISTED = "listed"
"""The layout of a cache of such clips, in its description."""


def clip_path(folder: Path, key: str) -> Path:
    """Where the one clip lies that was made from what `key` is the digest of."""
    return folder / f"latents-{key}.safetensors"


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What every clip is brought to, and by which weights.

    frames, size (pixels, square), fps: the shape; autoencoder: the digest of its weights.
    """

    frames: int
    size: int
    fps: float
    autoencoder: str

    def description(self) -> dict[str, object]:
        """What stands in the cache, for whoever reads it."""
        shape = {"frames": self.frames, "size": self.size, "fps": self.fps}
        return {"autoencoder": self.autoencoder, "layout": LISTED, **shape}

    def key(self, digest: str, start: float) -> str:
        """The name of a clip's latents."""
        content = {**self.description(), "clip": digest, "start": round(start, 6)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


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
                self._enough(clip, end, start, self.encoding.frames)
                return Read(key, digest, start, None)
            shape = self.encoding
            size = (shape.size, shape.size)
            frames = window(path, start=start, fps=shape.fps, frames=shape.frames, size=size)
        self._enough(clip, end, start, len(frames))
        return Read(key, digest, start, frames)

    def _enough(self, clip: Clip, end: float | None, start: float, count: int) -> None:
        shape = self.encoding
        if end is not None:
            count = min(count, ceil((end - start) * shape.fps - 1e-6))
        if count < shape.frames:
            raise MediaError(
                f"{clip.source}: has {count} frames at {shape.fps:g} a second, expected "
                f"{shape.frames}; join it with others, or set cache.frames or cache.fps"
            )
