"""Two score cards beside each other: what differs, and whether that means anything."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from kineograph.config import diff
from kineograph.errors import ConfigError
from kineograph.evaluation.report import Summary
from kineograph.evaluation.score import SHARE, Score, digits
from kineograph.evaluation.share import difference


@dataclass(frozen=True, kw_only=True)
class Change:
    """How much larger a score of the second card is, with the 95 % interval of that.

    low, high: None where an interval is not known.
    """

    before: Score
    after: Score
    value: float
    low: float | None
    high: float | None

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and self.low * self.high > 0

    def __str__(self) -> str:
        unit = self.before.unit
        factor, places = (100, 1) if unit == SHARE else (1, digits(unit))
        told = f"{factor * self.value:+.{places}f}"
        if self.low is not None and self.high is not None:
            told += f" ({factor * self.low:+.{places}f} to {factor * self.high:+.{places}f})"
        return told


def compare(one: Summary, other: Summary) -> tuple[Change, ...]:
    """Every score that both cards have.

    Raises:
        ConfigError: they were not measured alike; the message lists how.
    """
    unlike = [
        f"{path}: {left} and {right}"
        for path, left, right in diff(one.conditions, other.conditions)
    ]
    if unlike:
        raise ConfigError(
            "these cards cannot be compared, because they were not measured alike:\n  "
            + "\n  ".join(unlike)
        )
    return tuple(_changes(one, other))


def told(one: Summary, other: Summary) -> list[str]:
    """In what the models and the machines differ, a line each."""
    pairs = (("model", one.subject, other.subject), ("made with", one.origin, other.origin))
    return [
        f"{title}: {path}: {left} and {right}"
        for title, a, b in pairs
        for path, left, right in diff(a, b)
    ]


def _changes(one: Summary, other: Summary) -> Iterator[Change]:
    for before in one.scores:
        after = other.find(*before.key)
        if after is not None:
            yield _change(before, after)


def _change(before: Score, after: Score) -> Change:
    first, second = before.share, after.share
    if first is not None and second is not None:
        value, low, high = difference(second, first)
        return Change(before=before, after=after, value=value, low=low, high=high)
    value = after.value - before.value
    reaches = [_reach(before), _reach(after)]
    if None in reaches:
        return Change(before=before, after=after, value=value, low=None, high=None)
    reach = math.hypot(*(one for one in reaches if one is not None))
    return Change(before=before, after=after, value=value, low=value - reach, high=value + reach)


def _reach(score: Score) -> float | None:
    """Half of an interval."""
    if score.low is None or score.high is None:
        return None
    return (score.high - score.low) / 2
