"""Out-of-fold predictions: decided by their own fold, pooled, and counted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from calibration.dataset import Dataset, Sample
from compile.training.crossval.answers import Answers
from compile.training.crossval.folds import Fold
from compile.training.crossval.out_of_fold import (
    csv_from_predictions,
    decision_from_fold,
    figures,
    joined,
    predictions_from_fold,
)
from edge.decision import Decision

LABELS = ("abdomen", "femur", "not_standard")
TESTED = [  # label, logits, machine
    ("abdomen", (6.0, 0.0, 0.0), "Aloka"),  # right and sure
    ("abdomen", (0.6, 0.0, 0.5), "Aloka"),  # right, below the threshold
    ("femur", (6.0, 0.0, 0.0), "S10"),  # wrong and sure
    ("femur", (0.0, 2.0, 6.0), "S10"),  # right plane, but rather none
    ("cervix", (0.0, 0.0, 6.0), "Aloka"),  # refused
    ("cervix", (0.0, 6.0, 0.0), "S10"),  # taken for a plane
]
DECISION = Decision(temperature=1.0, threshold=0.5, n=40, kept=0.9, method="given")


def fold_of(number: int, val: int = 0) -> tuple[Fold, Answers]:
    """A fold with these test images, and val images that are all answered rightly."""
    tested = [
        Sample(f"{number}-{i}.png", label, "test", f"p{number}-{i}", machine)
        for i, (label, _, machine) in enumerate(TESTED)
    ]
    held = [Sample(f"{number}-v{i}.png", LABELS[i % 2], "val", f"v{number}-{i}") for i in range(val)]
    sure = [tuple(4.0 * (k == i % 2) for k in range(3)) for i in range(val)]
    logits = np.array([*sure, *(logits for _, logits, _ in TESTED)], np.float32)
    return Fold(number, str(number), Dataset(Path(), (*held, *tested))), Answers(LABELS, LABELS[2:], False, logits)


def test_scores_are_over_planes_and_shares_over_answers() -> None:
    counted = figures(predictions_from_fold(*fold_of(1), DECISION))
    assert (counted["images"], counted["patients"], counted["n"]) == (6, 6, 4)
    assert counted["accuracy"] == 0.75 and counted["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    shares = counted["coverage"]
    assert (shares["accepted"], shares["accuracy_accepted"]) == (0.5, 0.5)
    assert (shares["right_kept"], shares["refused"], shares["refused_n"]) == (pytest.approx(1 / 3), 0.5, 2)
    assert all(low <= shares[name] <= high for name, (low, high) in shares["intervals"].items())


def test_a_group_without_a_plane_has_no_scores() -> None:
    counted = figures(predictions_from_fold(*fold_of(1), DECISION).where(lambda sample, _: sample.label == "cervix"))
    assert "macro_f1" not in counted
    assert (counted["coverage"]["accepted"], counted["coverage"]["refused"]) == (None, 0.5)


def test_each_fold_is_decided_by_its_own_val_images() -> None:
    few, many = (decision_from_fold(*fold_of(1, val)) for val in (20, 60))
    assert few.threshold is None and few.n == 20
    assert many.threshold is not None and many.n == 60
    assert many.temperature == 1  # never wrong: that makes no answer surer
    none = figures(predictions_from_fold(*fold_of(1, 20), few))
    assert none["coverage"]["accepted"] == 0 and none["accuracy"] == 0.75


def test_folds_are_pooled_with_a_row_an_image() -> None:
    pooled = joined([predictions_from_fold(*fold_of(number), DECISION) for number in (1, 2)])
    rows = list(csv.DictReader(io.StringIO(csv_from_predictions(pooled).decode())))
    assert [row["fold"] for row in rows] == ["1"] * 6 + ["2"] * 6
    assert rows[3]["plane"] == "femur" and (rows[3]["answer"], rows[3]["accepted"]) == ("not_standard", "0")
    assert sum(float(rows[0][label]) for label in LABELS) == pytest.approx(1, abs=1e-5)
    assert figures(pooled)["n"] == 8
