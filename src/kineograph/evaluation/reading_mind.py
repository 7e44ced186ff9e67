"""What the reader makes of what its eyes saw: motions, the camera's move, relations.

Shapes: B clips of M moments, K toys.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kineograph.evaluation.reading import VALUES
from kineograph.evaluation.reading_clips import MOMENTS
from kineograph.evaluation.reading_eyes import DRIFT, LOOKS

PATH = 4
"""x, y, logarithm of the radius, and whether the toy is seen."""

TOY = PATH + LOOKS + len(VALUES["colour"])
"""Numbers of a toy at a moment."""

STEP = 4 + DRIFT
"""Numbers of a step from one moment to the next."""

NONE = len(VALUES["relation"])
"""No relation that is said in this order, e.g. of a toy that is hit to the one that hits it."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the eyes saw of B clips.

    drift: (B, M - 1, STEP). floor: (B, 5) shares. toys: (B, K, M, TOY), zero where `there` (B, K)
    is false.
    """

    drift: Tensor
    floor: Tensor
    toys: Tensor
    there: Tensor


@dataclass(frozen=True, eq=False)
class Thought:
    """Logits: motion (B, K, 13), camera (B, 8), relation (B, K, K, 7) of first to second."""

    motion: Tensor
    camera: Tensor
    relation: Tensor


class Mind(nn.Module):
    """Small layers over whole clips: one reads the surroundings, one each toy, one each pair."""

    def __init__(self, width: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        around = (MOMENTS - 1) * STEP + len(VALUES["floor"])
        self.around = _layer(around, width, dropout)
        self.toy = _layer(MOMENTS * TOY, 2 * width, dropout)
        self.path = _layer(2 * MOMENTS * PATH, width, dropout)
        self.motion = nn.Sequential(
            _layer(3 * width, width, dropout), nn.Linear(width, len(VALUES["motion"]))
        )
        self.camera = nn.Sequential(
            _layer(3 * width, width, dropout), nn.Linear(width, len(VALUES["camera"]))
        )
        self.relation = nn.Sequential(_layer(2 * width, width, dropout), nn.Linear(width, NONE + 1))

    def forward(self, seen: Seen) -> Thought:
        """Logits of everything that takes a whole clip to see."""
        around = self.around(torch.cat([seen.drift.flatten(1), seen.floor], -1))
        toy = self.toy(seen.toys.flatten(2))
        there = seen.there[..., None]
        mean = (toy * there).sum(1) / there.sum(1).clamp(min=1)
        count = toy.shape[1]
        beside = around[:, None].expand(-1, count, -1)
        path = seen.toys[..., :PATH].flatten(2)
        first, second = (
            path[:, :, None].expand(-1, -1, count, -1),
            path[:, None].expand(-1, count, -1, -1),
        )
        pair = self.path(torch.cat([first, second], -1))
        beside_pair = around[:, None, None].expand(-1, count, count, -1)
        return Thought(
            motion=self.motion(torch.cat([toy, beside], -1)),
            camera=self.camera(torch.cat([mean, around], -1)),
            relation=self.relation(torch.cat([pair, beside_pair], -1)),
        )


def _layer(inside: int, outside: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inside, outside), nn.SiLU(), nn.Dropout(dropout))
