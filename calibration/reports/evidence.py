"""Evaluation -> Evidence: everything a report shows beyond the scores; one field a section of the page.

::

    Evaluation -> score_intervals        calibration/score_intervals.py
               -> roc, calibration       calibration/reports/curves.py
               -> coverage_curve, reject calibration/reports/curves.py, reject.py
               -> machines, operators    calibration/reports/groups.py
               -> other_images           calibration/reports/others.py
               -> mistakes               calibration/reports/mistakes.py
               -> embedding              calibration/reports/embedding.py
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from calibration.evaluate import Evaluation, Interval
from calibration.reject import RejectAt, Separation, acceptance_score, coverage_intervals, reject_at, separations
from calibration.reports.absent import Absent
from calibration.reports.curves import (
    Calibration,
    CoverageCurve,
    RocCurve,
    calibration_from_answers,
    coverage_curve,
    roc_curves,
)
from calibration.reports.embedding import Embedding, embedding_from_features
from calibration.reports.groups import GroupRow, rows_by_machine, rows_by_operator
from calibration.reports.mistakes import Mistake, mistakes_from_evaluation
from calibration.reports.others import OtherImages, other_images
from calibration.score_intervals import ScoreIntervals, score_intervals


@dataclass(frozen=True)
class Evidence:
    """What one evaluation gives; `Absent` says why a part is not there."""

    score_intervals: ScoreIntervals
    coverage_intervals: dict[str, Interval]
    roc: tuple[RocCurve, ...] | Absent
    calibration: Calibration | Absent
    coverage_curve: CoverageCurve | Absent
    reject: RejectAt | Absent
    separations: tuple[Separation, ...] | Absent
    other_images: tuple[OtherImages, ...] | Absent
    machines: tuple[GroupRow, ...] | Absent
    operators: tuple[GroupRow, ...] | Absent
    mistakes: tuple[Mistake, ...]
    embedding: Embedding | Absent


def evidence_from_evaluation(evaluation: Evaluation, seed: int = 0) -> Evidence:
    """Compute every part.

    Args:
        evaluation: with features, or the map of them is absent.
        seed: of the map.
    """
    on_plane = evaluation.truth >= 0
    truth, probabilities = evaluation.truth[on_plane], evaluation.probabilities[on_plane]
    right, patients, score = probabilities.argmax(1) == truth, evaluation.plane_patients, acceptance_score(evaluation)
    return Evidence(
        score_intervals=score_intervals(truth, probabilities, evaluation.labels, patients),
        coverage_intervals=coverage_intervals(evaluation),
        roc=roc_curves(truth, probabilities, evaluation.labels),
        calibration=calibration_from_answers(right, probabilities.max(1), patients),
        coverage_curve=coverage_curve(right, score[on_plane], score[~on_plane]),
        reject=reject_at(evaluation),
        separations=separations(evaluation),
        other_images=other_images(evaluation),
        machines=rows_by_machine(evaluation),
        operators=rows_by_operator(evaluation),
        mistakes=mistakes_from_evaluation(evaluation),
        embedding=embedding_from_features(evaluation.features, seed),
    )


def document_from_evidence(evidence: Evidence) -> dict[str, Any]:
    """JSON of every part but the intervals of scores and coverage, which stand beside those."""
    document = asdict(evidence)
    del document["score_intervals"], document["coverage_intervals"]
    return {name: _finite(value) for name, value in document.items()}


def _finite(value: Any) -> Any:
    """JSON has no NaN: the interval of a figure that no draw of patients has becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, (list, tuple)) else value
