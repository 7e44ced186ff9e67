"""Open-Sora Plan's order: clips of one shape per step, everywhere at once (2412.00131, 3.1).

Rows are grouped by shape, each group is shuffled, and the groups, the most frequent shape
first, are cut into one piece per step for all processes. So all processes work on the
same shape in a step and none waits. Pieces are shuffled; the order depends on the seed only.
"""

import random
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Piece = list[list[int]]
"""Rows of one step, for each process."""


@dataclass(frozen=True, kw_only=True)
class GroupedOrder:
    """How rows become steps.

    batch: rows of one process and step; ranks: processes; seed: of the order; grouped: False
    ignores the shapes. The last piece is filled up with rows that are drawn again, and where
    two groups meet in one batch the more frequent shape takes it over: `unseen` tells
    which rows are lost by that.
    """

    kind: Literal["grouped_order"] = "grouped_order"
    batch: int
    ranks: int = 1
    seed: int = 42
    grouped: bool = True

    def steps(
        self, shapes: Sequence[Hashable], dice: random.Random | None = None, skip: int = 0
    ) -> list[Piece]:
        """The rows of every step.

        Args:
            shapes: of every row, such as `93x352x640`.
            dice: draws the rows that fill up; None: from the seed.
            skip: steps that are done already. As in the reference, what fills up the others
                may then differ from a run that was never interrupted; `batches` does not.
        """
        order = torch.Generator().manual_seed(self.seed)
        dice = dice or random.Random(self.seed)
        rows = self.grouped_rows(shapes, order) if self.grouped else permuted(len(shapes), order)
        length = self.batch * self.ranks
        pieces = [
            self._split(rows[first : first + length], dice) for first in range(0, len(rows), length)
        ]
        pieces = [pieces[index] for index in permuted(len(pieces), order)][skip:]
        if self.grouped:
            pieces = [[_one_shape(batch, shapes, dice) for batch in piece] for piece in pieces]
        return pieces

    def grouped_rows(
        self, shapes: Sequence[Hashable], order: torch.Generator | None = None
    ) -> list[int]:
        """All rows, group after group, the most frequent shape first, shuffled inside."""
        order = order or torch.Generator().manual_seed(self.seed)
        groups: dict[Hashable, list[int]] = {}
        for row, shape in enumerate(shapes):
            groups.setdefault(shape, []).append(row)
        largest_first = sorted(groups.values(), key=len, reverse=True)
        return [group[index] for group in largest_first for index in permuted(len(group), order)]

    def batches(self, shapes: Sequence[Hashable], rank: int, skip: int = 0) -> Iterator[list[int]]:
        """The batches of one process, exactly those that come after `skip` steps."""
        for piece in self.steps(shapes)[skip:]:
            yield piece[rank]

    def _split(self, rows: list[int], dice: random.Random) -> Piece:
        """The piece of a step: rank r takes every `ranks`-th row from the r-th on."""
        piece: Piece = []
        for rank in range(self.ranks):
            batch = rows[rank :: self.ranks]
            if batch:
                batch = batch + [dice.choice(batch) for _ in range(self.batch - len(batch))]
            else:
                batch = dice.choice(piece)
            piece.append(batch)
        return piece


def frequent(shapes: Sequence[Hashable], least: int) -> list[int]:
    """Rows whose shape at least `least` rows have; the reference asks for 4 global batches."""
    counts = Counter(shapes)
    return [row for row, shape in enumerate(shapes) if counts[shape] >= least]


def unseen(steps: Sequence[Piece], count: int) -> list[int]:
    """Of `count` rows those that no step holds."""
    seen = {row for piece in steps for batch in piece for row in batch}
    return [row for row in range(count) if row not in seen]


def permuted(count: int, generator: torch.Generator) -> list[int]:
    """The numbers below `count` in a random order."""
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order


def _one_shape(batch: list[int], shapes: Sequence[Hashable], dice: random.Random) -> list[int]:
    """A batch of its most frequent shape, the latest of equals; the rest is drawn again."""
    counts = Counter(shapes[row] for row in batch)
    if len(counts) == 1:
        return batch
    shape = sorted(counts, key=lambda one: counts[one])[-1]
    same = [row for row in batch if shapes[row] == shape]
    return same + [dice.choice(same) for _ in range(len(batch) - len(same))]
