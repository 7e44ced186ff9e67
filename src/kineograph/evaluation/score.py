"""A score: one number of a score card, how far it can be trusted, and what it is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from kineograph.evaluation.ranks import Ranked
from kineograph.evaluation.share import Share, difference
from kineograph.evaluation.spread import Mean, mean

SHARE = "share"
"""The unit of a share of right answers, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of a card.

    group, name: where it stands. unit: `share`, dB, px, ... or nothing. low, high: what holds the
    true number with 95 % confidence, where that is known. count: of how many clips; right: how
    many of them, of a share.
    """

    group: str
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    count: int
    right: int | None = None
    unit: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """By which the scores of two cards are matched."""
        return self.group, self.name

    @property
    def share(self) -> Share | None:
        """As a share, if it is one."""
        return None if self.right is None else Share(self.right, self.count)

    def plain(self) -> str:
        """The number alone: `93.1 %`, `34.1 dB`."""
        if self.unit == SHARE:
            return f"{100 * self.value:.1f} %"
        return f"{self.value:.{digits(self.unit)}f}{self.unit and ' '}{self.unit}"

    def __str__(self) -> str:
        told, places = self.plain(), digits(self.unit)
        if self.low is not None and self.high is not None:
            factor = 100 if self.unit == SHARE else 1
            told += f" ({factor * self.low:.{places}f} to {factor * self.high:.{places}f})"
        return told if self.right is None else f"{told}, {self.right}/{self.count}"


def digits(unit: str) -> int:
    """How many decimals are shown of a unit."""
    return {"": 2, "dB": 1, "px": 2, SHARE: 1}.get(unit, 2)


def of_share(group: str, name: str, share: Share) -> Score:
    """A share with its interval."""
    low, high = share.interval
    return Score(
        group=group,
        name=name,
        value=round(share.value, 4),
        low=round(low, 4),
        high=round(high, 4),
        count=share.total,
        right=share.right,
        unit=SHARE,
    )


def of_difference(group: str, name: str, one: Share, other: Share) -> Score:
    """How much larger a share is than another one, with its interval."""
    value, low, high = (round(number, 4) for number in difference(one, other))
    count = one.total + other.total
    return Score(group=group, name=name, value=value, low=low, high=high, count=count, unit=SHARE)


def of_mean(group: str, name: str, values: Sequence[float | None], unit: str = "") -> list[Score]:
    """The mean of what was measured, in a list; nothing of nothing."""
    found: Mean | None = mean([value for value in values if value is not None])
    if found is None:
        return []
    return [
        Score(
            group=group,
            name=name,
            value=round(found.value, 4),
            low=None if found.low is None else round(found.low, 4),
            high=None if found.high is None else round(found.high, 4),
            count=found.count,
            unit=unit,
        )
    ]


def of_ranked(group: str, name: str, found: Ranked | None) -> list[Score]:
    """A rank correlation, in a list; nothing where it means nothing."""
    if found is None:
        return []
    value, low, high = (round(number, 4) for number in (found.value, found.low, found.high))
    return [Score(group=group, name=name, value=value, low=low, high=high, count=found.count)]
