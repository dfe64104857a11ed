"""Rows by scanner and by operator."""

from __future__ import annotations

import pytest

from calibration.reports.absent import Absent
from calibration.reports.groups import rows_by_machine, rows_by_operator
from tests.calibration.evaluations import evaluation_from_shown, sure

ROWS = [
    *(sure("abdomen", 0, 0.9, patient=f"p{number}", machine="A", operator="Op. 1") for number in range(8)),
    *(sure("femur", 1, 0.5, patient=f"q{number}", machine="A", operator="Op. 2") for number in range(2)),
    *(sure("femur", 0, 0.9, patient="r", machine="B") for _ in range(2)),
    sure("abdomen", 0, 0.9),
    sure("other", 0, 0.9, machine="C"),
]


def test_a_row_a_scanner_over_the_plane_images_and_the_unnamed_last() -> None:
    rows = rows_by_machine(evaluation_from_shown(ROWS))
    assert not isinstance(rows, Absent)
    assert [(row.name, row.n, row.patients, row.classes) for row in rows] == [
        ("A", 10, 10, 2),
        ("B", 2, 1, 1),
        ("unknown", 1, 1, 1),
    ]
    assert [(row.accuracy, row.accepted) for row in rows] == [(1.0, 0.8), (0.0, 1.0), (1.0, 1.0)]
    assert rows[0].macro_f1 == 1.0


def test_rows_of_fewer_than_ten_images_are_marked() -> None:
    rows = rows_by_machine(evaluation_from_shown(ROWS))
    assert not isinstance(rows, Absent)
    assert [row.few for row in rows] == [False, True, True]


def test_intervals_hold_their_figures() -> None:
    rows = rows_by_operator(evaluation_from_shown(ROWS))
    assert not isinstance(rows, Absent)
    unknown = next(row for row in rows if row.name == "unknown")
    assert unknown.accuracy == pytest.approx(1 / 3)
    assert unknown.accuracy_interval[0] <= 1 / 3 <= unknown.accuracy_interval[1]
    assert unknown.accepted_interval == (1.0, 1.0)


def test_a_table_without_the_column_says_so() -> None:
    found = rows_by_operator(evaluation_from_shown([sure("abdomen", 0, 0.9, machine="A")]))
    assert isinstance(found, Absent)
    assert "operator" in found.absent
