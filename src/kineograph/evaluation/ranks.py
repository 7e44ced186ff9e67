"""Rank correlation: whether more of what was asked gives more of what is shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kineograph.evaluation.share import Z

FEWEST = 8
"""Pairs below which a correlation says nothing."""


@dataclass(frozen=True)
class Ranked:
    """Spearman's rank correlation of `count` pairs, -1 to 1, with its 95 % interval."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}), {self.count} clips"


def rank_correlation(asked: Sequence[float], shown: Sequence[float]) -> Ranked | None:
    """Spearman's correlation of two lists of numbers; equal numbers share their mean rank.

    The interval is Fisher's, with the variance of Bonett and Wright, "Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations" (2000). None where it means nothing:
    below `FEWEST` pairs, or where all numbers of a list are equal.
    """
    count = len(asked)
    if count < FEWEST or len(set(asked)) < 2 or len(set(shown)) < 2:
        return None
    value = _correlation(ranks(asked), ranks(shown))
    middle = math.atanh(max(-0.999999, min(0.999999, value)))
    reach = Z * math.sqrt((1 + value**2 / 2) / (count - 3))
    return Ranked(value, math.tanh(middle - reach), math.tanh(middle + reach), count)


def ranks(values: Sequence[float]) -> list[float]:
    """The place of each number among all, from 1; equal numbers share the mean of their places."""
    order = sorted(values)
    first = {value: order.index(value) for value in set(values)}
    return [first[value] + (order.count(value) + 1) / 2 for value in values]


def _correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Pearson's."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    both = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    one = sum((a - mean_x) ** 2 for a in x)
    other = sum((b - mean_y) ** 2 for b in y)
    return both / math.sqrt(one * other)
