"""How good a reader is: right answers, what is taken for what, and what it says of nonsense.

Toys are compared by where they are, not by what is said of them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import permutations

import torch
from torch import Tensor

from kineograph.evaluation.reading import VALUES, Judge, Sight
from kineograph.evaluation.reading_exam import Exam
from kineograph.evaluation.share import Share
from kineograph.toybox.captions import attributes
from kineograph.toybox.geometry import positions
from kineograph.toybox.scene import Scene
from kineograph.toybox.world import is_held_out

Spoil = Callable[[Tensor], Tensor]
"""Clips (B, T, Y, X, 3) uint8 -> the same, spoiled."""

MISSING = "nothing"
"""Stands for a toy that was not seen, and for an answer that was not given."""


@dataclass(eq=False)
class Marks:
    """How often each value of each attribute was taken for each: attribute -> (true, said)."""

    seen: dict[str, Counter[tuple[str, str]]] = field(
        default_factory=lambda: {name: Counter() for name in VALUES}
    )
    whole: Counter[bool] = field(default_factory=Counter)

    def add(self, true: Mapping[str, str], said: Mapping[str, str]) -> None:
        """Compare one clip's answers with what is true of it."""
        for key, value in true.items():
            self.seen[key.rstrip("23")][value, said.get(key, MISSING)] += 1
        self.whole[all(said.get(key) == value for key, value in true.items())] += 1

    def shares(self) -> dict[str, Share]:
        """Right answers of each attribute that was asked, and of clips with nothing wrong."""
        found = {
            name: Share(sum(n for (a, b), n in pairs.items() if a == b), pairs.total())
            for name, pairs in self.seen.items()
            if pairs
        }
        return {**found, "all of a clip": Share(self.whole[True], self.whole.total())}

    def together(self, other: "Marks") -> "Marks":
        """Both as one."""
        seen = {name: self.seen[name] + other.seen[name] for name in VALUES}
        return Marks(seen, self.whole + other.whole)


def mark(judge: Judge, exam: Exam, spoil: Spoil | None = None) -> tuple[Marks, Marks]:
    """Ask a judge about every clip: of seen, and of held-out combinations."""
    marks = Marks(), Marks()
    for start in range(0, len(exam.scenes), 25):
        video = exam.video[start : start + 25]
        sights = judge.look(video if spoil is None else spoil(video))
        for scene, sight in zip(exam.scenes[start : start + 25], sights, strict=True):
            answers = sight.told(_order(sight, scene))
            said = {name: one.value for name, one in answers.items() if one.value is not None}
            marks[is_held_out(scene)].add(truth(scene), said)
    return marks


def truth(scene: Scene) -> dict[str, str]:
    """What is true of a scene, of everything that can be read."""
    return {name: value for name, value in attributes(scene).items() if name.rstrip("23") in VALUES}


def confident(judge: Judge, video: Tensor) -> Share:
    """Of clips that show nothing readable: how many get any answer about a toy or the scene."""
    sights = judge.look(video)
    said = [
        any(one.value is not None for one in sight.scene.values()) or bool(sight.toys)
        for sight in sights
    ]
    return Share(sum(said), len(said))


def table(pairs: Counter[tuple[str, str]]) -> list[str]:
    """A confusion table in Markdown: a row for each true value, a column for what was said."""
    true = sorted({a for a, _ in pairs})
    said = sorted({b for _, b in pairs})
    lines = [f"| true \\ read | {' | '.join(said)} |", f"|---{'|---' * len(said)}|"]
    for a in true:
        lines.append(f"| {a} | {' | '.join(str(pairs[a, b] or '') for b in said)} |")
    return lines


def _order(sight: Sight, scene: Scene) -> tuple[int, ...]:
    """For each toy of a scene the number of the seen toy that is nearest to it halfway, or -1."""
    place = positions(scene, torch.tensor([1.0]), (1, 1))[0, :, :2].tolist()
    seen = [(toy.x, toy.y) for toy in sight.toys]
    options = permutations([*range(len(seen)), *[-1] * len(place)], len(place))

    def far(order: tuple[int, ...]) -> float:
        return sum(
            1.0 if k < 0 else abs(seen[k][0] - x) + abs(seen[k][1] - y)
            for k, (x, y) in zip(order, place, strict=True)
        )

    return min(set(options), key=far)
