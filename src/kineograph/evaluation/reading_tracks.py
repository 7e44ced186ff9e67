"""From dots in frames to toys over time: classical tracking of at most three toys.

How many toys there are is how many dots are seen at once, three times at least. From the moment at
which they are farthest apart they are followed both ways: each next dot goes to the toy whose
place, size and looks fit best; where a toy is hidden, its place is interpolated.

Shapes: M moments, K toys, n dots of one frame, L numbers that describe a dot's looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from kineograph.evaluation.reading_clips import TOYS

SURE, FAINT = 0.5, 0.3
"""Heat of a dot that counts as a toy, and of one that a toy may be followed to."""

ENOUGH = 3
"""Moments at which as many toys must be seen at once."""

MISS = 4.0
"""What it costs to take a toy for hidden; a jump of two radii costs as much."""


@dataclass(frozen=True, eq=False)
class Dots:
    """What was found in one frame, brightest first.

    place: (n, 3) x, y, radius in shares of the picture. heat: (n,) 0 to 1.
    """

    place: Tensor
    heat: Tensor


@dataclass(frozen=True, eq=False)
class Track:
    """One toy over M moments.

    dot: for each moment the number of its dot, -1 where it is hidden. place: (M, 3).
    """

    dot: tuple[int, ...]
    place: Tensor


def dots(heat: Tensor, place: Tensor) -> tuple[Dots, ...]:
    """The peaks of every frame.

    Args:
        heat: (R, G, G) logits.
        place: (R, 3, G, G).

    Returns:
        R times at most six dots; of two on one another the brighter one.
    """
    bright = heat.sigmoid()
    peak = (bright == max_pool2d(bright[:, None], 3, 1, 1)[:, 0]) & (bright > FAINT)
    found = []
    for row in range(len(heat)):
        y, x = torch.nonzero(peak[row], as_tuple=True)
        order = bright[row, y, x].argsort(descending=True)[:6]
        y, x = y[order], x[order]
        found.append(_apart(Dots(place[row, :, y, x].T, bright[row, y, x])))
    return tuple(found)


def follow(frames: Sequence[Dots], looks: Sequence[Tensor]) -> tuple[Track, ...]:
    """The toys of a clip.

    Args:
        frames: the dots of M moments.
        looks: for each moment (n, L), shares that sum to 1 or 2; two toys alike have the same.

    Returns:
        None where no toy is seen often enough, at most three.
    """
    seen = [int((one.heat > SURE).sum()) for one in frames]
    enough = min(ENOUGH, len(frames))
    count = max(k for k in range(TOYS + 1) if k == 0 or sum(n >= k for n in seen) >= enough)
    if count == 0:
        return ()
    start = max(
        (m for m, n in enumerate(seen) if n >= count), key=lambda m: _gap(frames[m].place[:count])
    )
    numbers = [[-1] * count for _ in frames]
    numbers[start] = list(range(count))
    for way in (1, -1):
        last = [frames[start].place[k] for k in range(count)]
        speed = [torch.zeros(3) for _ in range(count)]
        mean = looks[start][:count]
        for m in range(start + way, len(frames) if way > 0 else -1, way):
            guess = torch.stack([a + 0.5 * b for a, b in zip(last, speed, strict=True)])
            numbers[m] = _best(frames[m], looks[m], guess, mean)
            for k, number in enumerate(numbers[m]):
                if number >= 0:
                    speed[k] = frames[m].place[number] - last[k]
                    last[k] = frames[m].place[number]
                else:
                    last[k], speed[k] = guess[k], 0.5 * speed[k]
    return tuple(_track(frames, [row[k] for row in numbers]) for k in range(count))


def _best(frame: Dots, looks: Tensor, guess: Tensor, mean: Tensor) -> list[int]:
    """Which dot each toy is, -1 for none: the cheapest of all assignments."""
    count, options = len(guess), len(frame.heat)
    if not options:
        return [-1] * count
    radius = guess[:, None, 2].clamp(min=0.02)
    away = (guess[:, None, :2] - frame.place[:, :2]).square().sum(-1) / radius**2
    grown = (guess[:, None, 2].clamp(min=0.02) / frame.place[:, 2].clamp(min=0.02)).log().square()
    other = (mean[:, None] - looks).abs().sum(-1)
    cost = (away + 4 * grown + 1.5 * other - frame.heat).tolist()
    choices = set(permutations([*range(options), *[-1] * count], count))
    return list(
        min(
            choices,
            key=lambda row: sum(MISS if n < 0 else cost[k][n] for k, n in enumerate(row)),
        )
    )


def _track(frames: Sequence[Dots], numbers: Sequence[int]) -> Track:
    """Places of one toy; between two moments at which it is seen it moves evenly."""
    known = [m for m, number in enumerate(numbers) if number >= 0]
    place = []
    for m, number in enumerate(numbers):
        if number >= 0:
            place.append(frames[m].place[number])
            continue
        before = max((k for k in known if k < m), default=known[0])
        after = min((k for k in known if k > m), default=known[-1])
        a, b = frames[before].place[numbers[before]], frames[after].place[numbers[after]]
        part = (m - before) / (after - before) if before < m < after else 0.0
        place.append(torch.lerp(a if before < m else b, b, part))
    return Track(tuple(numbers), torch.stack(place))


def _gap(place: Tensor) -> float:
    """The smallest distance between two dots; one alone is as far away as can be."""
    if len(place) < 2:
        return 9.0
    return float(torch.pdist(place[:, :2]).min())


def _apart(found: Dots) -> Dots:
    """Without dots that lie within half a radius of a brighter one."""
    keep: list[int] = []
    for number, place in enumerate(found.place):
        near = [(place[:2] - found.place[k, :2]).norm() < 0.5 * found.place[k, 2] for k in keep]
        if not any(near):
            keep.append(number)
    return Dots(found.place[keep], found.heat[keep])
