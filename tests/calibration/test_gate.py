"""What trips the accuracy gate, and what does not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.gate import MIN_TOLERANCE, check_passed, gate_from_logits
from edge.errors import GateError
from edge.manifest import Gate

LABELS = ("abdomen", "femur", "thorax", "not_standard")
REJECT = ("not_standard",)
IMAGES = 300


def confident() -> tuple[NDArray[np.float32], list[str]]:
    """Logits of a float model that is always right, over three planes in turn."""
    numbers = np.arange(IMAGES) % 3
    noise = np.random.default_rng(0).normal(size=(IMAGES, len(LABELS)))
    return (10 * np.eye(len(LABELS))[numbers] + noise).astype(np.float32), [LABELS[number] for number in numbers]


def with_flips(logits: NDArray[np.float32], count: int, to: int) -> NDArray[np.float32]:
    """The same logits with another arg max on some images that are evenly spread."""
    flipped: NDArray[np.float32] = logits.copy()
    rows = [row for row in range(IMAGES) if row % 3 != to][:count]
    flipped[rows, to] = 30
    return flipped


def gate_of(engine: NDArray[np.float32]) -> Gate:
    reference, truth = confident()
    return gate_from_logits(reference, engine, truth, LABELS, REJECT)


def test_an_engine_that_answers_alike_passes() -> None:
    reference, _ = confident()
    gate = gate_of(reference + np.float32(0.01))
    check_passed(gate)
    assert (gate.n, gate.assessed, gate.f1_float, gate.drop, gate.agreement) == (IMAGES, True, 1.0, 0.0, 1.0)


def test_a_drop_of_macro_f1_trips_it() -> None:
    gate = gate_of(with_flips(confident()[0], count=2, to=1))
    assert gate.drop == pytest.approx(0.67, abs=0.01)
    with pytest.raises(
        GateError, match=r"lost 0\.67 points of macro-F1 on the plane images among 300; 0\.30 are allowed"
    ):
        check_passed(gate)


def test_the_allowed_drop_is_the_callers() -> None:
    check_passed(gate_of(with_flips(confident()[0], count=2, to=1)), max_drop=1.0)


@pytest.mark.parametrize(("flips", "passes"), [(3, True), (4, False)])
def test_less_than_99_percent_agreement_trips_it_without_any_drop(flips: int, passes: bool) -> None:
    reference, truth = confident()
    engine = with_flips(reference, flips, to=3)  # the reject label: macro-F1 over the planes stays as it is
    gate = gate_from_logits(reference, engine, truth, LABELS, REJECT)
    assert (gate.drop, gate.agreement) == (0.0, pytest.approx(1 - flips / IMAGES))
    if passes:
        check_passed(gate)
    else:
        with pytest.raises(GateError, match="agrees with the float model"):
            check_passed(gate)


def test_an_engine_that_gained_accuracy_passes() -> None:
    reference, truth = confident()
    gate = gate_from_logits(with_flips(reference, 2, to=1), reference, truth, LABELS, REJECT)
    check_passed(gate)
    assert gate.drop == pytest.approx(-0.67, abs=0.01)


def test_without_known_labels_only_agreement_is_judged() -> None:
    reference, _ = confident()
    gate = gate_from_logits(reference, reference, [""] * IMAGES, LABELS, REJECT)
    check_passed(gate)
    assert (gate.assessed, gate.f1_float, gate.f1_engine, gate.drop) == (False, None, None, None)


def test_images_of_no_plane_count_for_agreement_only() -> None:
    reference, truth = confident()
    truth[:100] = ["cervix"] * 100
    gate = gate_from_logits(reference, with_flips(reference, 2, to=1), truth, LABELS, REJECT)
    assert (gate.drop, gate.agreement) == (0.0, pytest.approx(298 / 300))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("broken", [0, 1])
def test_one_answer_that_is_no_number_trips_it_on_either_side(value: float, broken: int) -> None:
    logits = [confident()[0], confident()[0]]
    logits[broken][5, 2] = value
    with pytest.raises(GateError, match="on 1 of 300 images"):
        gate_from_logits(logits[0], logits[1], confident()[1], LABELS, REJECT, skipped=True)


def test_tolerance_of_a_load_is_twice_the_worst_frame_but_never_below_rounding() -> None:
    reference, _ = confident()
    shaken = reference + np.random.default_rng(1).normal(size=reference.shape).astype(np.float32)
    assert gate_of(reference).tolerance == MIN_TOLERANCE
    assert gate_of(shaken).tolerance > 10 * MIN_TOLERANCE


def test_a_gate_that_is_switched_off_still_records_its_figures() -> None:
    reference, truth = confident()
    gate = gate_from_logits(reference, with_flips(reference, 50, to=1), truth, LABELS, REJECT, skipped=True)
    assert gate.skipped and gate.drop is not None and gate.drop > 1
