"""Adherence: does a clip show what was asked for? Read back by a judge, counted as shares.

Shapes: B clips of T frames of Y x X pixels.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from kineograph.evaluation.prompts import Prompt
from kineograph.evaluation.reading import VALUES, Judge, certified
from kineograph.evaluation.share import Share

TOGETHER = "colour, shape and motion"
ALL = "all that was asked"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was asked of one clip and what the judge read, with its confidence, 0 to 1.

    read: None, or nothing at all, where the judge does not know.
    """

    text: str
    seed: int
    held_out: bool
    asked: Mapping[str, str]
    read: Mapping[str, str | None]
    confidence: Mapping[str, float]

    def about(self, names: Iterable[str]) -> list[str]:
        """What was asked of these attributes, of any toy: `colour2` is a colour."""
        wanted = set(names)
        return [key for key in self.asked if base(key) in wanted]

    def right(self, names: Iterable[str]) -> bool:
        """Whether everything that was asked of these attributes was read."""
        return all(self.read.get(key) == self.asked[key] for key in self.about(names))

    def wrong(self) -> tuple[str, ...]:
        """What was asked and not read."""
        return tuple(key for key, value in self.asked.items() if self.read.get(key) != value)


def base(key: str) -> str:
    """The attribute of a key: `colour` of `colour2`."""
    return key.rstrip("23")


def outcome(judge: Judge, prompt: Prompt, video: Tensor) -> Outcome:
    """Read one clip (T, Y, X, 3) uint8; only what the judge is certified for is asked.

    Of a single picture, nothing is asked that needs time.
    """
    names = set(certified(judge))
    if len(video) == 1:
        names -= {"motion", "becomes", "camera", "relation"}
    asked = {key: value for key, value in prompt.asked.items() if base(key) in names}
    [sight] = judge.look(video[None])
    said = {key: one for key, one in sight.answers(prompt.asked).items() if base(key) in names}
    return Outcome(
        text=prompt.text,
        seed=prompt.seed,
        held_out=prompt.held_out,
        asked=asked,
        read={key: one.value for key, one in said.items()},
        confidence={key: round(one.confidence, 4) for key, one in said.items()},
    )


def tally(outcomes: Sequence[Outcome]) -> dict[str, Share]:
    """The share that was read right: of each attribute where it was asked, and together.

    An attribute of several toys counts as right when it is right of all of them.
    """
    names: dict[str, tuple[str, ...]] = {name: (name,) for name in VALUES}
    names |= {TOGETHER: ("colour", "shape", "motion"), ALL: tuple(VALUES)}
    shares = {}
    for title, attributes in names.items():
        asked = [one for one in outcomes if one.about(attributes)]
        if asked:
            shares[title] = Share(sum(one.right(attributes) for one in asked), len(asked))
    return shares


def groups(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Share]]:
    """Shares of seen and of held-out combinations, of all, and by the number of toys asked for."""
    found = {
        "seen": [one for one in outcomes if not one.held_out],
        "held-out": [one for one in outcomes if one.held_out],
        "all": list(outcomes),
    }
    toys = [sum(base(key) == "shape" for key in one.asked) for one in outcomes]
    if len(set(toys)) > 1:
        for count in sorted(set(toys)):
            title = f"{count} toy{'s' * (count != 1)}"
            found[title] = [one for one, own in zip(outcomes, toys, strict=True) if own == count]
    return {title: tally(some) for title, some in found.items()}
