"""Pictures of a video one after the other, at its own times or at an even rate. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kineograph.errors import MediaError
from kineograph.media.source import Video, opened

_Frame = TypeVar("_Frame")


@dataclass(frozen=True, eq=False)
class Picture:
    """One shown frame: RGB (Y, X, 3), and where it lies in seconds after the file's first one."""

    time: float
    pixels: NDArray[np.uint8]


def pictures(
    path: str | Path,
    *,
    start: float = 0.0,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
) -> Iterator[Picture]:
    """Read a video of any length without holding it.

    Args:
        path: the file.
        start: seconds after the first frame; exact, whatever the key frames.
        fps: show the frame nearest to each of start, start + 1/fps, ...; None: every frame once.
        size: scale to this (Y, X), whatever the shape of the picture; None: as it is.

    Raises:
        MediaError: the file is missing or no video, or ends before `start`.
    """
    with opened(path) as video:
        for time, pixels in shown(video, start=start, fps=fps, size=size):
            yield Picture(float(time), pixels)


def window(
    path: str | Path, *, start: float, fps: float, frames: int, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A piece of a video that fills a size: scaled without distortion, the middle cut out.

    Only pictures of that size are in memory, however large the video is.

    Args:
        path: the file.
        start: seconds after the first frame.
        fps: show the frame nearest to each of start, start + 1/fps, ...
        frames: at most so many.
        size: (Y, X).

    Returns:
        (T, Y, X, 3); T is less than `frames` where the video ends before.

    Raises:
        MediaError: the file is missing or no video, or ends before `start`.
    """
    height, width = size
    with opened(path) as video:
        factor = max(height / video.height, width / video.width)
        large = max(height, round(video.height * factor)), max(width, round(video.width * factor))
        top, left = (large[0] - height) // 2, (large[1] - width) // 2
        source = islice(shown(video, start=start, fps=fps, size=large), frames)
        cut = [pixels[top : top + height, left : left + width].copy() for _, pixels in source]
        return np.stack(cut)


def shown(
    video: Video, *, start: float, fps: float | None, size: tuple[int, int] | None = None
) -> Iterator[tuple[Fraction, NDArray[np.uint8]]]:
    """The pictures of an open video; arguments and errors as in `pictures`."""
    if start < 0:
        raise MediaError(f"start {start:g} s: expected 0 or more")
    if fps is not None and fps <= 0:
        raise MediaError(f"fps {fps:g}: expected more than 0")
    begin = Fraction(start).limit_denominator(1_000_000)
    frames = video.frames(begin)
    if fps is not None:
        frames = nearest(frames, begin, rate(fps), end=1 / video.rate)
    last, pixels = None, None
    for time, frame in frames:
        if pixels is None or frame is not last:
            last, pixels = frame, video.rgb(frame, size)
        yield time, pixels
    if pixels is None:
        raise MediaError(f"{video.path}: start {start:g} s lies behind the last frame")


def rate(fps: float | Fraction) -> Fraction:
    """The exact rate that a number stands for: 29.97002997 is 30000/1001."""
    return Fraction(fps).limit_denominator(1001)


def nearest(
    frames: Iterator[tuple[Fraction, _Frame]], start: Fraction, fps: Fraction, *, end: Fraction
) -> Iterator[tuple[Fraction, _Frame]]:
    """For each of start, start + 1/fps, ... the frame nearest in time, the earlier one of two.

    Args:
        frames: with growing times.
        start: first wanted time.
        fps: wanted times per second.
        end: how long the last frame lasts; there are no wanted times behind it.
    """
    wanted, step = start, 1 / fps
    held: tuple[Fraction, _Frame] | None = None
    for following in frames:
        if held is not None:
            while 2 * wanted <= held[0] + following[0]:
                yield held
                wanted += step
        held = following
    while held is not None and wanted < held[0] + end:
        yield held
        wanted += step
