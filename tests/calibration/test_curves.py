"""ROC, calibration and coverage curves on answers whose curves are known."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.reports.absent import Absent
from calibration.reports.curves import (
    BINS,
    Calibration,
    CoverageCurve,
    calibration_from_answers,
    coverage_curve,
    roc_curves,
)


def calibrated(images: int, shift: float = 0.0) -> Calibration:
    """Of a model that is right as often as it says, or by `shift` less often."""
    rng = np.random.default_rng(0)
    probability = rng.uniform(0.4, 1.0, images)
    right = rng.random(images) < probability - shift
    found = calibration_from_answers(right, probability, [f"p{i}" for i in range(images)])
    assert isinstance(found, Calibration)
    return found


def test_roc_runs_from_corner_to_corner_for_every_plane_that_occurs() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    curves = roc_curves(np.array([0, 0, 1, 1]), probabilities, ("a", "b", "c"))
    assert not isinstance(curves, Absent)
    assert [curve.label for curve in curves] == ["a", "b"]
    for curve in curves:
        assert (curve.false_positive[0], curve.true_positive[0]) == (0, 0)
        assert (curve.false_positive[-1], curve.true_positive[-1]) == (1, 1)


def test_a_single_plane_has_no_roc_curve() -> None:
    assert isinstance(roc_curves(np.array([1, 1]), np.array([[0.5, 0.5], [0.1, 0.9]]), ("a", "b")), Absent)


def test_bins_hold_equally_many_images_in_the_order_of_their_probability() -> None:
    bins = calibrated(205).bins
    assert len(bins) == BINS
    assert {one.n for one in bins} == {20, 21}
    assert [one.probability for one in bins] == sorted(one.probability for one in bins)
    assert all(one.right_interval[0] <= one.right <= one.right_interval[1] for one in bins)


def test_the_error_of_a_calibrated_model_is_what_is_foretold_for_one() -> None:
    found = calibrated(2000)
    assert found.ece == pytest.approx(found.ece_if_perfect, abs=0.015)


def test_the_error_of_a_model_that_is_too_sure_is_by_how_much() -> None:
    found = calibrated(4000, shift=0.3)
    assert found.ece == pytest.approx(0.3, abs=0.03)
    assert found.ece > 5 * found.ece_if_perfect


def test_few_images_make_fewer_bins_and_very_few_none() -> None:
    assert len(calibrated(34).bins) == 3
    absent = calibration_from_answers(np.ones(19, bool), np.full(19, 0.9), [""] * 19)
    assert isinstance(absent, Absent)
    assert "19" in absent.absent


def test_coverage_accepts_the_surest_first() -> None:
    score = np.linspace(0.99, 0.5, 40)
    right = np.arange(40) < 30
    curve = coverage_curve(right, score, np.array([0.9, 0.4]))
    assert isinstance(curve, CoverageCurve)
    assert (curve.accepted[0], curve.accuracy[0]) == (0.25, 1.0)
    assert (curve.accepted[-1], curve.accuracy[-1]) == (1.0, 0.75)
    assert list(curve.threshold) == sorted(curve.threshold, reverse=True)
    assert (curve.refused[0], curve.refused[-1]) == (0.5, 0.5)  # one of the two lies below every drawn threshold


def test_images_that_no_threshold_accepts_stay_refused() -> None:
    score = np.concatenate([np.zeros(10), np.linspace(0.5, 0.9, 30)])
    curve = coverage_curve(np.ones(40, bool), score, np.empty(0))
    assert isinstance(curve, CoverageCurve)
    assert (curve.accepted[-1], curve.refused) == (0.75, ())


def test_too_few_accepted_images_make_no_coverage_curve() -> None:
    assert isinstance(coverage_curve(np.ones(9, bool), np.linspace(0.5, 0.9, 9), np.empty(0)), Absent)


def test_images_of_equal_probability_give_the_same_bins_in_any_order() -> None:
    right, probability = np.arange(100) < 90, np.full(100, 0.9)  # as in a table whose wrong images stand last
    found = calibration_from_answers(right, probability, [f"p{image}" for image in range(100)])
    assert isinstance(found, Calibration)
    assert found.ece == pytest.approx(0, abs=1e-12)
    assert [(one.n, one.right) for one in found.bins] == [(10, pytest.approx(0.9))] * BINS
    mixed = np.concatenate([np.full(50, 0.5), probability])
    patients = [""] * 150
    ends = [
        calibration_from_answers(np.concatenate([np.arange(50)[::step] < 20, right[::step]]), mixed, patients)
        for step in (1, -1)
    ]
    assert isinstance(ends[0], Calibration) and isinstance(ends[1], Calibration)
    assert ends[0].ece == pytest.approx(ends[1].ece)
