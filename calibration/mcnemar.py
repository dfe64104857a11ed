"""Who was right on the same images, twice -> McNemar's test: do two models differ in how often they are right?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXACT_BELOW = 25  # discordant images; from there on the chi-squared form differs from the exact one by less than 0.02
EXACT = "exact (binomial)"
CHI_SQUARED = "chi-squared with continuity correction"


@dataclass(frozen=True)
class McNemar:
    """The test's table and its outcome; images count as independent of each other.

    Attributes:
        only_first, only_second: images on which one of the two is right and the other wrong.
        p: two-sided; how often two equally good models would differ this much.
        method: which form of the test.
    """

    only_first: int
    only_second: int
    p: float
    method: str


def mcnemar_from_answers(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Test two models on the same images.

    Args:
        first: (M,) whether the first model is right.
        second: (M,) whether the second is.

    Source: McNemar, Psychometrika 12, 1947; Edwards, Psychometrika 13, 1948 (continuity correction).
    """
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    discordant = only_first + only_second
    if discordant < EXACT_BELOW:
        tail = sum(math.comb(discordant, k) for k in range(min(only_first, only_second) + 1)) / 2**discordant
        return McNemar(only_first, only_second, min(1.0, 2 * tail), EXACT)
    statistic = max(abs(only_first - only_second) - 1, 0) ** 2 / discordant
    p = math.erfc(math.sqrt(statistic / 2))  # upper tail of chi-squared with one degree of freedom
    return McNemar(only_first, only_second, p, CHI_SQUARED)


def p_value(p: float) -> str:
    """Three digits; small ones as a bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
