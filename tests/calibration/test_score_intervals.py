"""Intervals of all scores from the same draws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from calibration.metrics import (
    confusion_from_answers,
    f1_from_confusion,
    interval_by_patient,
    intervals_by_patient,
    scores_from_probabilities,
    weights_by_patient,
)
from calibration.score_intervals import ranking_from_scores, score_intervals

LABELS = ("a", "b", "c", "d")
PATIENTS = [f"p{image // 3}" for image in range(90)]
RNG = np.random.default_rng(3)
TRUTH = RNG.choice([0, 1, 3], 90)
LOGITS = np.round(RNG.normal(size=(90, 4)) + 1.5 * np.eye(4)[TRUTH], 1)
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def test_weighted_auc_is_scikit_learns_also_with_ties() -> None:
    is_class, scores = TRUTH == 1, np.round(PROBABILITIES[:, 1], 1)
    ranking = ranking_from_scores(is_class, scores)
    for weights in weights_by_patient(PATIENTS, seed=0, draws=20):
        assert ranking.auc(weights) == pytest.approx(roc_auc_score(is_class, scores, sample_weight=weights))


def test_an_auc_without_one_side_is_nan() -> None:
    assert np.isnan(ranking_from_scores(np.array([True, True]), np.array([0.1, 0.2])).auc(np.ones(2)))


def test_every_interval_holds_its_score() -> None:
    scores = scores_from_probabilities(TRUTH, PROBABILITIES, LABELS)
    found = score_intervals(TRUTH, PROBABILITIES, LABELS, PATIENTS)
    assert set(found.means) == {"sensitivity", "specificity", "precision", "macro_f1", "auc", "accuracy", "top2"}
    for name, (low, high) in found.means.items():
        assert low < getattr(scores, name) < high
    for row in scores.per_class:
        assert set(found.per_class[row.label]) == {"sensitivity", "specificity", "precision", "f1", "auc"}
        for name, (low, high) in found.per_class[row.label].items():
            assert low <= getattr(row, name) <= high


def test_the_two_most_probable_hold_the_answer_in_every_draw() -> None:
    equal = np.random.default_rng(0).integers(1, 4, (500, 7)).astype(np.float64)  # three values: many ties
    found = score_intervals(equal.argmax(1), equal, tuple("abcdefg"), [f"p{image}" for image in range(500)])
    assert found.means["top2"] == (1.0, 1.0)


def test_macro_f1_has_the_interval_it_has_without_a_report() -> None:
    answers = PROBABILITIES.argmax(1)
    alone = interval_by_patient(
        lambda weights: float(f1_from_confusion(confusion_from_answers(TRUTH, answers, 4, weights)).mean()), PATIENTS
    )
    assert score_intervals(TRUTH, PROBABILITIES, LABELS, PATIENTS).means["macro_f1"] == pytest.approx(alone)


def test_a_class_that_does_not_occur_has_no_intervals() -> None:
    assert list(score_intervals(TRUTH, PROBABILITIES, LABELS, PATIENTS).per_class) == ["a", "b", "d"]


def test_a_single_class_has_no_interval_of_auc_or_specificity() -> None:
    found = score_intervals(np.zeros(4, np.int64), np.full((4, 2), 0.5), ("a", "b"), ["p", "q", "r", "s"])
    assert not {"auc", "specificity"} & set(found.means)
    assert found.means["accuracy"] == (1.0, 1.0)


def test_draws_without_a_figure_do_not_count_for_it() -> None:
    def figures(weights: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.array([1.0 if weights[0] else np.nan, np.nan, weights.sum()])

    ends = intervals_by_patient(figures, ["p", "q"], draws=50)
    assert ends[0].tolist() == [1.0, 1.0]
    assert np.isnan(ends[1]).all()
    assert ends[2].tolist() == [2.0, 2.0]
