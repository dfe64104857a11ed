"""Which images the gallery shows."""

from __future__ import annotations

from calibration.reports.mistakes import mistakes_from_evaluation
from tests.calibration.evaluations import evaluation_from_shown, sure

ROWS = [
    sure("abdomen", 0, 0.99),
    sure("femur", 0, 0.7, machine="A"),
    sure("femur", 0, 0.95),
    sure("abdomen", 1, 0.5),
    sure("other", 1, 0.8),
    sure("other", 1, 0.5),
]


def test_wrong_planes_and_accepted_images_of_no_plane_the_surest_first() -> None:
    found = mistakes_from_evaluation(evaluation_from_shown(ROWS))
    assert [mistake.file for mistake in found] == ["2.png", "4.png", "1.png", "3.png"]


def test_a_mistake_that_the_device_refuses_is_marked() -> None:
    found = mistakes_from_evaluation(evaluation_from_shown(ROWS))
    assert [mistake.refused for mistake in found] == [False, False, False, True]
    assert found[-1].answer == "not_standard"
    assert "below the threshold" in found[-1].reason


def test_a_mistake_says_what_it_was_taken_for_and_where_it_comes_from() -> None:
    mistake = mistakes_from_evaluation(evaluation_from_shown(ROWS))[2]
    assert (mistake.label, mistake.plane, mistake.answer, mistake.machine) == ("femur", "abdomen", "abdomen", "A")
