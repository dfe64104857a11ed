"""Truth + probabilities + patients -> a 95 % interval for every score of `calibration.metrics.Scores`.

All scores come from the same thousand draws of patients. A class that a draw does not hold has no score in it, and the
means are over the classes that it does hold, as in the scores themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import confusion_from_answers, intervals_by_patient, is_among_two

CLASS_FIGURES = ("sensitivity", "specificity", "precision", "f1", "auc")
MEAN_NAMES = ("sensitivity", "specificity", "precision", "macro_f1", "auc")  # as the means are called in `Scores`
Interval = tuple[float, float]


@dataclass(frozen=True)
class ScoreIntervals:
    """95 % by patient; what no draw has is left out.

    Attributes:
        means: name of the score -> ends.
        per_class: label -> name of the score -> ends.
    """

    means: dict[str, Interval]
    per_class: dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Ranking:
    """One class against the rest, sorted once for all draws.

    Attributes:
        tie: (M,) which group of equal scores an image belongs to, lowest first.
        is_class: (M,).
    """

    tie: NDArray[np.int64]
    is_class: NDArray[np.bool_]

    def auc(self, weights: NDArray[np.float64]) -> float:
        """Area under the ROC curve, ties half; NaN where one side has no weight. Weights (M,)."""
        ties = int(self.tie.max()) + 1
        positive = np.bincount(self.tie, weights * self.is_class, ties)
        negative = np.bincount(self.tie, weights * ~self.is_class, ties)
        pairs = positive.sum() * negative.sum()
        below = np.cumsum(negative) - negative / 2
        return float(positive @ below / pairs) if pairs else float("nan")


def ranking_from_scores(is_class: NDArray[np.bool_], scores: NDArray[np.float64]) -> Ranking:
    """Sort scores, (M,) each."""
    return Ranking(np.unique(scores, return_inverse=True)[1].reshape(-1), is_class)


def score_intervals(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], labels: Sequence[str], patients: Sequence[str]
) -> ScoreIntervals:
    """Intervals of the means, of top-2 and of every class.

    Args:
        truth: (M,) class numbers.
        probabilities: (M,C).
        labels: C names.
        patients: M pseudonyms.
    """
    classes, answers = len(labels), probabilities.argmax(1)
    right = answers == truth
    among_two = is_among_two(truth, probabilities)
    rankings = [ranking_from_scores(truth == number, probabilities[:, number]) for number in range(classes)]

    def figures(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        table = _class_figures(confusion_from_answers(truth, answers, classes, weights))
        table[-1] = [ranking.auc(weights) for ranking in rankings]
        alone = [np.average(right, weights=weights), np.average(among_two, weights=weights)]
        return np.concatenate([table.ravel(), _mean(table), alone])

    ends = intervals_by_patient(figures, patients)
    table = ends[: len(CLASS_FIGURES) * classes].reshape(len(CLASS_FIGURES), classes, 2)
    names = (*MEAN_NAMES, "accuracy", "top2")
    return ScoreIntervals(
        _known(names, ends[len(CLASS_FIGURES) * classes :]),
        {label: _known(CLASS_FIGURES, table[:, number]) for number, label in enumerate(labels) if number in truth},
    )


def _class_figures(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C,C) -> (F,C) in the order of CLASS_FIGURES, NaN for a class without weight; the last row stays empty."""
    total, hits = confusion.sum(), np.diag(confusion)
    support, answered = confusion.sum(1), confusion.sum(0)
    table = np.full((len(CLASS_FIGURES), len(confusion)), np.nan)
    on = support > 0
    negatives = total - support[on]
    table[0, on] = hits[on] / support[on]
    table[1, on] = 1 - (answered - hits)[on] / np.where(negatives > 0, negatives, np.nan)
    table[2, on] = hits[on] / np.where(answered[on] > 0, answered[on], np.inf)
    table[3, on] = 2 * hits[on] / (support + answered)[on]
    return table


def _mean(table: NDArray[np.float64]) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # AUC and specificity of a draw with one class: NaN
        return np.asarray(np.nanmean(table, axis=1))


def _known(names: Sequence[str], ends: NDArray[np.float64]) -> dict[str, Interval]:
    pairs = zip(names, ends.tolist(), strict=True)
    return {name: (low, high) for name, (low, high) in pairs if not np.isnan(low)}
