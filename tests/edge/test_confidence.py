"""Three steps, relative to the bundle's threshold."""

from __future__ import annotations

import pytest

from edge.confidence import step_from_probability


@pytest.mark.parametrize(
    ("probability", "threshold", "step"),
    [(0.59, 0.6, "low"), (0.6, 0.6, "medium"), (0.79, 0.6, "medium"), (0.8, 0.6, "high"), (1.0, 1.0, "high")],
)
def test_a_step_is_relative_to_the_threshold(probability: float, threshold: float, step: str) -> None:
    assert step_from_probability(probability, threshold) == step


def test_without_a_threshold_there_is_no_step() -> None:
    assert step_from_probability(0.999, None) is None
