"""A mean of measured numbers, and how far it can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from kineograph.evaluation.share import Z


@dataclass(frozen=True)
class Mean:
    """The mean of `count` numbers; `low` to `high` holds the true one with 95 % confidence.

    The interval is that of Student's t: mean ± t · s / √n. None where nothing was measured; of one
    number, low and high are not known.
    """

    value: float
    low: float | None
    high: float | None
    count: int

    def text(self, unit: str = "", digits: int = 1) -> str:
        """For people: `33.1 dB (32.0 to 34.2)`."""
        told = f"{self.value:.{digits}f}{unit and ' '}{unit}"
        if self.low is None or self.high is None:
            return told
        return f"{told} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def mean(values: Sequence[float]) -> Mean | None:
    """The mean of some numbers with its interval; None of nothing."""
    if not values:
        return None
    middle, count = fmean(values), len(values)
    if count == 1:
        return Mean(middle, None, None, 1)
    reach = student(count - 1) * stdev(values) / math.sqrt(count)
    return Mean(middle, middle - reach, middle + reach, count)


def student(freedom: int) -> float:
    """Student's t that 95 % of all draws lie within, for so many degrees of freedom.

    The expansion of Cornish and Fisher around the normal distribution (Abramowitz and Stegun,
    26.7.5), right to 0.01 from 3 degrees on; smaller ones from the closed forms.
    """
    if freedom == 1:
        return math.tan(math.pi * 0.475)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = Z
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / freedom + second / freedom**2 + third / freedom**3 + fourth / freedom**4
