"""Reading a clip or a picture into memory."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from kineograph.errors import MediaError
from kineograph.media.sampling import shown
from kineograph.media.source import Video, check_file, on_white, opened


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of a video.

    Attributes:
        frames: RGB, (T, Y, X, 3) uint8.
        fps: frames per second, the mean where the rate varies.
        times: seconds of each frame after the file's first one, (T,) float64.
        lost: damaged frames that were passed over on the way.
    """

    frames: Tensor
    fps: float
    times: Tensor
    lost: int = 0


def read_video(
    path: str | Path,
    *,
    start: float = 0.0,
    frames: int | None = None,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
) -> Clip:
    """Read a video or a part of it.

    Args:
        path: the file.
        start: seconds after the first frame; exact, whatever the key frames.
        frames: at most so many; None: up to the end.
        fps: show the frame nearest to each of start, start + 1/fps, ...; None: every frame once.
        size: scale to this (Y, X) while converting, whatever the shape of the picture.

    Raises:
        MediaError: the file is missing or no video, or ends before `start`.
    """
    if frames is not None and frames < 1:
        raise MediaError(f"frames {frames}: expected at least 1")
    with opened(path) as video:
        height, width = size or (video.height, video.width)
        count = frames if frames is not None else _expected(video, start, fps)
        pixels = np.empty((count, height, width, 3), np.uint8)
        times: list[float] = []
        for time, picture in islice(shown(video, start=start, fps=fps, size=size), frames):
            if len(times) == len(pixels):
                pixels = _grown(pixels)
            pixels[len(times)] = picture
            times.append(float(time))
        own = float(video.rate)
        return Clip(
            frames=torch.from_numpy(pixels[: len(times)]),
            fps=fps if fps is not None else _mean_rate(times, own),
            times=torch.tensor(times, dtype=torch.float64),
            lost=video.lost,
        )


def read_image(path: str | Path) -> Tensor:
    """Read a picture, upright as its EXIF data say, transparent parts on white.

    Returns:
        RGB, (Y, X, 3) uint8; the first frame where there are several.

    Raises:
        MediaError: the file is missing or no picture, with the reason.
    """
    path = Path(path)
    check_file(path)
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                return torch.from_numpy(on_white(np.array(upright.convert("RGBA"))))
            return torch.from_numpy(_eight_bits(upright))
    except UnidentifiedImageError as error:
        raise MediaError(f"{path}: not a picture that can be read") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise MediaError(f"{path}: the picture is damaged ({error})") from error


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """RGB, (Y, X, 3); Pillow would clip the 16-bit greys instead of scaling them."""
    if image.mode.startswith("I;16"):
        grey = (np.array(image).astype(np.uint32) * 255 + 32767) // 65535
        return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    return np.array(image.convert("RGB"))


def _expected(video: Video, start: float, fps: float | None) -> int:
    """How many frames there may be: a guess for the first allocation, never an answer."""
    stated = Fraction(video.stream.frames) / video.rate
    if not stated:
        stated = Fraction(video.container.duration or 0, 1_000_000)
    seconds = min(max(0.0, float(stated) - start), _LONGEST_GUESS)
    return max(16, ceil(seconds * (fps or float(video.rate))))


_LONGEST_GUESS = 20.0  # seconds: a file that lies must not cost memory


def _grown(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, ...) -> about (1.5 N, ...), the first N kept."""
    larger = np.empty((len(pixels) + len(pixels) // 2 + 1, *pixels.shape[1:]), np.uint8)
    larger[: len(pixels)] = pixels
    return larger


def _mean_rate(times: list[float], own: float) -> float:
    """Frames per second of these times; the file's own rate where they agree within 1 %."""
    if len(times) < 2:
        return own
    mean = (len(times) - 1) / (times[-1] - times[0])
    return own if abs(mean - own) < 0.01 * own else mean
