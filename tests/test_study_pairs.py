"""What the study says of two rows: the difference of their figures, and nothing where a side is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sklearn.metrics import f1_score

from calibration.evaluate import Evaluation
from tests.calibration.evaluations import evaluation_from_shown, sure
from tests.study.paired import SCAN, TEACHERS, best_comparator, gain, gains, shipped_pairs

TRUTH = [("abdomen", 0), ("femur", 1)] * 10


def answered(wrong: int, parameters: int = 4_000_000) -> Evaluation:
    """Twenty images of ten patients, the first ones answered with the other plane; and one that is none."""
    rows = [
        sure(label, 1 - plane if number < wrong else plane, 0.8, patient=f"P{number // 2}")
        for number, (label, plane) in enumerate(TRUTH)
    ]
    made = evaluation_from_shown([*rows, sure("cervix", 0, 0.9, patient="P10")])
    return replace(made, manifest=replace(made.manifest, model=replace(made.manifest.model, parameters=parameters)))


def f1(*wrong: int) -> float:
    truth = [plane for _, plane in TRUTH]
    scores = [
        f1_score(truth, [1 - p if n < count else p for n, p in enumerate(truth)], average="macro") for count in wrong
    ]
    return 100 * float(sum(scores)) / len(wrong)


def test_a_gain_is_the_difference_of_the_means_over_seeds() -> None:
    points, (low, high) = gain([answered(1), answered(2)], [answered(5), answered(8)])
    assert points == pytest.approx(f1(1, 2) - f1(5, 8))
    assert low <= points <= high and low < high


def test_a_row_against_itself_gains_nothing() -> None:
    assert gain([answered(4)], [answered(4)]) == (0.0, (0.0, 0.0))


def test_teachers_and_scan_are_told_apart_over_the_seeds_that_both_sides_have() -> None:
    counts = {"edge_n-0": 4, "edge_n-1": 3, "edge_n-kd-0": 2, "edge_n-kd-1": 2, "edge_n-kd-2": 1, "edge_n_noscan-0": 6}
    found = gains({name: answered(wrong) for name, wrong in counts.items()})
    told = [(pair["change"], pair["row"], pair["other"], pair["seeds"]) for pair in found]
    assert told == [(TEACHERS, "edge_n-kd", "edge_n", [0, 1]), (SCAN, "edge_n", "edge_n_noscan", [0])]
    assert found[0]["points"] == pytest.approx(f1(2, 2) - f1(4, 3), abs=0.01)
    assert gains({"edge_n-ships-0": answered(0), "edge_n-kd-vmamba-0": answered(0)}) == []


def test_the_best_comparator_is_somebody_elses_of_at_most_30_million_parameters() -> None:
    rows = {"resnet18-0": answered(5), "resnet50-0": answered(3), "swin_tiny-0": answered(1, 40_000_000)}
    rows |= {"efficientnet_lite0-imagenet-0": answered(0), "resnet18-kd-0": answered(2), "resnet50-1": answered(0)}
    rows |= {"edge_n-ships-0": answered(1), "vmamba_t-0": answered(0)}
    assert (best_comparator(rows, ""), best_comparator(rows, "-kd")) == ("resnet50-0", "resnet18-kd-0")
    pairs = shipped_pairs(rows)
    assert [(pair["ours"], pair["other"]) for pair in pairs] == [
        ("edge_n-ships-0", "resnet50-0"),
        ("edge_n-ships-0", "resnet18-kd-0"),
    ]
    assert pairs[0]["points"] == pytest.approx(f1(1) - f1(3), abs=0.01)
    assert shipped_pairs({"edge_n-ships-0": answered(1)}) == []
