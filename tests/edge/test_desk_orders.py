"""What an order does, and what is refused; what is so already is no mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.errors import UsageError
from edge.exam_events import Captured
from tests.edge.desk_bench import Bench, bench, facts, prediction

FEMUR = {"plane": "femur", "fetus": 1}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def state(desk: Bench, plane: str = "femur") -> str:
    record = desk.shown.exam.record(plane, 1)
    assert record is not None
    return desk.shown.exam.state(record).value


def captured_frame(desk: Bench, exam: str) -> str:
    return next(event.capture.frame for event in desk.events(exam) if isinstance(event, Captured))


@pytest.mark.parametrize("name", ["pause", "continue", "end", "acknowledge"])
def test_an_order_given_twice_is_carried_out_once(desk: Bench, name: str) -> None:
    exam = desk.open()
    desk.order(name)
    events = len(desk.events(exam))
    desk.order(name)
    assert len(desk.events(exam)) == events


@pytest.mark.parametrize(
    ("name", "fields"),
    [("confirm", FEMUR), ("not_obtainable", FEMUR | {"reason": "position"}), ("fetus", {"fetus": 2})],
)
def test_the_users_word_given_twice_is_stored_once(desk: Bench, name: str, fields: dict[str, Any]) -> None:
    exam = desk.open(fetuses=2)
    desk.order(name, **fields)
    events = len(desk.events(exam))
    desk.order(name, **fields)
    assert len(desk.events(exam)) == events == 2


def test_confirm_and_take_back(desk: Bench) -> None:
    desk.open()
    desk.order("confirm", **FEMUR)
    assert state(desk) == "confirmed"
    desk.order("take_back", **FEMUR)
    assert state(desk) == "missing"


def test_a_frame_is_unassigned_and_assigned_to_another_plane(desk: Bench) -> None:
    exam = desk.open()
    desk.scan("femur")
    frame = captured_frame(desk, exam)
    desk.order("unassign", frame=frame)
    assert (state(desk), [capture.frame for capture in desk.shown.exam.tray]) == ("missing", [frame])
    desk.order("reassign", frame=frame, plane="abdomen", fetus=1)
    assert (state(desk, "abdomen"), desk.shown.exam.tray) == ("confirmed", ())
    assert desk.is_as_stored(desk.shown.exam)


def test_an_ended_exam_takes_corrections(desk: Bench) -> None:
    exam = desk.open()
    desk.scan("femur")
    desk.order("end")
    desk.order("unassign", frame=captured_frame(desk, exam))
    assert state(desk) == "missing"


def test_an_exam_that_was_put_aside_takes_corrections_and_becomes_the_open_one_again(desk: Bench) -> None:
    first = desk.open("P1")
    second = desk.open("P2")
    desk.order("confirm", exam=first, **FEMUR)
    assert desk.shown.exam.id == second
    desk.order("continue", exam=first)
    assert (desk.shown.exam.id, state(desk)) == (first, "confirmed")
    assert [seat.exam.id for seat in desk.desk.now.others] == [second]


def test_opening_the_exam_that_is_open_continues_it(desk: Bench) -> None:
    assert desk.open("P1") == desk.open("P1 ")
    assert len(desk.store.exams()) == 1


def test_after_the_end_the_same_patient_gets_another_exam(desk: Bench) -> None:
    first = desk.open("P1")
    desk.order("end")
    assert desk.open("P1") != first


def test_a_fetus_is_added_one_at_a_time(desk: Bench) -> None:
    desk.open()
    with pytest.raises(UsageError, match="3 is not the next one"):
        desk.order("fetus", fetus=3)
    desk.order("fetus", fetus=2)
    assert desk.shown.exam.fetuses == 2


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("confirm", {"plane": "tail", "fetus": 1}),
        ("confirm", {"plane": "femur", "fetus": 2}),
        ("take_back", {"plane": "tail", "fetus": 1}),
        ("not_obtainable", {"plane": "tail", "fetus": 1, "reason": ""}),
        ("reassign", {"frame": "run1-99", "plane": "femur", "fetus": 1}),
        ("unassign", {"frame": "run1-99"}),
    ],
)
def test_what_the_exam_does_not_have_is_refused(desk: Bench, name: str, fields: dict[str, Any]) -> None:
    exam = desk.open()
    with pytest.raises(UsageError):
        desk.order(name, **fields)
    assert len(desk.events(exam)) == 1


@pytest.mark.parametrize(("name", "fields"), [("pause", {}), ("continue", {}), ("freeze", {}), ("fetus", {"fetus": 2})])
def test_an_ended_exam_refuses_what_is_about_frames(desk: Bench, name: str, fields: dict[str, Any]) -> None:
    desk.open()
    desk.order("end")
    with pytest.raises(UsageError, match="is ended"):
        desk.order(name, **fields)


def test_an_unknown_exam_is_refused(desk: Bench) -> None:
    with pytest.raises(UsageError, match="no such exam"):
        desk.order("pause", exam="00000000-0000-4000-8000-000000000000")


def test_an_exam_needs_a_key(desk: Bench) -> None:
    with pytest.raises(UsageError, match="patient or a study"):
        desk.open(" ")


@pytest.mark.parametrize("name", ["freeze", "acknowledge"])
def test_an_exam_that_is_not_shown_takes_neither_freeze_nor_acknowledgement(desk: Bench, name: str) -> None:
    first = desk.open("P1")
    desk.open("P2")
    desk.scan("femur", 1)
    with pytest.raises(UsageError):
        desk.order(name, exam=first)


def test_who_did_it_is_the_exams_operator_where_one_was_picked(tmp_path: Path) -> None:
    with bench(tmp_path, facts=facts(operator="op1")) as desk:
        exam = desk.open()
        desk.order("confirm", by="op2", **FEMUR)
        assert [event.by for event in desk.events(exam)] == ["op1", "op1"]
        assert desk.store.exam(exam).operator == "op1"


def test_who_did_it_is_who_says_so_where_nobody_was_picked(desk: Bench) -> None:
    exam = desk.open()
    desk.order("confirm", by="op2", **FEMUR)
    desk.order("take_back", **FEMUR)
    assert [event.by for event in desk.events(exam)] == ["unauthenticated", "op2", "unauthenticated"]


def test_a_picture_that_is_not_there_is_refused(desk: Bench) -> None:
    exam = desk.open()
    desk.answer(desk.frame(is_still=True), prediction("femur"))
    assert desk.desk.picture(exam, f"run1-{desk.number}")
    with pytest.raises(UsageError, match="no picture"):
        desk.desk.picture(exam, "run1-77")
