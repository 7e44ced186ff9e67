"""What a reader says of a clip: the types that readers return and that the evaluation asks.

A `Sight` holds one answer for each attribute of the scene, one set of answers for each toy that was
seen, and the relation of each ordered pair of toys. Every answer is a `Said`: a value and how sure
the reader is of it, or no value, which means "I don't know". `Sight.answers(asked)` gives the
answers under the keys of `toybox.captions.attributes` (colour, shape2, relation, ...): which toy
of the picture is the first of the sentence is decided by what the sentence says they look like.

    [sight] = reader.judge(3).look(video)  # (1, T, Y, X, 3) uint8
    said = sight.answers(parse("a red ball left of a blue cube on grass"))
    said["colour2"].value, said["colour2"].confidence

A `Judge` is anything that looks at clips so. It states its level and, for every attribute, the
share that it read right on fresh renders; it is certified for those of at least 97 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol

from torch import Tensor

from kineograph.toybox.scene import (
    BackdropKind,
    Colour,
    FloorKind,
    Motion,
    Move,
    RelationKind,
    Shape,
    words,
)

VALUES: Mapping[str, tuple[str, ...]] = {
    "colour": words(Colour),
    "shape": words(Shape),
    "motion": words(Motion),
    "becomes": words(Colour),
    "count": ("1", "2", "3"),
    "floor": words(FloorKind),
    "backdrop": words(BackdropKind),
    "camera": words(Move),
    "relation": words(RelationKind),
}
"""What can be said, and the values that it can have."""

OF_A_TOY = ("colour", "shape", "motion", "becomes")
OF_THE_SCENE = ("count", "floor", "backdrop", "camera")

BAR = 0.97
"""The share of right answers on fresh renders from which on a judge is certified."""


@dataclass(frozen=True)
class Said:
    """An answer: its value, None for "I don't know", and how sure the reader is, 0 to 1."""

    value: str | None = None
    confidence: float = 0.0


UNKNOWN = Said()
"""I don't know."""


@dataclass(frozen=True, kw_only=True)
class ToySeen:
    """What is said of one toy, and where it was halfway through the clip.

    said: answers of some of `OF_A_TOY`. x, y: its centre, in shares of the picture's width and
    height, from the left and the top.
    """

    said: Mapping[str, Said]
    x: float = 0.5
    y: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Related:
    """How the toy number `first` of a sight stands or moves relative to number `second`."""

    first: int
    second: int
    said: Said


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What is said of one clip.

    known: how sure the reader is that the clip shows its world at all, 0 to 1; where it is not,
    there are no toys and every answer is unknown. scene: answers of some of `OF_THE_SCENE`.
    relations: one for every ordered pair of toys, none if there is one toy.
    """

    known: float
    toys: tuple[ToySeen, ...] = ()
    scene: Mapping[str, Said]
    relations: tuple[Related, ...] = ()

    def answers(self, asked: Mapping[str, str]) -> dict[str, Said]:
        """The answers under the keys of `toybox.captions.attributes`.

        The toys are numbered so that as many as possible look as `asked` says (first by colour and
        shape, then by what they do); without any difference, in the order of `toys`. Attributes of
        the toys 2 and 3 end in their number. What was not seen is left out.
        """
        orders = permutations(range(len(self.toys)))
        return self.told(max(orders, key=lambda order: self._fit(order, asked)))

    def told(self, order: Sequence[int]) -> dict[str, Said]:
        """The answers, toys numbered in this order; a number below zero stands for no toy."""
        found = dict(self.scene)
        for number, toy in enumerate(order):
            if toy >= 0:
                suffix = str(number + 1) if number else ""
                found |= {f"{name}{suffix}": said for name, said in self.toys[toy].said.items()}
        for related in self.relations:
            if list(order[:2]) == [related.first, related.second]:
                found["relation"] = related.said
        return found

    def _fit(self, order: Sequence[int], asked: Mapping[str, str]) -> tuple[int, int]:
        """How many toys look, and do, what is asked of them."""
        looks = does = 0
        for number, toy in enumerate(order):
            suffix = str(number + 1) if number else ""
            for name, said in self.toys[toy].said.items():
                right = said.value is not None and said.value == asked.get(f"{name}{suffix}")
                looks += right and name in ("colour", "shape")
                does += right
        return looks, does


class Judge(Protocol):
    """Looks at clips."""

    level: int
    """The highest level of the toybox whose clips it reads."""

    accuracy: Mapping[str, float]
    """Of each attribute that it reads: the share that was right on fresh renders of its level."""

    def look(self, video: Tensor) -> tuple[Sight, ...]:
        """(B, T, Y, X, 3) uint8 -> what is said of each of the B clips."""
        ...


def certified(judge: Judge) -> tuple[str, ...]:
    """The attributes that a judge reads well enough to measure a model by, in order."""
    return tuple(name for name in VALUES if judge.accuracy.get(name, 0.0) >= BAR)
