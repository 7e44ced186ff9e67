"""Which latent frames are denoised together: all, or one window after the other.

A window goes on from latents that are already there. Positions are counted inside the window,
as if it were cut out of a longer clip, and known latents are clean, at time 0.

Letters: F latent frames.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from kineograph.errors import ConfigError

OVERLAP = 2
"""Latent frames that a window shares with what is there, where it is long enough."""
TAIL = 1
"""Latent frames from the beginning that a loop ends before."""
SHORTEST_LOOP = 4


@dataclass(frozen=True)
class Window:
    """Latent frames `start` to `stop` - 1."""

    start: int
    stop: int

    @property
    def span(self) -> slice:
        """As an index."""
        return slice(self.start, self.stop)


def windows(count: int, size: int, *, loop: bool = False) -> tuple[Window, ...]:
    """Cut a video into windows.

    Args:
        count: F.
        size: the most latent frames that the model was trained on.
        loop: the first latent frame that follows another one stands behind the end, too, so that
            the video ends where it began.

    Returns:
        Windows from first to last; those after the first begin with what is already there. With
        `loop` they reach `TAIL` beyond `count`. A model of one or two latent frames has no
        windows: everything is made at once.

    Raises:
        ConfigError: the video is too short for a loop, or the model for windows of it.
    """
    later = size - 1  # the first latent frame of a clip may be coded alone; no other one is
    overlap = min(OVERLAP, later // 2)
    if not loop and (count <= size or not overlap):
        return (Window(0, count),)
    if not overlap or count < SHORTEST_LOOP:
        raise ConfigError(
            f"a loop of {count} latent frames by a model that was trained on {size}: expected at "
            f"least {SHORTEST_LOOP} of a model that was trained on 3 or more"
        )
    end = count + TAIL if loop else count
    found = [Window(0, min(size, count - 2) if loop else size)]
    while (reach := found[-1].stop) < end:
        stop = min(reach - overlap + later, end)
        if loop and stop == count:  # what leads to the tail must see it
            stop = end
        found.append(Window(max(min(stop - later, reach - overlap), 1), stop))
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
