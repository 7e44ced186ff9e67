"""A share of right answers, and how far it can be trusted."""

import math
from dataclasses import dataclass

Z = 1.959964
"""Of a 95 % interval."""


@dataclass(frozen=True)
class Share:
    """`right` of `total` answers."""

    right: int
    total: int

    @property
    def value(self) -> float:
        """0 to 1; 0 where nothing was asked."""
        return self.right / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence.

        Wilson, "Probable inference, the law of succession, and statistical inference" (1927): it
        stays within [0, 1] and is honest when all answers are right, unlike value ± z · sigma.
        """
        if not self.total:
            return 0.0, 1.0
        n, p = self.total, self.value
        middle = p + Z**2 / (2 * n)
        reach = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        scale = 1 + Z**2 / n
        return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)

    def __str__(self) -> str:
        low, high = (100 * bound for bound in self.interval)
        return f"{100 * self.value:.1f} % ({low:.0f}–{high:.0f} %), {self.right}/{self.total}"


def difference(one: Share, other: Share) -> tuple[float, float, float]:
    """How much larger the true share of `one` is than that of `other`, with a 95 % interval.

    Newcombe, "Interval estimation for the difference between independent proportions" (1998),
    method 10: made from Wilson's intervals of both.

    Returns:
        The difference, its lower and its upper bound, each in [-1, 1].
    """
    between = one.value - other.value
    low, high = one.interval
    other_low, other_high = other.interval
    down = math.hypot(one.value - low, other_high - other.value)
    up = math.hypot(high - one.value, other.value - other_low)
    return between, max(-1.0, between - down), min(1.0, between + up)
