"""Tasks: what a user gives, as pixels of the video that is to be made.

Every task is a list of items that are laid into an empty clip: a first picture, a last one, key
frames, the beginning of a video to go on with, every other frame of it, or all of it softly.

Letters: B samples, T frames of Y x X pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kineograph.conditioning.keyframes import Item
from kineograph.errors import ConfigError
from kineograph.types import Given


def lay(items: Sequence[Item], frames: int) -> Given:
    """Lay items into a clip of which nothing else is given.

    Args:
        items: pictures and clips of one size; negative starts count from the end.
        frames: T.

    Raises:
        ConfigError: an item does not lie in the clip, two claim the same frame, or a strength is
            not in [0, 1].
    """
    _, channels, _, height, width = items[0].frames.shape
    samples = len(items[0].frames)
    video = items[0].frames.new_zeros(samples, channels, frames, height, width)
    strength = torch.zeros_like(video[:, :1])
    taken: set[int] = set()
    for item in items:
        start, count = item.start + frames * (item.start < 0), item.frames.shape[2]
        if not 0 <= start <= frames - count:
            what = f"frame {start}" if count == 1 else f"frames {start} to {start + count - 1}"
            raise ConfigError(
                f"{what} of a video of {frames}: expected 0 to {frames - 1}; nearest start: "
                f"{min(max(start, 0), max(frames - count, 0))}"
            )
        if not 0.0 <= item.strength <= 1.0:
            raise ConfigError(
                f"strength {item.strength:g}: expected 0 to 1; nearest: "
                f"{min(max(item.strength, 0.0), 1.0):g}"
            )
        places = range(start, start + count)
        if taken & set(places):
            twice = min(taken & set(places))
            raise ConfigError(f"frame {twice} is given twice; expected each frame once")
        taken |= set(places)
        video[:, :, start : start + count] = item.frames
        strength[:, :, start : start + count] = item.strength
    return Given(video, strength)


def image_to_video(image: Tensor, frames: int) -> Given:
    """The first frame is given: (B, 3, 1, Y, X) in [-1, 1] -> a clip of T frames."""
    return lay([Item(image, 0, 1.0)], frames)


def every_other(clip: Tensor, factor: int, strength: float) -> list[Item]:
    """The frames of a clip (B, 3, t, Y, X), `factor` frames apart, with room between them."""
    return [
        Item(clip[:, :, index : index + 1], factor * index, strength)
        for index in range(clip.shape[2])
    ]
