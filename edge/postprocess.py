"""Logits -> calibrated probabilities -> answer.

::

    logits (K,) -> probabilities (K,) -> plane: arg max over the planes
                                      -> answer: not_covered   the frame is unfit, without a threshold, or no number
                                                 not_standard  a reject label is more probable than every plane,
                                                               or the plane lies below the threshold
                                                 plane         otherwise: accepted
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge.decision import Decision
from edge.prediction import NOT_COVERED, NOT_STANDARD, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray


def probabilities_from_logits(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Calibrated softmax.

    Args:
        logits: (..., K).
        temperature: > 0.

    Returns:
        (..., K), rows add up to 1.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float64)


def prediction_from_logits(
    logits: NDArray[np.float32],
    labels: Sequence[str],
    reject_labels: Sequence[str],
    decision: Decision,
    unfit: str | None = None,
    latency_ms: float = 0.0,
) -> Prediction:
    """The answer of one frame.

    Args:
        logits: (K,), in the order of labels.
        labels: K names, at least one of them a plane.
        reject_labels: those of them that are no plane.
        decision: temperature and threshold of the engine that made the logits.
        unfit: why the frame is no ultrasound image to be judged, or None.
        latency_ms: what it took, milliseconds.
    """
    probabilities = probabilities_from_logits(logits, decision.temperature)
    chances = [(label, float(chance)) for label, chance in zip(labels, probabilities, strict=True)]
    top = sorted((chance for chance in chances if chance[0] not in reject_labels), key=lambda chance: -chance[1])
    reject = max((chance for chance in chances if chance[0] in reject_labels), key=lambda c: c[1], default=None)
    plane, probability = top[0]
    answer, reason = _answer(plane, probability, reject, decision, unfit)
    return Prediction(plane, probability, answer == plane, answer, tuple(top), reason, latency_ms)


def _answer(
    plane: str, probability: float, reject: tuple[str, float] | None, decision: Decision, unfit: str | None
) -> tuple[str, str]:
    if unfit is not None:
        return NOT_COVERED, unfit
    if decision.threshold is None:
        return NOT_COVERED, "no acceptance threshold was measured for this model"
    if not math.isfinite(probability):  # every comparison below would be false, and the plane accepted
        return NOT_COVERED, "the engine's answer is not a finite number"
    if reject is not None and reject[1] > probability:
        return NOT_STANDARD, f"{reject[0]} is more probable ({reject[1]:.2f}) than every plane"
    if probability < decision.threshold:
        return NOT_STANDARD, f"probability {probability:.2f} is below the threshold {decision.threshold:.2f}"
    return plane, f"probability {probability:.2f} reaches the threshold {decision.threshold:.2f}"
