"""The stage decision_from_engine: an engine's logits on held-out images -> temperature and acceptance threshold.

The engine is measured, not the float model: quantization moves probabilities. The images must be ones that neither
training nor the gate uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.gate import check_finite
from edge.decision import NOT_MEASURED, Decision
from edge.postprocess import probabilities_from_logits

KEPT = 0.95  # share of right answers that the threshold keeps; a sonographer loses one good frame in twenty
MIN_IMAGES = 30  # fewer right answers than this give a 5 % quantile that rests on one image
TEMPERATURES = np.geomspace(0.25, 4.0, 161)  # 1.7 % steps; networks of this kind lie within 0.5 and 3
NO_SHARPER = TEMPERATURES[TEMPERATURES.size // 2 :]  # 1 and above: where no answer is wrong, likelihood has no minimum


def decision_from_logits(
    logits: NDArray[np.float32], truth: Sequence[str], labels: Sequence[str], reject_labels: Sequence[str]
) -> Decision:
    """Fit the temperature by likelihood, then set the threshold that keeps 95 % of the right answers.

    Args:
        logits: (M,K) of the engine.
        truth: M labels; images whose label is no plane of the model are left out.
        labels: K names in the order of the logits.
        reject_labels: those of them that are no plane.

    Returns:
        The decision; without a threshold where fewer than 30 right answers were seen; its temperature is at least 1
        where no answer was wrong.

    Raises:
        GateError: a logit is not finite.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (temperature); Geifman and El-Yaniv,
    Selective Classification for Deep Neural Networks, NeurIPS 2017 (threshold at a coverage).
    """
    check_finite(logits)
    is_plane = np.array([label not in reject_labels for label in labels])
    planes = [label for label in labels if label not in reject_labels]
    rows = [index for index, label in enumerate(truth) if label in planes]
    if not rows:
        return NOT_MEASURED
    numbers = np.array([list(labels).index(truth[index]) for index in rows])
    is_any_wrong = bool((logits[rows].argmax(1) != numbers).any())
    grid = TEMPERATURES if is_any_wrong else NO_SHARPER
    temperature = round(float(min(grid, key=lambda t: _loss(logits[rows], numbers, float(t)))), 4)
    probabilities = probabilities_from_logits(logits[rows], temperature)
    answers, chances = probabilities.argmax(1), probabilities.max(1)
    right = chances[answers == numbers]
    if right.size < MIN_IMAGES:
        return Decision(temperature, None, len(rows), None, f"only {right.size} right answers: no threshold")
    threshold = float(np.quantile(right, 1 - KEPT, method="lower"))
    accepted = is_plane[answers] & (chances >= threshold)
    method = f"temperature by likelihood; threshold keeps {KEPT:.0%} of {right.size} right answers"
    return Decision(temperature, threshold, len(rows), float(accepted.mean()), method)


def _loss(logits: NDArray[np.float32], numbers: NDArray[np.int64], temperature: float) -> float:
    chances = probabilities_from_logits(logits, temperature)[np.arange(len(numbers)), numbers]
    return float(-np.log(np.maximum(chances, 1e-12)).mean())
