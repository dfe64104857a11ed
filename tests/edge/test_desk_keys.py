"""Whose a frame is: no frame lands in another patient's exam."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from edge.exam_events import Captured
from edge.exam_keys import ExamKey
from edge.service.desk_exams import TURNS_MAX, Turns
from tests.edge.desk_bench import FRAME_S, HOLD, Bench, bench, facts, prediction

A, B = ExamKey("PA", "1.2"), ExamKey("PB", "1.3")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def test_a_frame_of_another_key_opens_its_own_exam_and_the_change_is_shown(desk: Bench) -> None:
    first = desk.open("PA", "1.2")
    desk.scan("femur", key=B)
    assert (desk.shown.exam.key, desk.shown.is_changed) == (B, True)
    assert desk.captures(first) == []
    assert desk.captures(desk.shown.exam.id) == [("femur", "machine")]
    desk.order("acknowledge")
    assert not desk.shown.is_changed


def test_a_frame_of_an_exam_that_was_put_aside_continues_it(desk: Bench) -> None:
    first = desk.open("PA", "1.2")
    desk.open("PB", "1.3")
    desk.scan("femur", key=A)
    assert (desk.shown.exam.id, desk.shown.is_changed) == (first, True)
    assert desk.captures(first) == [("femur", "machine")]


def test_a_frame_of_the_open_exam_changes_nothing_on_the_screen(desk: Bench) -> None:
    desk.open("PA", "1.2")
    desk.scan("femur", key=A)
    assert not desk.shown.is_changed


def test_frames_without_a_key_go_to_nobody_until_the_change_is_acknowledged(desk: Bench) -> None:
    first = desk.open("PA", "1.2")
    desk.answer(desk.frame(B, is_still=True), prediction("abdomen"))
    second = desk.shown.exam.id
    desk.scan("femur")
    assert (desk.captures(first), desk.captures(second)) == ([], [("abdomen", "store")])
    desk.order("acknowledge")
    desk.scan("femur")
    assert desk.captures(second)[-1] == ("femur", "machine")


def test_a_frame_without_a_key_from_before_a_change_is_the_old_exams(desk: Bench) -> None:
    first = desk.open("PA")
    desk.times.now_s += FRAME_S
    still = desk.frame(is_still=True)
    desk.times.now_s += FRAME_S
    second = desk.open("PB")
    desk.answer(still, prediction("femur"))
    assert (desk.captures(first), desk.captures(second)) == ([("femur", "store")], [])


def test_the_freeze_key_is_refused_until_the_change_is_acknowledged(desk: Bench) -> None:
    desk.scan("femur", 1, key=A)
    with pytest.raises(UsageError, match="not the open one"):
        desk.order("freeze")


def test_frames_of_an_exam_that_is_ended_open_no_other(desk: Bench) -> None:
    desk.open("PA", "1.2")
    desk.order("end")
    desk.scan("femur", key=A)
    desk.answer(desk.frame(A, is_still=True), prediction("femur"))
    assert len(desk.store.exams()) == 1
    assert desk.shown.late_stills == 1


def test_late_stills_of_another_ended_exam_do_not_take_the_screen(desk: Bench) -> None:
    desk.open("PA", "1.2")
    desk.order("end")
    second = desk.open("PB", "1.3")
    desk.answer(desk.frame(A, is_still=True), prediction("femur"))
    assert (desk.shown.exam.id, desk.desk.now.late_stills) == (second, 1)


def test_an_exam_that_a_frame_opened_tells_the_frames_scanner(tmp_path: Path) -> None:
    with bench(tmp_path, facts=facts(scanner="Nobody's")) as desk:
        desk.scan("femur", 1, key=A, machine="Voluson E6 BT16", source="dicom")
        marks = desk.store.about(desk.shown.exam.id)["marks"]
        assert (marks["scanner"], marks["is_measured"], marks["source"]) == ("Voluson E6 BT16", True, "dicom")


def test_turns_remember_as_many_changes_as_a_waiting_frame_may_need() -> None:
    turns = Turns()
    for number in range(3 * TURNS_MAX):
        turns = turns.after(float(number), f"exam-{number}")
    assert len(turns.items) == TURNS_MAX
    assert turns.exam_at(3 * TURNS_MAX - 1.5) == f"exam-{3 * TURNS_MAX - 2}"
    assert turns.exam_at(0.0) is None


STEPS = st.lists(
    st.tuples(st.sampled_from([A, B, None]), st.sampled_from(["femur", "abdomen"]), st.sampled_from([1, 2, HOLD])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, acknowledged=st.booleans())
def test_interleaved_frames_of_two_studies_land_each_in_its_own_exam(
    steps: list[tuple[ExamKey | None, str, int]], acknowledged: bool
) -> None:
    """The name of a captured frame tells which one it was; what was held is captured, so that the test sees frames."""
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as desk:
        desk.open(A.patient, A.study)
        owner: dict[str, ExamKey | None] = {}
        held: set[tuple[ExamKey, str]] = set()
        for key, plane, frames in steps:
            for _ in range(frames):
                desk.scan(plane, 1, key=key)
                owner[f"run1-{desk.number}"] = key or (None if desk.shown.is_changed else desk.shown.exam.key)
            held |= {(key, plane)} if key is not None and frames == HOLD else set()
            if acknowledged:
                desk.order("acknowledge")
        captured = set()
        for seat in (desk.shown, *desk.desk.now.others):
            for event in desk.events(seat.exam.id):
                if isinstance(event, Captured):
                    assert owner[event.capture.frame] == seat.exam.key
                    captured.add((seat.exam.key, event.plane))
        assert held <= captured


def test_frames_that_alternate_between_two_studies_are_captured_in_each(desk: Bench) -> None:
    for _ in range(2 * HOLD):
        desk.scan("femur", 1, key=A)
        desk.scan("abdomen", 1, key=B)
    seats = {seat.exam.key: seat.exam.id for seat in (desk.shown, *desk.desk.now.others)}
    assert desk.captures(seats[A]) == [("femur", "machine")]
    assert desk.captures(seats[B]) == [("abdomen", "machine")]


@pytest.mark.parametrize("key", [None, A])
def test_a_press_whose_picture_is_of_another_exam_is_refused_and_not_lost_silently(
    desk: Bench, key: ExamKey | None
) -> None:
    desk.open("PA", "1.2")
    desk.times.now_s += FRAME_S
    desk.live = desk.frame(key)
    desk.times.now_s += FRAME_S
    desk.open("PB", "1.3")
    with pytest.raises(UsageError, match="no fresh picture"):
        desk.order("freeze")
