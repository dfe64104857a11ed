"""Keys are equal or not; nothing is guessed."""

from __future__ import annotations

import pytest

from edge.exam_keys import Destination, ExamKey, destination_from_key, key_from_texts


def test_padding_is_no_difference() -> None:
    assert key_from_texts("P1 ", "1.2.3\0") == ExamKey("P1", "1.2.3")


def test_two_empty_texts_are_no_key() -> None:
    assert key_from_texts(" ", "\0") is None


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (ExamKey("P1", "1.2"), Destination.HERE),
        (None, Destination.HERE),
        (ExamKey("P1", ""), Destination.ANOTHER),
        (ExamKey("", "1.2"), Destination.ANOTHER),
        (ExamKey("p1", "1.2"), Destination.ANOTHER),
    ],
)
def test_a_frame_goes_where_its_key_says(key: ExamKey | None, expected: Destination) -> None:
    assert destination_from_key(ExamKey("P1", "1.2"), key) is expected


def test_ids_that_are_too_long_stay_apart() -> None:
    first, second = (key_from_texts("P" * 70 + end, "") for end in "ab")
    assert first is not None
    assert first != second
    assert len(first.patient) == 64
