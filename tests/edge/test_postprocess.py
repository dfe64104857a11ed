from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decision import NOT_MEASURED, Decision
from edge.postprocess import prediction_from_logits, probabilities_from_logits

LABELS, REJECT = ("abdomen", "femur", "not_standard"), ("not_standard",)
DECISION = Decision(temperature=1.0, threshold=0.6, n=100, kept=0.9, method="test")


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8), st.floats(0.1, 10))
def test_probabilities_add_up_and_keep_the_order(logits: list[float], temperature: float) -> None:
    probabilities = probabilities_from_logits(np.array(logits, np.float32), temperature)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[np.argmax(logits)] == probabilities.max()


def test_a_higher_temperature_is_less_sure() -> None:
    logits = np.array([2.0, 0.0], np.float32)
    assert probabilities_from_logits(logits, 2.0)[0] < probabilities_from_logits(logits, 1.0)[0]


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3))
def test_the_plane_is_never_a_reject_label(logits: list[float]) -> None:
    prediction = prediction_from_logits(np.array(logits, np.float32), LABELS, REJECT, DECISION)
    assert prediction.plane in ("abdomen", "femur")
    assert prediction.top[0] == (prediction.plane, prediction.probability)
    assert prediction.accepted == (prediction.answer == prediction.plane)


@pytest.mark.parametrize(
    ("logits", "decision", "unfit", "answer"),
    [
        ([4.0, 0.0, 0.0], DECISION, None, "abdomen"),
        ([0.1, 0.0, 0.0], DECISION, None, "not_standard"),
        ([0.0, 0.0, 4.0], DECISION, None, "not_standard"),
        ([4.0, 0.0, 0.0], NOT_MEASURED, None, "not_covered"),
        ([4.0, 0.0, 0.0], DECISION, "blank: no contrast", "not_covered"),
    ],
)
def test_the_answer_follows_the_rules(logits: list[float], decision: Decision, unfit: str | None, answer: str) -> None:
    prediction = prediction_from_logits(np.array(logits, np.float32), LABELS, REJECT, decision, unfit)
    assert (prediction.answer, prediction.accepted) == (answer, answer == "abdomen")
    assert prediction.reason


def test_the_probability_counts_reject_labels_in() -> None:
    prediction = prediction_from_logits(np.zeros(3, np.float32), LABELS, REJECT, DECISION)
    assert prediction.probability == pytest.approx(1 / 3)


@pytest.mark.parametrize("logits", [[np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0], [np.nan, np.nan, np.nan]])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_an_answer_that_is_no_number_is_never_accepted(logits: list[float]) -> None:
    """Bug: a comparison with NaN is false, and what was not below the threshold was accepted."""
    prediction = prediction_from_logits(np.array(logits, np.float32), LABELS, REJECT, DECISION)
    assert (prediction.answer, prediction.accepted) == ("not_covered", False)
