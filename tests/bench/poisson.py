"""Counts and exposure -> a rate with its exact interval."""

from __future__ import annotations

import math
from collections.abc import Callable

LEVEL = 0.95


def rate_with_interval(count: int, hours: float) -> dict[str, object]:
    """Events per hour.

    Args:
        count: of events.
        hours: in which they were counted.

    Source: Garwood, Fiducial limits for the Poisson distribution, Biometrika 28, 1936.
    """
    low, high = (round(mean / hours, 2) for mean in interval_of_count(count))
    return {"count": count, "hours": round(hours, 4), "per_hour": round(count / hours, 2), "interval_95": [low, high]}


def interval_of_count(count: int) -> tuple[float, float]:
    """Lowest and highest mean that a count does not contradict, each at half of 5 %."""
    tail = (1 - LEVEL) / 2
    low = 0.0 if count == 0 else _mean_where(lambda mean: 1 - _at_most(count - 1, mean) > tail, count)
    return low, _mean_where(lambda mean: _at_most(count, mean) < tail, count)


def _at_most(count: int, mean: float) -> float:
    """Probability of at most so many events."""
    if mean == 0:
        return 1.0
    return math.fsum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(count + 1))


def _mean_where(is_above: Callable[[float], bool], count: int) -> float:
    """The mean at which a condition that grows with it begins to hold."""
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if is_above(middle) else (middle, high)
    return high
