"""A probability as one of three steps: people take "99.7 %" for a promise that no measurement made.

::

    probability   0 ......... threshold ............ halfway to 1 ............ 1
    step               low                medium                    high

In: calibrated probability and the bundle's threshold. Out: the step; none without a threshold, which alone says what a
probability of this engine is worth.
"""

from __future__ import annotations

LOW, MEDIUM, HIGH = "low", "medium", "high"
HIGH_SHARE = 0.5  # of the way from threshold to 1; a division for the eye, not a measured error rate


def step_from_probability(probability: float, threshold: float | None) -> str | None:
    """How sure the model is, for people.

    Args:
        probability: calibrated, 0..1.
        threshold: lowest probability that the bundle accepts, 0..1; None, not measured.

    Returns:
        "low" (not accepted), "medium" or "high"; None without a threshold.
    """
    if threshold is None:
        return None
    if probability < threshold:
        return LOW
    return HIGH if probability >= threshold + HIGH_SHARE * (1.0 - threshold) else MEDIUM
