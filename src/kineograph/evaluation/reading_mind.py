"""What the reader makes of what its eyes saw: the camera's move, then motions and relations.

First the camera: how well each of its moves explains the floor, and what toys do in the picture if
it rests. Then the toys: what they do in metres, seen from the camera that was decided for.

Shapes: B clips of M moments, K toys.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kineograph.evaluation.reading import VALUES
from kineograph.evaluation.reading_camera import MOVES, Views, hypotheses
from kineograph.evaluation.reading_clips import MOMENTS
from kineograph.evaluation.reading_eyes import DRIFT, LOOKS, TURNS
from kineograph.evaluation.reading_floor import NUMBERS, SERIES, TALL, back, told

STEP = 4 + DRIFT
"""Numbers of a step from one moment to the next."""

NONE = len(VALUES["relation"])
"""No relation that is said in this order, e.g. of a toy that is hit to the one that hits it."""

WAY = SERIES * (MOMENTS + NUMBERS)
"""Numbers of a toy's way."""

PATH = 3 * MOMENTS
"""Numbers of a toy's way in the picture: x, y, logarithm of the radius."""

LOOK = 3 * len(VALUES["colour"]) + 1 + LOOKS
"""Numbers of a toy's looks: colour at the start, halfway, at the end; how much it changes; rest."""

TOY = WAY + PATH + MOMENTS + (MOMENTS - 1) * (1 + TURNS) + LOOK


@dataclass(frozen=True, eq=False)
class Seen:
    """What the eyes saw of B clips; zero for toys that are not `there`.

    drift: (B, M - 1, STEP). floor: (B, 5) shares. cost: (B, moves + 1) and choice: (B, 8), what
    explains the floor, as in `Explained`. place: (B, K, M, 3) in shares of the picture. open:
    (B, K, M), 1 where the toy is seen. shape: (B, K, 5) shares. colour: (B, K, M, 10) shares.
    looks: (B, K, M, LOOKS). turn: (B, K, M - 1, 1 + TURNS). there: (B, K).
    """

    drift: Tensor
    floor: Tensor
    cost: Tensor
    choice: Tensor
    place: Tensor
    open: Tensor
    shape: Tensor
    colour: Tensor
    looks: Tensor
    turn: Tensor
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
        around = (MOMENTS - 1) * STEP + len(VALUES["floor"]) + len(MOVES) + 1
        cameras = len(VALUES["camera"])
        self.around = _layer(around, width, dropout)
        self.moved = _layer(TOY, 2 * width, dropout)
        self.camera = nn.Sequential(_layer(3 * width, width, dropout), nn.Linear(width, cameras))
        self.toy = _layer(TOY, 2 * width, dropout)
        self.motion = nn.Sequential(
            _layer(3 * width + cameras, width, dropout), nn.Linear(width, len(VALUES["motion"]))
        )
        self.pair = _layer(3 * (WAY + PATH), width, dropout)
        self.relation = nn.Sequential(_layer(2 * width, width, dropout), nn.Linear(width, NONE + 1))

    def forward(self, seen: Seen) -> Thought:
        """Logits of everything that takes a whole clip to see."""
        around = self.around(torch.cat([seen.drift.flatten(1), seen.floor, seen.cost], -1))
        there = seen.there[..., None]
        tall = seen.shape @ TALL
        static = VALUES["camera"].index("static")
        resting = hypotheses().at(seen.choice[:, static])
        moved = self.moved(_toys(seen, back(seen.place, tall, resting), resting)) * there
        mean = moved.sum(1) / there.sum(1).clamp(min=1)
        camera = self.camera(torch.cat([mean, around], -1))
        taken = seen.choice.gather(1, camera.argmax(-1, keepdim=True))[:, 0]
        views = hypotheses().at(taken)
        series = back(seen.place, tall, views)
        toy = self.toy(_toys(seen, series, views))
        count = toy.shape[1]
        beside = torch.cat([around, camera.detach().softmax(-1)], -1)
        ways = torch.cat([told(series), _path(seen.place)], -1)
        first = ways[:, :, None].expand(-1, -1, count, -1)
        second = ways[:, None].expand(-1, count, -1, -1)
        pair = self.pair(torch.cat([first, second, first - second], -1))
        return Thought(
            motion=self.motion(torch.cat([toy, beside[:, None].expand(-1, count, -1)], -1)),
            camera=camera,
            relation=self.relation(
                torch.cat([pair, around[:, None, None].expand(-1, count, count, -1)], -1)
            ),
        )


def _toys(seen: Seen, series: Tensor, views: Views) -> Tensor:
    """(B, K, TOY): everything about a toy, its turns less those of the camera around it."""
    away = views.origin[:, None, :, ::2] - series[..., :2]
    side = torch.atan2(away[..., 0], away[..., 1]).diff(dim=-1)
    own = (seen.turn[..., :1] + side[..., None]) * 3
    turn = torch.cat([own, seen.turn[..., 1:]], -1).flatten(2)
    return torch.cat([told(series), _path(seen.place), seen.open, turn, _look(seen)], -1)


def _look(seen: Seen) -> Tensor:
    """(B, K, LOOK)."""
    third = MOMENTS // 3
    colour = torch.stack([one.sum(2) for one in torch.split(seen.colour, third, 2)], 2)
    visible = torch.stack([one.sum(2) for one in torch.split(seen.open, third, 2)], 2)
    mean = colour / visible[..., None].clamp(min=1)
    change = (mean[:, :, 2] - mean[:, :, 0]).abs().sum(-1, keepdim=True)
    looks = (seen.looks[:, :, 1:] - seen.looks[:, :, :-1]).abs().mean(2)
    return torch.cat([mean.flatten(2), change, looks], -1)


def _path(place: Tensor) -> Tensor:
    """(..., M, 3) -> (..., PATH)."""
    flat = 4 * (place[..., :2] - 0.5)
    size = place[..., 2:].clamp(min=0.01).log() + 2
    return torch.cat([flat, size], -1).flatten(-2)


def _layer(inside: int, outside: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inside, outside), nn.SiLU(), nn.Dropout(dropout))
