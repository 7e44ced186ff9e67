"""The path of a toy through a clip: where it truly is, and where it is seen.

What a toy looks like is learned from the true clip: how often each colour is the toy's and how
often it is anything else. By these colours, and by its difference from the scene without toys,
the toy is then found in another clip of the same scene.

Shapes: T frames of Y x X pixels, K toys.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv3d

from kineograph.toybox.render import render, times
from kineograph.toybox.scene import Scene

BINS = 12
"""Steps of each of red, green and blue in which colours are counted."""

BARE = 24.0
"""How far, of 255, a pixel must be from the scene without toys to belong to one."""

FOUND = 0.2
"""A toy is seen where at least this share of its true area is found."""

FAR = 1000.0
"""Metres to the side at which a toy is out of sight."""


@dataclass(frozen=True, eq=False)
class Truth:
    """A scene as it is rendered: the clip that a perfect model would make.

    video: (T, Y, X, 3) uint8. masks: (T, Y, X), the number of the toy that is seen, 0: none.
    """

    scene: Scene
    fps: float
    video: Tensor
    masks: Tensor

    @cached_property
    def bare(self) -> Tensor:
        """The clip without toys and their shadows, (T, Y, X, 3) uint8."""
        gone = tuple(replace(toy, x=FAR, impact=None) for toy in self.scene.toys)
        scene = replace(self.scene, toys=gone)
        size = (self.video.shape[1], self.video.shape[2])
        return render([scene], times(len(self.video), self.fps), size).video[0]

    @cached_property
    def shares(self) -> Tensor:
        """How likely a pixel of each colour is a toy's, (BINS³, K) in [0, 1]."""
        where = _bins(self.video).flatten()
        size = BINS**3
        whole = torch.bincount(where, minlength=size).float()
        toys = [
            torch.bincount(where, (self.masks == number + 1).flatten().float(), minlength=size)
            for number in range(len(self.scene.toys))
        ]
        # Colours beside those that were counted are likely, too: a model's are not quite true.
        counted = _spread(torch.stack([whole, *toys], 0))
        return (counted[1:] / (counted[0] + 0.5)).T

    @cached_property
    def seen(self) -> Tensor:
        """Where `seen_path` sees the toys of the true clip itself, (T, K, 2)."""
        return seen_path(self.video, self)

    def path(self) -> Tensor:
        """Where the toys are, (T, K, 2) x and y in pixels; not a number where one is hidden."""
        seen = [(self.masks == number + 1).float() for number in range(len(self.scene.toys))]
        return torch.stack([_centre(one, torch.ones(len(one))) for one in seen], 1)


def true_clip(scene: Scene, frames: int, fps: float, size: tuple[int, int]) -> Truth:
    """Render a scene: `frames` at `fps`, rows and columns `size`."""
    drawn = render([scene], times(frames, fps), size)
    return Truth(scene, fps, drawn.video[0], drawn.masks[0])


def seen_path(video: Tensor, truth: Truth) -> Tensor:
    """Where a clip shows the toys of a scene.

    Args:
        video: (T, Y, X, 3) uint8.
        truth: the same scene, as many frames of the same size.

    Returns:
        (T, K, 2) x and y in pixels; not a number where a toy is not found.
    """
    share = truth.shares[_bins(video)]  # (T, Y, X, K)
    away = (video.float() - truth.bare.float()).abs().amax(-1)
    share = share * (away > BARE)[..., None]
    found = []
    for number in range(share.shape[-1]):
        one = _quiet(share[..., number])
        area = (truth.masks == number + 1).float().sum((1, 2)).amax()
        found.append(_centre(one, FOUND * area))
    return torch.stack(found, 1)


def path_error(seen: Tensor, true: Tensor, lost: float) -> float:
    """Mean distance of two paths (T, K, 2) in pixels.

    Moments at which a toy is truly hidden do not count; where it should be seen and is not, the
    distance is `lost`. 0 where nothing counts.
    """
    visible = ~true.isnan().any(-1)
    distance = (seen - true).norm(dim=-1).nan_to_num(lost).clamp(max=lost)
    return float(distance[visible].mean()) if bool(visible.any()) else 0.0


def _centre(weight: Tensor, least: Tensor) -> Tensor:
    """The centre (T, 2) of weights (T, Y, X), not a number below a sum of `least`."""
    rows, cols = weight.shape[1:]
    total = weight.sum((1, 2))
    x = (weight.sum(1) * (torch.arange(cols) + 0.5)).sum(1) / total
    y = (weight.sum(2) * (torch.arange(rows) + 0.5)).sum(1) / total
    centre = torch.stack([x, y], -1)
    return torch.where((total >= least)[:, None], centre, torch.nan)


def _quiet(share: Tensor) -> Tensor:
    """Without single pixels: (T, Y, X), nothing where the surroundings are mostly not the toy."""
    around = avg_pool2d(share[:, None], 3, 1, 1)[:, 0]
    return share * (around > 0.35)


def _bins(video: Tensor) -> Tensor:
    """The number of each pixel's colour, (..., 3) uint8 -> (...)."""
    step = video.long() * BINS // 256
    return (step[..., 0] * BINS + step[..., 1]) * BINS + step[..., 2]


def _spread(counts: Tensor) -> Tensor:
    """Counts (R, BINS³), a part of each given to the colours beside it."""
    cube = counts.reshape(len(counts), 1, BINS, BINS, BINS)
    kernel = torch.tensor([0.25, 1.0, 0.25])
    weight = kernel[:, None, None] * kernel[:, None] * kernel
    return conv3d(cube, weight[None, None], padding=1).flatten(1)
