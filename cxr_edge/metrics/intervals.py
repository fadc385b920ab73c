"""An estimate with its confidence limits, and the intervals that follow from a formula."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["Interval", "normal_interval", "proportion"]


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence limits."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as 0.973 (0.951 to 0.995)."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def proportion(count: int, total: int, *, level: float = 0.95) -> Interval:
    """Return count / total with Wilson's score interval (Wilson 1927), which holds near 0 and 1 and for few films."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = count / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    reach = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return Interval(share, max(middle - reach, 0.0), min(middle + reach, 1.0))


def normal_interval(value: float, variance: float, level: float, bounds: tuple[float, float]) -> Interval:
    """Return the interval of a normal estimate with this variance, cut to `bounds`."""
    reach = NormalDist().inv_cdf(0.5 + level / 2) * variance**0.5
    return Interval(value, max(value - reach, bounds[0]), min(value + reach, bounds[1]))
