"""Probabilities of plane images + truth -> scores with 95 % intervals by patient, as the documents have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import intervals_by_patient, scores_from_probabilities
from calibration.score_intervals import score_intervals


def scores_with_intervals(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], patients: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    """The scores of `edge evaluate --json`.

    Args:
        truth: (M,) class numbers.
        probabilities: (M,C).
        patients: M names; an empty one is a patient of its own.
        labels: C names.
    """
    intervals = score_intervals(truth, probabilities, labels, patients)
    scores = asdict(scores_from_probabilities(truth, probabilities, labels))
    return {**scores, "intervals": {name: list(ends) for name, ends in intervals.means.items()}}


def shares_with_intervals(
    shares: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]], patients: Sequence[str]
) -> dict[str, Any]:
    """Shares of images, None where there is none, and their intervals.

    Args:
        shares: name -> (M,) which images count for it, (M,) among which.
        patients: M names.
    """
    known = {name: pair for name, pair in shares.items() if pair[1].any()}

    def figures(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        drawn = [(share[rows], weights[rows]) for share, rows in known.values()]
        return np.array([np.average(share, weights=w) if w.any() else np.nan for share, w in drawn])

    found: dict[str, Any] = dict.fromkeys(shares)
    found |= {name: float(share[rows].mean()) for name, (share, rows) in known.items()}
    ends = intervals_by_patient(figures, patients).tolist()
    return {**found, "intervals": dict(zip(known, ends, strict=True))}
