from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.store_check import check_store
from edge.store_retention import age_from_text, exams_older_than, purge
from tests.edge.stored import filled, opened

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)


@pytest.mark.parametrize(("text", "age"), [("12h", DAY / 2), ("30d", 30 * DAY), ("8w", 56 * DAY), ("0d", 0 * DAY)])
def test_an_age_is_hours_days_or_weeks(text: str, age: timedelta) -> None:
    assert age_from_text(text) == age


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 d", "30m", "999999d", "٣d"])
def test_another_age_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no age"):
        age_from_text(text)


def test_a_purge_takes_what_is_older_and_leaves_the_rest(tmp_path: Path) -> None:
    times = ["2025-06-01", "2026-01-01T00:00:00Z", "2026-02-27T00:00:00+00:00", "2031-01-01T00:00:00+00:00", "0000-T"]
    wall = [""]
    with opened(tmp_path / "x.db", wall=lambda: wall[0]) as store:
        exams = []
        for wall[0] in times:
            exams.append(filled(store, "Li", events=1))
        assert exams_older_than(store.exams(), 30 * DAY, NOW) == (exams[0], exams[1])
        wall[0] = "2026-03-01T00:00:00Z"
        assert purge(store, 30 * DAY, NOW, "op1") == (exams[0], exams[1])
        assert [exam.exam for exam in store.exams()] == exams[2:]  # a time ahead or unreadable is no reason to delete
        assert check_store(store).deleted == 2


def test_a_clock_that_jumped_ahead_empties_no_store(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        filled(store, "Li")
        with pytest.raises(UsageError, match="Every exam"):
            purge(store, 30 * DAY, NOW + 9000 * DAY)
        assert len(store.exams()) == 1
        assert len(purge(store, 30 * DAY, NOW + 9000 * DAY, every=True)) == 1


def test_an_exam_recorded_with_an_empty_clock_battery_is_as_young_as_the_one_before_it(tmp_path: Path) -> None:
    """Bug: it said 1970, and went on the day after."""
    wall = ["2026-02-27T00:00:00+00:00"]
    with opened(tmp_path / "x.db", wall=lambda: wall[0]) as store:
        filled(store, "Li")
        wall[0] = "1970-01-01T00:03:00+00:00"
        lost = filled(store, "Wu")
        wall[0] = "2026-03-01T00:00:00+00:00"
        filled(store, "Xu")
        assert purge(store, 30 * DAY, NOW) == ()
        wall[0] = "2026-03-20T00:00:00+00:00"
        filled(store, "Yu")
        assert lost in purge(store, 30 * DAY, NOW + 30 * DAY)  # as old as the one before it, and that goes as well
