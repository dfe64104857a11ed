from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.service.desk_exams import DeskNow, Seat
from edge.service.log import Log
from edge.service.retention import EVERY_S, Retention
from edge.store import Store
from tests.edge.exam_simulator import exam
from tests.edge.stored import filled, opened

OLD, NEW, NOW = "2026-01-01T00:00:00+00:00", "2026-02-28T00:00:00+00:00", "2026-03-01T00:00:00.000+00:00"


class Box:
    """A store with one old and one new exam, and a retention of 30 days."""

    def __init__(self, store: Store, wall: list[str]) -> None:
        self.store, self.now_s, self.said = store, 0.0, io.StringIO()
        self.old = filled(store, "Li", events=1)
        wall[0] = NEW
        self.new = filled(store, "Wu", events=1)
        wall[0] = NOW
        log = Log(self.said, lambda: NOW)
        self.retention = Retention(store, timedelta(days=30), lambda: self.now_s, lambda: NOW, log)

    @property
    def exams(self) -> list[str]:
        return [summary.exam for summary in self.store.exams()]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    wall = [OLD]
    with opened(tmp_path / "x.db", wall=lambda: wall[0]) as store:
        yield Box(store, wall)


def test_an_old_exam_goes_at_the_first_look_and_the_log_says_how_many(box: Box) -> None:
    box.retention.look(DeskNow())
    assert box.exams == [box.new]
    assert json.loads(box.said.getvalue())["exams"] == 1


def test_nothing_goes_while_an_exam_goes_on(box: Box) -> None:
    box.retention.look(DeskNow(shown=Seat(exam())))
    assert box.exams == [box.old, box.new]


def test_an_exam_on_the_desk_stays(box: Box) -> None:
    box.retention.look(DeskNow(others=(Seat(exam(exam=box.old)),)))
    assert box.exams == [box.old, box.new]


def test_it_looks_again_a_day_later(box: Box) -> None:
    box.retention.look(DeskNow(others=(Seat(exam(exam=box.old)),)))
    box.now_s = EVERY_S - 1
    box.retention.look(DeskNow())
    assert box.exams == [box.old, box.new]
    box.now_s = EVERY_S
    box.retention.look(DeskNow())
    assert box.exams == [box.new]


def test_a_store_of_old_exams_alone_is_left_alone_and_the_log_says_so(box: Box) -> None:
    box.store.delete(box.new)
    box.retention.look(DeskNow())
    assert box.exams == [box.old]
    assert json.loads(box.said.getvalue())["event"] == "retention_failed"
