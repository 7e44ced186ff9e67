"""Which latent frames are denoised together: all, or one window after the other.

A window goes on from latents that are already there. Positions are counted inside the window,
as if it were cut out of a longer clip, and known latents are clean, at time 0.

Letters: F latent frames.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

OVERLAP = 2
"""Latent frames that a window shares with what is there, where it is long enough."""


@dataclass(frozen=True)
class Window:
    """Latent frames `start` to `stop` - 1."""

    start: int
    stop: int

    @property
    def span(self) -> slice:
        """As an index."""
        return slice(self.start, self.stop)


def windows(count: int, size: int) -> tuple[Window, ...]:
    """Cut a video into windows.

    Args:
        count: F.
        size: the most latent frames that the model was trained on.

    Returns:
        Windows from first to last; those after the first begin with what is already there. A
        model of one latent frame has no windows: everything is made at once.
    """
    overlap = min(OVERLAP, size // 2)
    if count <= size or not overlap:
        return (Window(0, count),)
    found = [Window(0, size)]
    while (reach := found[-1].stop) < count:
        stop = min(reach - overlap + size, count)
        found.append(Window(stop - size, stop))
    return tuple(found)


def places(window: Window, group: int, *, alone: bool) -> Tensor | None:
    """Pixel frames of a window's latent frames, as if it were cut out of a longer clip.

    Args:
        window: where it lies; None is returned for one that begins the video.
        group: pixel frames of a latent frame.
        alone: whether the first latent frame of a video is a single pixel frame.

    Returns:
        (1, F).
    """
    if window.start == 0:
        return None
    count = window.stop - window.start
    return (group * torch.arange(count) + (1 if alone else 0))[None]
