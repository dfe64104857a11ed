"""Pieces of HTML."""

from __future__ import annotations

import pytest

from calibration.reports.markup import NOTHING, Row, interval, pairs, share, share_within, table


def test_whatever_stands_in_a_table_is_text() -> None:
    found = table(("<a>", 'n"'), [Row(("<b>", "&"), "few")], "<c>")
    assert "&lt;a&gt;" in found and "&lt;b&gt;" in found and "&lt;c&gt;" in found and "&amp;" in found
    assert "<b>" not in found
    assert '<tr class="few">' in found


def test_an_interval_stands_below_its_figure() -> None:
    assert "<td>0.500 <small>[0.400, 0.600]</small></td>" in table(("a", "b"), [Row(("x", "0.500 [0.400, 0.600]"))])


def test_names_with_brackets_stay_in_their_place() -> None:
    assert '<th scope="row">femur [left]</th>' in table(("a",), [Row(("femur [left]",))])


def test_pairs_are_escaped() -> None:
    assert pairs({"<k>": "<v>"}) == "<dl><dt>&lt;k&gt;</dt><dd>&lt;v&gt;</dd></dl>"


@pytest.mark.parametrize(
    ("value", "ends", "words"),
    [
        (0.5, (0.25, 0.75), "0.500 [0.250, 0.750]"),
        (1.0, (1.0, 1.0), "1.000"),
        (0.5, None, "0.500"),
        (None, None, NOTHING),
    ],
)
def test_a_share_has_its_interval_where_that_says_something(
    value: float | None, ends: tuple[float, float] | None, words: str
) -> None:
    assert share_within(value, ends) == words


def test_what_is_not_there_is_a_dash() -> None:
    assert (share(None), share(float("nan")), interval(None)) == (NOTHING, NOTHING, "")
