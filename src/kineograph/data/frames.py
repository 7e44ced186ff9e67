"""Which frames of a clip a training sample shows: rates, random windows, legal lengths.

The rules are those of the published systems; all of them give frame numbers and read nothing.
"""

import math
import random
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kineograph.errors import DataError


@dataclass(frozen=True)
class Rate:
    """Every `interval`-th frame is used, which gives `fps` frames per second."""

    fps: float
    interval: int


def at_most(fps: float | None, limit: float) -> Rate:
    """Leave out frames until a clip has at most `limit` per second (Open-Sora 2.0).

    A clip at or above the limit gets a whole number of frames per second, rounded down; a
    slower one keeps its rate. An unknown rate counts as 0 and leaves out nothing.
    """
    if fps is None or math.isnan(fps):
        return Rate(0, 1)
    if fps < limit:
        return Rate(fps, 1)
    interval = math.ceil(fps / limit)
    return Rate(math.floor(fps / interval), interval)


@dataclass(frozen=True, kw_only=True)
class RandomWindow:
    """A window at a random place, and frames spread evenly over it (Open-Sora 1.x and 2.0).

    The window has `interval` frames of the clip for each one of the sample. Its end never
    comes to the last frame unless the clip is just as long.
    """

    kind: Literal["random_window"] = "random_window"
    frames: int
    interval: int = 1

    def span(self, total: int, dice: random.Random) -> tuple[int, int]:
        """First frame of the window and the one behind its last.

        Args:
            total: frames of the clip.
            dice: says where the window begins.

        Raises:
            DataError: the clip has fewer frames than the sample.
        """
        if total < self.frames:
            raise DataError(f"clip of {total} frames: expected at least {self.frames}")
        length = self.frames * self.interval
        begin = dice.randint(0, max(0, total - length - 1))
        return begin, min(begin + length, total)

    def __call__(self, total: int, dice: random.Random) -> list[int]:
        """The numbers of the frames; arguments and errors as for `span`."""
        begin, end = self.span(total, dice)
        indices: list[int] = np.linspace(begin, end - 1, self.frames, dtype=int).tolist()
        return indices


@dataclass(frozen=True, kw_only=True)
class ResampledWindow:
    """Frames at a fixed rate, at most so many, as many as the autoencoder takes (Plan 1.3).

    frames: the most that are used; fps: their rate; near: no resampling within this rate;
    longest: clips of more than so many times the needed length are left out; lengths: which
    counts are legal.
    """

    kind: Literal["resampled_window"] = "resampled_window"
    frames: int
    fps: float
    near: float = 0.1
    longest: float = 5.0
    lengths: "LegalLength"

    def __call__(self, total: int, fps: float, dice: random.Random) -> list[int]:
        """The numbers of the frames of a clip.

        Args:
            total: its frames.
            fps: its rate.
            dice: says where the sample begins.

        Returns:
            Rising numbers below `total`; empty where the clip is too long or too short.
        """
        if fps <= 0:
            raise DataError(f"rate {fps:g}: expected more than 0 frames per second")
        step = fps / self.fps if abs(fps - self.fps) >= self.near else 1.0
        if total / fps > self.longest * self.frames / self.fps:
            return []
        indices = np.arange(0, total, step).astype(int)
        indices = indices[indices < total]  # the step is no exact number
        spare = len(indices) - self.frames
        if spare > 0:  # the last possible place is never drawn
            begin = dice.randint(0, spare - 1)
            indices = indices[begin : begin + self.frames]
        count = self.lengths(len(indices))
        chosen: list[int] = indices[: count or 0].tolist()
        return chosen


@dataclass(frozen=True, kw_only=True)
class LegalLength:
    """Counts of frames that an autoencoder takes and that processes can share (Plan 1.3).

    stride: frames of a latent frame, the first frame has one of its own; shared: latent
    frames come in multiples of it; least: fewer frames are not used.
    """

    kind: Literal["legal_length"] = "legal_length"
    stride: int = 4
    shared: int = 1
    least: int = 29

    def __call__(self, frames: int) -> int | None:
        """The largest legal count up to `frames`; None: there is none."""
        latents = ((frames - 1) // self.stride + 1) // self.shared * self.shared
        count = (latents - 1) * self.stride + 1
        return count if latents > 0 and count >= self.least else None
