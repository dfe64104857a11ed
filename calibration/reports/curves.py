"""Answers + truth -> the curves of a report: ROC, calibration, coverage against accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import intervals_by_patient
from calibration.reports.absent import Absent

BINS = 10  # of the calibration curve, equally many images in each
MIN_BIN = 10  # images; a bin of fewer would move by more than its own height between draws
PERFECT_DRAWS = 500  # of a perfectly calibrated model's answers; their mean moves by less than 0.001
MIN_ACCEPTED = 10  # images accepted before an accuracy of them is drawn
CURVE_POINTS = 101  # of the coverage curve


@dataclass(frozen=True)
class RocCurve:
    """One plane against the others, from (0, 0) to (1, 1)."""

    label: str
    false_positive: tuple[float, ...]
    true_positive: tuple[float, ...]


@dataclass(frozen=True)
class Bin:
    """Images of like probability: the mean of it, the share that is right, with a 95 % interval by patient."""

    n: int
    probability: float
    right: float
    right_interval: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """Whether the probability of the answered plane is how often it is right.

    Attributes:
        ece: expected calibration error over the bins, 0..1.
        ece_if_perfect: what a perfectly calibrated model would show on as many images with these probabilities.
        bins: lowest probability first, equally many images in each.
    """

    ece: float
    ece_if_perfect: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class CoverageCurve:
    """What other thresholds would do to the plane images.

    Attributes:
        threshold: on the acceptance score, highest first.
        accepted: share of the plane images accepted.
        accuracy: share of those that are right.
        refused: share of the images of no plane refused; empty where there are none.
    """

    threshold: tuple[float, ...]
    accepted: tuple[float, ...]
    accuracy: tuple[float, ...]
    refused: tuple[float, ...]


def roc_curves(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], labels: Sequence[str]
) -> tuple[RocCurve, ...] | Absent:
    """One curve for every plane that occurs beside another one; arguments as `scores_from_probabilities`."""
    from sklearn.metrics import roc_curve

    present = np.unique(truth).tolist()
    if len(present) < 2:
        return Absent("All images show the same plane: there is nothing to tell apart.")
    curves = []
    for number in present:
        false_positive, true_positive, _ = roc_curve(truth == number, probabilities[:, number])
        curves.append(RocCurve(labels[number], _rounded(false_positive), _rounded(true_positive)))
    return tuple(curves)


def calibration_from_answers(
    right: NDArray[np.bool_], probability: NDArray[np.float64], patients: Sequence[str], seed: int = 0
) -> Calibration | Absent:
    """Bins of equally many images, and the mean distance from the diagonal; the order of the images does not count.

    Args:
        right: (M,) whether the most probable plane is the true one.
        probability: (M,) of that plane, calibrated.
        patients: M pseudonyms.
        seed: of the draws for `ece_if_perfect`.

    Source: Nguyen and O'Connor, EMNLP 2015 (bins of equal mass); Guo et al., ICML 2017, section 2 (ECE).
    """
    count = min(BINS, len(right) // MIN_BIN)
    if count < 2:
        return Absent(f"A curve needs at least {2 * MIN_BIN} plane images; there are {len(right)}.")
    part = _parts_of_bins(probability, count)

    def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        mass = weights @ part
        return np.asarray((weights * right) @ part / np.where(mass > 0, mass, np.nan))

    sizes = part.sum(0).round()
    means = probability @ part / sizes
    ends = intervals_by_patient(shares, patients)
    bins = zip(
        sizes.astype(int).tolist(), means.tolist(), shares(np.ones(len(right))).tolist(), ends.tolist(), strict=True
    )
    draws = np.random.default_rng(seed).random((PERFECT_DRAWS, len(right))) < probability
    return Calibration(
        ece=_ece(part, right, probability),
        ece_if_perfect=float(np.mean([_ece(part, draw, probability) for draw in draws])),
        bins=tuple(Bin(size, mean, share, (low, high)) for size, mean, share, (low, high) in bins),
    )


def coverage_curve(
    right: NDArray[np.bool_], score: NDArray[np.float64], off_plane_score: NDArray[np.float64]
) -> CoverageCurve | Absent:
    """Accept from the surest image on.

    Args:
        right: (M,) of the plane images: the most probable plane is the true one.
        score: (M,) their acceptance scores; 0 where no threshold would accept them.
        off_plane_score: (N,) scores of the images of no plane.
    """
    levels = np.unique(score[score > 0])[::-1]
    counts = len(score) - np.searchsorted(np.sort(score), levels)
    levels = levels[counts >= MIN_ACCEPTED]
    if len(levels) < 2:
        return Absent(f"A curve needs more than {MIN_ACCEPTED} plane images that can be accepted.")
    levels = levels[np.unique(np.linspace(0, len(levels) - 1, CURVE_POINTS).round().astype(int))]
    taken = score[None] >= levels[:, None]
    refused = (off_plane_score[None] < levels[:, None]).mean(1) if len(off_plane_score) else np.empty(0)
    return CoverageCurve(
        _rounded(levels), _rounded(taken.mean(1)), _rounded((taken & right).sum(1) / taken.sum(1)), _rounded(refused)
    )


def _parts_of_bins(probability: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(M,count) what part of each image lies in each bin: images of equal probability share theirs, in any order."""
    part = np.zeros((len(probability), count))
    for index, members in enumerate(np.array_split(np.argsort(probability, kind="stable"), count)):
        part[members, index] = 1
    equal = np.unique(probability, return_inverse=True)[1].reshape(-1)
    sums = np.zeros((int(equal.max()) + 1, count))
    np.add.at(sums, equal, part)
    return np.asarray((sums / np.bincount(equal)[:, None])[equal])


def _ece(part: NDArray[np.float64], right: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    return float(np.abs((right - probability) @ part).sum() / len(right))


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(values, 4).tolist())
