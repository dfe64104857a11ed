"""Our scores are scikit-learn's; our intervals are by patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from calibration.metrics import (
    DRAWS,
    ClassScores,
    confusion_from_answers,
    f1_from_confusion,
    interval_by_patient,
    macro_f1,
    scores_from_probabilities,
)

CLASSES = 5
LABELS = tuple("abcde")
SEEDS = range(4)


def answered(seed: int, images: int = 60) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Truth in which class 3 never occurs, and probabilities that are right about half the time."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 1, 2, 4], images)
    logits = rng.normal(size=(images, CLASSES)) + 1.2 * np.eye(CLASSES)[truth]
    return truth, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def row_of(label: str, rows: tuple[ClassScores, ...]) -> ClassScores:
    return next(row for row in rows if row.label == label)


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_those_of_scikit_learn_also_where_a_class_is_missing(seed: int) -> None:
    truth, probabilities = answered(seed)
    answers, present = probabilities.argmax(1), np.unique(truth)
    scores = scores_from_probabilities(truth, probabilities, LABELS)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, answers, labels=present, average="macro", zero_division=0.0
    )
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(truth, answers))
    assert (scores.precision, scores.sensitivity, scores.macro_f1) == pytest.approx((precision, recall, f1))
    assert scores.top2 == pytest.approx(metrics.top_k_accuracy_score(truth, probabilities, k=2, labels=range(CLASSES)))
    assert scores.n == len(truth)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_class_has_scikit_learns_scores(seed: int) -> None:
    truth, probabilities = answered(seed)
    answers, present = probabilities.argmax(1), np.unique(truth)
    rows = scores_from_probabilities(truth, probabilities, LABELS).per_class
    columns = metrics.precision_recall_fscore_support(truth, answers, labels=present, zero_division=0.0)
    assert [row.label for row in rows] == [LABELS[number] for number in present]
    expected = list(zip(*columns, strict=True))
    assert [(row.precision, row.sensitivity, row.f1, row.n) for row in rows] == [pytest.approx(row) for row in expected]


@pytest.mark.parametrize("seed", SEEDS)
def test_specificity_is_the_recall_of_the_rest(seed: int) -> None:
    truth, probabilities = answered(seed)
    for row in scores_from_probabilities(truth, probabilities, LABELS).per_class:
        number = LABELS.index(row.label)
        rest = metrics.recall_score(truth != number, probabilities.argmax(1) != number)
        assert row.specificity == pytest.approx(rest)


def test_auc_is_one_against_the_rest_and_macro_its_mean() -> None:
    truth, probabilities = answered(0)
    scores = scores_from_probabilities(truth, probabilities, LABELS)
    areas = [metrics.roc_auc_score(truth == number, probabilities[:, number]) for number in np.unique(truth)]
    assert [row.auc for row in scores.per_class] == pytest.approx(areas)
    assert scores.auc == pytest.approx(np.mean(areas))


@pytest.mark.parametrize("classes", [2, 7, 21])
def test_the_two_most_probable_hold_the_answer_also_where_many_are_equally_probable(classes: int) -> None:
    probabilities = np.random.default_rng(0).integers(1, 4, (500, classes)).astype(np.float64)
    answers = probabilities.argmax(1)
    assert scores_from_probabilities(answers, probabilities, [str(n) for n in range(classes)]).top2 == 1.0


def test_confusion_is_scikit_learns_with_rows_the_truth() -> None:
    truth, probabilities = answered(1)
    expected = metrics.confusion_matrix(truth, probabilities.argmax(1), labels=range(CLASSES))
    scores = scores_from_probabilities(truth, probabilities, LABELS)
    assert np.array_equal(scores.confusion, expected)


def test_a_single_class_has_neither_auc_nor_specificity() -> None:
    scores = scores_from_probabilities(np.array([1, 1]), np.array([[0.2, 0.8], [0.9, 0.1]]), ("a", "b"))
    assert scores.auc is None and scores.specificity is None
    assert row_of("b", scores.per_class) == ClassScores("b", 2, 0.5, None, 1.0, pytest.approx(2 / 3), None)


def test_a_class_that_is_never_answered_has_precision_zero() -> None:
    scores = scores_from_probabilities(np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]]), ("a", "b"))
    assert row_of("b", scores.per_class).precision == 0
    assert row_of("b", scores.per_class).f1 == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_count_as_copies(seed: int) -> None:
    truth, probabilities = answered(seed)
    answers = probabilities.argmax(1)
    copies = np.random.default_rng(seed).integers(0, 4, len(truth))
    weighted = confusion_from_answers(truth, answers, CLASSES, copies.astype(np.float64))
    repeated = confusion_from_answers(np.repeat(truth, copies), np.repeat(answers, copies), CLASSES)
    assert np.array_equal(weighted, repeated)
    assert macro_f1(truth, answers, copies.astype(np.float64)) == pytest.approx(
        macro_f1(np.repeat(truth, copies), np.repeat(answers, copies))
    )


def test_f1_leaves_out_classes_without_truth() -> None:
    confusion = np.array([[2.0, 0, 1], [0, 3, 0], [0, 0, 0]])
    assert f1_from_confusion(confusion) == pytest.approx([0.8, 1.0])


def interval(
    right: NDArray[np.bool_], patients: Sequence[str], seed: int = 0, draws: int = DRAWS
) -> tuple[float, float]:
    """Of the accuracy."""
    return interval_by_patient(lambda weights: float(np.average(right, weights=weights)), patients, seed, draws)


def test_interval_covers_the_true_figure_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    ends = [interval(rng.random(120) < 0.8, [f"p{image}" for image in range(120)], draws=200) for _ in range(60)]
    covered = sum(low <= 0.8 <= high for low, high in ends)
    assert covered >= 51  # of 60 at 95 %: fewer with a probability of 0.2 %


def test_interval_by_patient_is_wider_where_a_patients_images_are_alike() -> None:
    right = np.repeat(np.random.default_rng(0).random(20) < 0.7, 10)  # all ten images of a patient right, or all wrong
    by_patient = interval(right, [f"p{image // 10}" for image in range(200)])
    by_image = interval(right, [f"p{image}" for image in range(200)])
    assert np.ptp(by_patient) > 2 * np.ptp(by_image)


def test_images_without_a_patient_are_patients_of_their_own() -> None:
    right = np.random.default_rng(1).random(50) < 0.7
    assert np.ptp(interval(right, [""] * 50)) == pytest.approx(np.ptp(interval(right, list(map(str, range(50))))), 0.2)
    assert np.ptp(interval(right, ["one patient"] * 50)) == 0


def test_seed_repeats_and_matters() -> None:
    right, patients = np.random.default_rng(2).random(40) < 0.6, [f"p{image // 2}" for image in range(40)]
    assert interval(right, patients, seed=3) == interval(right, patients, seed=3)
    assert interval(right, patients, seed=3) != interval(right, patients, seed=4)
