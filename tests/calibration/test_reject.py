"""What the reject answer could do, on probabilities chosen so that every figure can be told beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.reject import (
    RejectAt,
    acceptance_score,
    coverage_intervals,
    reject_at,
    separations,
)
from calibration.reports.absent import Absent
from tests.calibration.evaluations import Shown, evaluation_from_shown, sure

RIGHT = [sure("abdomen", 0, 0.5 + 0.02 * number, patient=f"p{number}") for number in range(20)]  # 0.50 .. 0.88
NONE = [sure("other", 1, probability, patient=f"q{probability}") for probability in (0.45, 0.51, 0.6, 0.9)]
CERVIX = [sure("cervix", 1, 0.45, patient="r")]


def test_the_threshold_keeps_the_share_and_the_refusals_are_counted_below_it() -> None:
    found = reject_at(evaluation_from_shown([*RIGHT, *NONE, *CERVIX]))
    assert isinstance(found, RejectAt)
    assert found.threshold == pytest.approx(0.52)  # one of twenty lies below
    assert (found.kept, found.correct) == (0.95, 20)
    assert [(row.label, row.n, row.refused) for row in found.refusals] == [
        ("all", 5, 0.6),
        ("cervix", 1, 1.0),
        ("other", 4, 0.5),
    ]


def test_wrong_planes_do_not_move_the_threshold() -> None:
    wrong = [sure("femur", 0, 0.34 + 0.01 * number) for number in range(10)]
    found = reject_at(evaluation_from_shown([*RIGHT, *NONE, *wrong]))
    assert isinstance(found, RejectAt)
    assert (found.threshold, found.correct) == (pytest.approx(0.52), 20)


def test_the_interval_draws_patients_and_holds_the_figure() -> None:
    found = reject_at(evaluation_from_shown([*RIGHT, *NONE]))
    assert isinstance(found, RejectAt)
    low, high = found.refusals[0].refused_interval
    assert low < 0.5 < high


def test_an_image_refused_at_any_threshold_has_score_zero() -> None:
    rejected = Shown("other", (0.3, 0.2, 0.5))
    unfit = Shown("abdomen", (0.98, 0.01, 0.01), unfit="black")
    scores = acceptance_score(evaluation_from_shown([rejected, unfit, sure("abdomen", 0, 0.9)]))
    assert scores == pytest.approx([0, 0, 0.9], abs=1e-6)


def test_without_a_threshold_the_score_is_still_the_probability() -> None:
    scores = acceptance_score(evaluation_from_shown([sure("abdomen", 0, 0.9)], threshold=None))
    assert scores == pytest.approx([0.9])


def test_planes_that_are_refused_whatever_the_threshold_make_it_unreachable() -> None:
    lost = [Shown("abdomen", (0.4, 0.1, 0.5))] * 2
    found = reject_at(evaluation_from_shown([*RIGHT, *lost, *NONE]))
    assert isinstance(found, Absent)
    assert "9.1%" in found.absent


def test_without_images_of_no_plane_or_right_answers_there_is_no_figure() -> None:
    assert isinstance(reject_at(evaluation_from_shown(RIGHT)), Absent)
    assert isinstance(separations(evaluation_from_shown(RIGHT)), Absent)
    assert isinstance(reject_at(evaluation_from_shown([sure("abdomen", 1, 0.9), *NONE])), Absent)


def test_planes_are_told_from_what_is_none_by_the_acceptance_score() -> None:
    rows = separations(evaluation_from_shown([sure("abdomen", 0, 0.9), sure("femur", 1, 0.5), *CERVIX, *CERVIX]))
    assert not isinstance(rows, Absent)
    (row,) = rows
    assert (row.positive, row.negative, row.positives, row.negatives, row.auc) == ("planes", "no plane", 2, 2, 1.0)


def test_standard_images_are_told_from_non_standard_ones_by_the_probability_of_their_plane() -> None:
    planes = ("abdomen", "profile_standard")
    good = [sure("profile_standard", 1, probability) for probability in (0.9, 0.8, 0.6)]
    bad = [sure("profile_nonstandard", 1, 0.7), sure("profile_nonstandard", 0, 0.9)]
    rows = separations(evaluation_from_shown([*good, *bad, sure("abdomen", 0, 0.9)], planes=planes))
    assert not isinstance(rows, Absent)
    assert (rows[1].positive, rows[1].negative) == ("profile_standard", "profile_nonstandard")
    assert (rows[1].positives, rows[1].negatives, rows[1].auc) == (3, 2, pytest.approx(5 / 6))


def test_coverage_has_an_interval_for_each_share_that_there_is() -> None:
    evaluation = evaluation_from_shown([*RIGHT, *NONE])
    found = coverage_intervals(evaluation)
    for name in ("accepted", "refused"):
        low, high = found[name]
        assert low < getattr(evaluation.coverage, name) < high
    assert found["accuracy_accepted"] == (1.0, 1.0)
    assert "refused" not in coverage_intervals(evaluation_from_shown(RIGHT))


def test_nothing_is_accepted_without_a_threshold_and_coverage_says_so() -> None:
    found = coverage_intervals(evaluation_from_shown(RIGHT, threshold=None))
    assert found == {"accepted": (0.0, 0.0)}
    assert not np.isnan(found["accepted"]).any()
