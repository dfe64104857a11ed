"""Evaluation -> what the reject answer could do: refusals at a share of kept planes, and standard against not standard.

The device refuses below its threshold, where a reject label is more probable than every plane, and where the frame is
unfit. The acceptance score moves the threshold alone: it is the probability of the most probable plane, and 0 where the
device refuses whatever the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.evaluate import Evaluation, Interval
from calibration.metrics import intervals_by_patient
from calibration.reports.absent import Absent
from calibration.score_intervals import ranking_from_scores
from edge.prediction import NOT_COVERED

KEPT = 0.95  # share of the correct planes kept; as the threshold of a bundle is set, see calibration/decision.py
STANDARD, NOT_STANDARD = "_standard", "_nonstandard"  # ends of the labels of a plane's good and bad images


@dataclass(frozen=True)
class Refusal:
    """Images of one label that is no plane, or of all of them."""

    label: str
    n: int
    refused: float
    refused_interval: Interval


@dataclass(frozen=True)
class RejectAt:
    """Refusals where the threshold is set on these very images, so that a share of the correct planes is kept.

    Attributes:
        kept: share of the correct planes kept; at least the share asked for.
        threshold: lowest acceptance score that is accepted.
        correct: plane images whose most probable plane is the true one.
        refusals: all images of no plane first, then label by label.
    """

    kept: float
    threshold: float
    correct: int
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class Separation:
    """How well a score tells two kinds of images apart.

    Attributes:
        positive, negative: the two kinds.
        score: what tells them apart.
        auc: share of the pairs in which the positive has the higher score, 0..1.
    """

    positive: str
    negative: str
    score: str
    positives: int
    negatives: int
    auc: float
    auc_interval: Interval


def acceptance_score(evaluation: Evaluation) -> NDArray[np.float64]:
    """(M,) of all images, 0..1; below the bundle's threshold several reject labels count by their sum."""
    probability = evaluation.probabilities.max(1)
    rejected = 1 - evaluation.probabilities.sum(1) > probability
    if evaluation.manifest.decision.threshold is not None:
        rejected |= np.array([prediction.answer == NOT_COVERED for prediction in evaluation.predictions])
    return np.where(rejected & ~evaluation.accepted, 0.0, probability)


def coverage_intervals(evaluation: Evaluation) -> dict[str, Interval]:
    """95 % by patient of the shares in `evaluation.coverage`, by their names there; none where there was no image."""
    on_plane, accepted = evaluation.truth >= 0, evaluation.accepted
    right = evaluation.answers == evaluation.truth
    shares = {
        "accepted": (accepted, on_plane),
        "accuracy_accepted": (right, on_plane & accepted),
        "refused": (~accepted, ~on_plane),
    }
    shares = {name: (share, rows) for name, (share, rows) in shares.items() if rows.any()}

    def figures(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([_mean(share[rows], weights[rows]) for share, rows in shares.values()])

    ends = intervals_by_patient(figures, evaluation.patients).tolist()
    return {name: (low, high) for name, (low, high) in zip(shares, ends, strict=True)}


def reject_at(evaluation: Evaluation, kept: float = KEPT) -> RejectAt | Absent:
    """How many images of no plane are refused where that share of the correct planes is kept.

    Intervals draw the threshold again with the patients.
    """
    off_plane, score = evaluation.truth < 0, acceptance_score(evaluation)
    right = evaluation.answers == evaluation.truth
    if not off_plane.any():
        return Absent("No image here shows something else than a plane of the model.")
    if not right.any():
        return Absent("No plane image is answered correctly.")
    threshold = _threshold(score[right], np.ones(int(right.sum())), kept)
    if threshold == 0:
        refused = float((score[right] == 0).mean())
        return Absent(f"Whatever the threshold, {refused:.1%} of the correct planes are refused.")
    labels = np.array([sample.label for sample in evaluation.dataset.samples])
    groups = [off_plane] + [off_plane & (labels == label) for label in sorted(set(labels[off_plane]))]

    def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if not weights[right].any():
            return np.full(len(groups), np.nan)
        level = max(_threshold(score[right], weights[right], kept), np.nextafter(0, 1))
        return np.array([_mean(score[group] < level, weights[group]) for group in groups])

    ends = intervals_by_patient(shares, evaluation.patients).tolist()
    found = zip(
        ("all", *sorted(set(labels[off_plane]))), groups, shares(np.ones(len(score))).tolist(), ends, strict=True
    )
    return RejectAt(
        kept=float((score[right] >= threshold).mean()),
        threshold=threshold,
        correct=int(right.sum()),
        refusals=tuple(Refusal(str(label), int(g.sum()), share, (low, high)) for label, g, share, (low, high) in found),
    )


def separations(evaluation: Evaluation) -> tuple[Separation, ...] | Absent:
    """Every plane against what is no plane, and a plane's standard images against its non-standard ones."""
    labels = np.array([sample.label for sample in evaluation.dataset.samples])
    on_plane = evaluation.truth >= 0
    if on_plane.all():
        return Absent("No image here shows something else than a plane of the model.")
    rows = [
        _separation(
            evaluation, on_plane, ~on_plane, acceptance_score(evaluation), ("planes", "no plane", "acceptance score")
        )
    ]
    for number, plane in enumerate(evaluation.labels):
        other = plane.removesuffix(STANDARD) + NOT_STANDARD
        positive, negative = labels == plane, labels == other
        if plane.endswith(STANDARD) and positive.any() and negative.any():
            score = evaluation.probabilities[:, number]
            rows.append(_separation(evaluation, positive, negative, score, (plane, other, f"probability of {plane}")))
    return tuple(rows)


def _separation(
    evaluation: Evaluation,
    positive: NDArray[np.bool_],
    negative: NDArray[np.bool_],
    score: NDArray[np.float64],
    names: tuple[str, str, str],
) -> Separation:
    from sklearn.metrics import roc_auc_score

    rows = positive | negative
    patients = [patient for patient, is_in in zip(evaluation.patients, rows, strict=True) if is_in]
    ranking = ranking_from_scores(positive[rows], score[rows])
    ((low, high),) = intervals_by_patient(lambda weights: np.array([ranking.auc(weights)]), patients).tolist()
    auc = float(roc_auc_score(positive[rows], score[rows]))
    return Separation(*names, int(positive.sum()), int(negative.sum()), auc, (low, high))


def _threshold(scores: NDArray[np.float64], weights: NDArray[np.float64], kept: float) -> float:
    """The highest score that at least this share of the weight reaches."""
    order = np.argsort(scores)
    below = np.cumsum(weights[order])
    lost = (1 - kept) * below[-1]
    return float(scores[order][np.searchsorted(below, lost + 1e-9, side="right")])


def _mean(share: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    return float(np.average(share, weights=weights)) if weights.any() else float("nan")
