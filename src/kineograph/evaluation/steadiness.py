"""Seams, smoothness and flicker: what goes wrong between frames.

All numbers are grey levels of 255, root mean squares over pixels and colours; they are compared
with those of the true clip, because what moves changes, too. Shapes: T frames of Y x X pixels.
"""

from collections.abc import Collection

import torch
from torch import Tensor

QUIET = 2
"""A pixel rests where no colour of the true clip ever changes by more, of 255."""


def steps(video: Tensor) -> Tensor:
    """How much each frame differs from the one before, (T, Y, X, 3) uint8 -> (T - 1,)."""
    return video.float().diff(dim=0).square().mean((1, 2, 3)).sqrt()


def seam(video: Tensor, truth: Tensor, given: Collection[int]) -> float:
    """How much larger the steps between given and made frames are than the true ones.

    A factor, 1 where nothing is seen: the mean of (step + 1) / (true step + 1) over all pairs of
    frames of which exactly one is given. 1 where there is none.

    Args:
        video, truth: (T, Y, X, 3) uint8.
        given: numbers of the given frames.
    """
    at = _seams(len(video), given)
    if not at.any():
        return 1.0
    return float(_excess(video, truth)[at].mean())


def seam_to_rest(video: Tensor, truth: Tensor, given: Collection[int]) -> float:
    """How much more the seams stand out than the clip's other steps, against the true ones.

    A factor, 1 where a seam looks like any other step: the mean that is `seam`, divided by the
    same one of all other pairs of frames. 1 where there are none or no others.

    Args:
        video, truth: (T, Y, X, 3) uint8.
        given: numbers of the given frames.
    """
    at, excess = _seams(len(video), given), _excess(video, truth)
    if not at.any() or at.all():
        return 1.0
    return float(excess[at].mean() / excess[~at].mean())


def _excess(video: Tensor, truth: Tensor) -> Tensor:
    """How much larger each step is than the true one, (T - 1,)."""
    return (steps(video) + 1) / (steps(truth) + 1)


def _seams(frames: int, given: Collection[int]) -> Tensor:
    """Which steps lead from a given to a made frame, or back, (T - 1,)."""
    known = torch.tensor([number in given for number in range(frames)])
    return known[1:] != known[:-1]


def roughness(video: Tensor) -> float:
    """How far each frame is from the mean of its neighbours; 0 for fewer than three frames.

    Small is smooth: what moves evenly and is lit evenly is halfway where it is between them.
    """
    if len(video) < 3:
        return 0.0
    x = video.float()
    bent = x[1:-1] - (x[:-2] + x[2:]) / 2
    return float(bent.square().mean((1, 2, 3)).sqrt().mean())


def flicker(video: Tensor, truth: Tensor) -> float | None:
    """How much changes from frame to frame where the true clip rests.

    None where less than a hundredth of the picture does, as under a moving camera.
    """
    if len(video) < 2:
        return None
    span = truth.int().amax(0) - truth.int().amin(0)
    quiet = span.amax(-1) <= QUIET  # (Y, X)
    if quiet.float().mean() < 0.01:
        return None
    change = video.float().diff(dim=0)[:, quiet]
    return float(torch.sqrt(change.square().mean((1, 2))).mean())
