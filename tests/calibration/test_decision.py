"""Temperature and threshold of an engine, from logits whose true temperature is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.decision import KEPT, MIN_IMAGES, decision_from_logits
from edge.decision import NOT_MEASURED
from edge.errors import GateError
from edge.postprocess import prediction_from_logits, probabilities_from_logits

LABELS = ("abdomen", "femur", "thorax", "not_standard")
REJECT = ("not_standard",)


def drawn(images: int, sharpness: float = 1.0, seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Logits, and plane labels drawn from their softmax; `sharpness` then multiplies the logits."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(images, len(LABELS)))
    logits[:, LABELS.index("not_standard")] = -9
    chances = probabilities_from_logits(logits.astype(np.float32), 1.0)
    truth = [LABELS[rng.choice(len(LABELS), p=row)] for row in chances]
    return (sharpness * logits).astype(np.float32), truth


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_temperature_undoes_over_and_underconfidence(sharpness: float) -> None:
    logits, truth = drawn(3000, sharpness)
    assert decision_from_logits(logits, truth, LABELS, REJECT).temperature == pytest.approx(sharpness, rel=0.1)


def test_images_without_a_wrong_answer_make_no_answer_more_certain() -> None:
    logits, _ = drawn(100)
    truth = [LABELS[answer] for answer in logits.argmax(1)]
    assert decision_from_logits(logits, truth, LABELS, REJECT).temperature == 1.0
    truth[0] = next(label for label in LABELS[:3] if label != truth[0])
    assert decision_from_logits(10 * logits, truth, LABELS, REJECT).temperature > 1.0


def test_threshold_keeps_the_share_of_right_answers_that_it_says() -> None:
    logits, truth = drawn(500)
    decision = decision_from_logits(logits, truth, LABELS, REJECT)
    answers = [prediction_from_logits(row, LABELS, REJECT, decision) for row in logits]
    right = [answer.accepted for answer, label in zip(answers, truth, strict=True) if answer.plane == label]
    assert np.mean(right) == pytest.approx(KEPT, abs=1 / len(right))


def test_kept_is_the_share_of_plane_images_that_the_device_accepts() -> None:
    logits, truth = drawn(500)
    logits[:25, LABELS.index("not_standard")] = 30
    decision = decision_from_logits(logits, truth, LABELS, REJECT)
    accepted = [
        prediction_from_logits(row, LABELS, REJECT, decision).accepted
        for row, label in zip(logits, truth, strict=True)
        if label not in REJECT
    ]
    assert decision.n == len(accepted)
    assert decision.kept == pytest.approx(np.mean(accepted))


def test_images_of_other_labels_do_not_count() -> None:
    logits, truth = drawn(200)
    others = np.random.default_rng(9).normal(size=(50, 4)).astype(np.float32)
    mixed = decision_from_logits(
        np.vstack([logits, others]), [*truth, *["cervix", "not_standard"] * 25], LABELS, REJECT
    )
    assert mixed == decision_from_logits(logits, truth, LABELS, REJECT)


def test_too_few_right_answers_give_no_threshold_and_say_so() -> None:
    logits, truth = drawn(MIN_IMAGES - 1)
    decision = decision_from_logits(logits, truth, LABELS, REJECT)
    assert (decision.threshold, decision.kept, decision.n) == (None, None, MIN_IMAGES - 1)
    assert "no threshold" in decision.method


def test_no_labelled_image_measures_nothing() -> None:
    logits, _ = drawn(5)
    assert decision_from_logits(logits, ["cervix", "", "not_standard", "x", "y"], LABELS, REJECT) == NOT_MEASURED


def test_an_answer_that_is_no_number_is_refused() -> None:
    logits, truth = drawn(40)
    logits[7, 1] = np.nan
    with pytest.raises(GateError, match="on 1 of 40 images"):
        decision_from_logits(logits, truth, LABELS, REJECT)
