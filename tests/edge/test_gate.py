from __future__ import annotations

import numpy as np

from edge.gate import errors_from_logits, scale_from_logits

REFERENCE = np.array([[1.0, -1.0], [3.0, -3.0]], np.float32)


def test_equal_logits_have_no_error() -> None:
    assert errors_from_logits(REFERENCE, REFERENCE, scale_from_logits(REFERENCE)).tolist() == [0.0, 0.0]


def test_a_shift_that_the_softmax_does_not_see_is_no_error() -> None:
    assert errors_from_logits(REFERENCE + 7, REFERENCE, scale_from_logits(REFERENCE)).max() < 1e-6


def test_the_error_is_relative_to_all_frames() -> None:
    errors = errors_from_logits(REFERENCE * 1.1, REFERENCE, scale_from_logits(REFERENCE))
    np.testing.assert_allclose(errors, [0.1 / np.sqrt(5), 0.3 / np.sqrt(5)], rtol=1e-5)


def test_an_answer_that_is_not_finite_is_infinitely_wrong() -> None:
    wrong = np.array([[np.nan, 0.0], [np.inf, 0.0]], np.float32)
    assert np.isposinf(errors_from_logits(wrong, REFERENCE, 1.0)).all()
