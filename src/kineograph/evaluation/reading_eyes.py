"""The eyes of the reader: four small networks for toys, their looks, their turns, and the camera.

Each looks at little at a time and learns by itself, from what the renderer knows exactly: the
`Finder` sees single frames, the `Looker` one toy at one moment, the `Turner` one toy at two moments
that follow, the `Drift` two frames that follow.

Shapes: R frames (or crops, or pairs) of S x S pixels; G x G cells of S / 4.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, interpolate

from kineograph.evaluation.reading import VALUES

CELL = 4
"""Pixels of a frame's side in one cell."""

CROP = 24
"""Pixels of the side of a crop."""

REACH = 1.6
"""Half the side of a crop, in radii of the toy."""

LOOKS = 24
"""Channels of what the `Looker` keeps of a toy at a moment."""

TURNS = 8
"""Channels of what the `Turner` keeps of a step, beside the turn itself."""

DRIFT = 16
"""Channels of what the `Drift` keeps of two frames, beside the camera's four numbers."""


@dataclass(frozen=True)
class Found:
    """What the `Finder` says of R frames.

    heat: (R, G, G) logits: a toy's centre lies in this cell. place: (R, 3, G, G) x, y, radius of
    that toy in shares of the picture. floor: (R, 5), backdrop: (R, 3), known: (R,) logits.
    """

    heat: Tensor
    place: Tensor
    floor: Tensor
    backdrop: Tensor
    known: Tensor


class Finder(nn.Module):
    """Finds toys in single frames, and says what is around them.

    Features of three sizes; the smallest ones see all of the frame and say what is around.
    """

    def __init__(self) -> None:
        super().__init__()
        self.edges = _layer(3, 16, 2)
        self.parts = nn.Sequential(_layer(16, 24, 2), _layer(24, 24, 1))
        self.wholes = nn.Sequential(_layer(24, 48, 2), _layer(48, 48, 1))
        self.scene = nn.Sequential(_layer(48, 64, 2), _layer(64, 64, 1))
        self.join = nn.Sequential(_layer(72, 32, 1, kernel=1), _layer(32, 32, 1))
        self.toys = nn.Conv2d(32, 4, 1)
        self.around = nn.Linear(2 * (48 + 64), len(VALUES["floor"]) + len(VALUES["backdrop"]) + 1)

    def forward(self, frames: Tensor) -> Found:
        """(R, 3, S, S) in [-1, 1] -> what is said of each."""
        parts = self.parts(self.edges(frames))
        wholes = self.wholes(parts)
        scene = self.scene(wholes)
        pooled = [
            pool for seen in (wholes, scene) for pool in (seen.mean((-2, -1)), seen.amax((-2, -1)))
        ]
        floor, backdrop, known = self.around(torch.cat(pooled, -1)).split([5, 3, 1], -1)
        heat, shift, size = self.toys(
            self.join(torch.cat([parts, interpolate(wholes, scale_factor=2.0)], 1))
        ).split([1, 2, 1], 1)
        side = heat.shape[-1]
        ticks = (torch.arange(side) + 0.5) / side
        middle = torch.stack([ticks.expand(side, side), ticks[:, None].expand(side, side)])
        place = torch.cat([middle + shift / side, 0.15 * size.clamp(-3, 3).exp()], 1)
        return Found(heat[:, 0] - 3.0, place, floor, backdrop, known[:, 0])


class Looker(nn.Module):
    """Looks at one toy at one moment, cut out so that all toys are of one size."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Sequential(_layer(3, 32, 2), _layer(32, 56, 2), _layer(56, 64, 2))
        self.keep = nn.Sequential(nn.Linear(64 * (CROP // 8) ** 2, 96), nn.ReLU())
        self.colour = nn.Linear(96, len(VALUES["colour"]))
        self.shape = nn.Linear(96, len(VALUES["shape"]))
        self.looks = nn.Linear(96, LOOKS)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(R, 3, 24, 24) in [-1, 1] -> logits of colour and of shape, what it keeps (R, LOOKS)."""
        kept = self.keep(self.see(crops).flatten(1))
        return self.colour(kept), self.shape(kept), torch.tanh(self.looks(kept))


class Turner(nn.Module):
    """Sees how one toy turns between two moments, cut out so that it is of one size in both."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Sequential(
            _layer(6, 32, 1), _layer(32, 48, 2), _layer(48, 64, 2), _layer(64, 64, 2)
        )
        self.keep = nn.Sequential(nn.Linear(64 * (CROP // 8) ** 2, 96), nn.ReLU())
        self.turn = nn.Linear(96, 1)
        self.kept = nn.Linear(96, TURNS)

    def forward(self, both: Tensor) -> Tensor:
        """Pairs of crops (R, 6, 24, 24) in [-1, 1] -> the turn in radians and what it keeps.

        Returns:
            (R, 1 + TURNS).
        """
        kept = self.keep(self.see(both).flatten(1))
        return torch.cat([self.turn(kept), torch.tanh(self.kept(kept))], -1)


class Drift(nn.Module):
    """Sees how the camera moves between two frames that follow each other."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Sequential(
            _layer(2, 20, 2, kernel=5), _layer(20, 40, 2), _layer(40, 64, 2), _layer(64, 64, 2)
        )
        self.keep = nn.Sequential(nn.Linear(64 * 16, 64), nn.ReLU())
        self.move = nn.Linear(64, 4)
        self.drift = nn.Linear(64, DRIFT)

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of grey frames (R, 2, S, S) in [-1, 1].

        Returns:
            How azimuth, turn, pitch and logarithm of the focal length change, (R, 4), in units of
            0.05; what it keeps, (R, DRIFT).
        """
        kept = self.keep(self.see(grey).flatten(1))
        return self.move(kept), torch.tanh(self.drift(kept))


def crops(frames: Tensor, place: Tensor) -> Tensor:
    """Cut one toy out of each frame.

    Args:
        frames: (R, 3, S, S).
        place: (R, 3) x, y, radius in shares of the picture.

    Returns:
        (R, 3, 24, 24); what lies outside of the picture repeats its edge.
    """
    if not len(place):
        return frames.new_zeros(0, 3, CROP, CROP)
    half = 2 * REACH * place[:, 2]
    matrix = torch.zeros(len(place), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = half
    matrix[:, :, 2] = 2 * place[:, :2] - 1
    grid = affine_grid(matrix, [len(place), 3, CROP, CROP], align_corners=False)
    return grid_sample(frames, grid, padding_mode="border", align_corners=False)


def pairs(frames: Tensor) -> Tensor:
    """Frames that follow each other: (B, M, 3, S, S) -> (B * (M - 1), 2, S, S), grey."""
    grey = frames.mean(2)
    both = torch.stack([grey[:, :-1], grey[:, 1:]], 2).flatten(0, 1)
    return both.contiguous(memory_format=torch.channels_last)


def _layer(inside: int, outside: int, stride: int, *, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )
