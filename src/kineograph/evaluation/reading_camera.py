"""Which move of the camera explains the floor: the world's own moves, tried one by one.

The floor is a plane and the camera's moves are few, so each of them says where every point of the
middle frame would be in all others. The move under which these places look most alike is the one
that was made; on a floor without a pattern many look alike, and the costs say so.

Shapes: B clips of M moments of S x S pixels, K toys; H hypotheses, P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from kineograph.evaluation.reading import VALUES
from kineograph.evaluation.reading_clips import MOMENTS
from kineograph.evaluation.reading_tracks import Track
from kineograph.toybox.camera import view
from kineograph.toybox.scene import Camera, Move

AMOUNTS: dict[Move, tuple[float, ...]] = {
    "static": (0.0,),
    "pan left": (0.2, 0.25, 0.3, 0.35, 0.4),
    "pan right": (0.2, 0.25, 0.3, 0.35, 0.4),
    "tilt up": (0.18, 0.23, 0.28),
    "tilt down": (0.18, 0.23, 0.28),
    "zoom in": (1.4, 1.6, 1.8),
    "zoom out": (1.4, 1.6, 1.8),
    "circle": (-1.32, -1.2, -1.08, -0.96, -0.84, -0.72, 0.72, 0.84, 0.96, 1.08, 1.2, 1.32),
}
"""How far each move may go; clips that begin late go less far."""

HEIGHTS = (2.3, 2.5, 2.7)
DISTANCE = 5.55
SECONDS = 2.0

MOVES = tuple((move, amount) for move, amounts in AMOUNTS.items() for amount in amounts)
"""Moves with their amounts."""

FAR = 80.0
"""Metres at which the floor ends, and what is farther only turns with the camera."""

SKY = 1e4
MARGIN = 1.25
"""Of a toy in radii: what is nearer to its centre says nothing about the floor."""

LIMIT, FLOOR = 0.1, 0.002
"""Of differences in brightness: what is larger counts as this; what is smaller is noise."""


@dataclass(frozen=True, eq=False)
class Views:
    """Cameras over time: origin (..., M, 3), axes (..., M, 3, 3), focal (..., M), as in `View`."""

    origin: Tensor
    axes: Tensor
    focal: Tensor

    def at(self, index: Tensor) -> "Views":
        """Some of them."""
        return Views(self.origin[index], self.axes[index], self.focal[index])


@cache
def hypotheses() -> Views:
    """All moves (rows) times all heights, H of them."""
    times = torch.linspace(0, SECONDS, MOMENTS, dtype=torch.float64)
    seen = [
        view(Camera(move=m, amount=a, distance=DISTANCE, height=h), times, SECONDS)
        for m, a in MOVES
        for h in HEIGHTS
    ]
    return Views(
        torch.stack([one.origin for one in seen]).float(),
        torch.stack([one.axes for one in seen]).float(),
        torch.stack([one.focal for one in seen]).float(),
    )


@dataclass(frozen=True, eq=False)
class Explained:
    """How well each move explains B clips.

    cost: (B, moves) logarithms, relative to the best one. best: (B,) logarithm of its cost.
    choice: (B, 8) of the values of `camera`: the number of its best hypothesis.
    """

    cost: Tensor
    best: Tensor
    choice: Tensor


def explain(frames: Tensor, tracks: Sequence[Sequence[Track]]) -> Explained:
    """Try all moves on clips (B, M, 3, S, S) in [-1, 1] whose toys were found."""
    count, _, _, side, _ = frames.shape
    grey = (frames.mean(2) + 1) / 2
    grey = avg_pool2d(grey, 3, 1, 1, count_include_pad=False)
    floor = torch.stack([_without(one, side) for one in tracks])  # (B, M, S, S)
    grid = _places()
    layers = torch.cat([grey, floor]).transpose(0, 1)  # (M, 2 B, S, S)
    there = grid_sample(layers, grid, padding_mode="border", align_corners=False)
    shade, free = there[:, :count], there[:, count:]
    middle = MOMENTS // 2
    inside = (grid.abs() < 1).all(-1)[:, None]
    weight = (free > 0.99).float() * (free[middle] > 0.99) * inside
    others = torch.arange(MOMENTS) != middle
    apart = ((shade - shade[middle]).abs().clamp(max=LIMIT) * weight)[others].sum((0, -1))
    cost = (apart / (weight[others].sum((0, -1)) + 1)).reshape(count, len(MOVES), len(HEIGHTS))
    cost = (cost + FLOOR).log()
    lowest, height = cost.min(-1)
    choice = []
    for value in VALUES["camera"]:
        rows = [number for number, (move, _) in enumerate(MOVES) if move == value]
        row = torch.tensor(rows)[lowest[:, rows].argmin(-1)]
        choice.append(row * len(HEIGHTS) + height[torch.arange(count), row])
    best = lowest.amin(-1)
    return Explained(lowest - best[:, None], best, torch.stack(choice, -1))


@cache
def _places() -> Tensor:
    """Where the points of the middle frame are at every moment: (M, H, P, 2) from -1 to 1."""
    views = hypotheses()
    x, y = torch.linspace(0.03, 0.97, 16), torch.linspace(0.06, 0.98, 18)
    point = torch.stack(torch.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2) - 0.5
    middle = views.at(torch.arange(len(views.focal)))
    m = MOMENTS // 2
    plane = point / middle.focal[:, m, None, None]
    local = torch.cat([plane, torch.ones_like(plane[..., :1])], -1)
    ray = local @ middle.axes[:, m]  # (H, P, 3)
    origin = middle.origin[:, m, None]
    depth = origin[..., 1:2] / (-ray[..., 1:2]).clamp(min=1e-6)
    depth = torch.where((ray[..., 1:2] < 0) & (depth < FAR), depth, SKY)
    world = origin + depth * ray
    seen = torch.einsum("hmij,hmpj->hmpi", views.axes, world[:, None] - views.origin[:, :, None])
    flat = seen[..., :2] / seen[..., 2:].clamp(min=1e-3) * views.focal[..., None, None]
    return (2 * flat).transpose(0, 1).contiguous()


def _without(tracks: Sequence[Track], side: int) -> Tensor:
    """(M, S, S): 1 where no toy is."""
    ticks = (torch.arange(side) + 0.5) / side
    free = torch.ones(MOMENTS, side, side)
    for track in tracks:
        x, y, radius = (track.place[:, k, None, None] for k in range(3))
        away = (ticks - x) ** 2 + (ticks[:, None] - y) ** 2
        free = free * (away > (MARGIN * radius) ** 2)
    return free
