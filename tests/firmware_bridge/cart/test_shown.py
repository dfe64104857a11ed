"""What the cart shows of a view: never more than the page says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.exam_events import Confirmed, Ended, NotObtainable, Paused
from edge.service.view import View
from firmware_bridge.cart.messages import Button, Confidence, Input, LampPattern, ResultAnswer, Signal, Status
from firmware_bridge.cart.shown import (
    NO_CHECKLIST,
    NO_RESULT,
    Asked,
    asked_from_input,
    bell_from_views,
    checklist_from_view,
    health_from_view,
    lamp_from_view,
    result_from_view,
)  # fmt: skip
from tests.edge.page.scripted_bedside import WALL, ScriptedBedside


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def box(now: list[float]) -> ScriptedBedside:
    made = ScriptedBedside(clock=lambda: now[0])
    made.open()
    return made


def planes(view: View) -> list[str]:
    assert view.exam is not None
    return [row.plane for row in view.exam.checklist.rows if row.fetus == view.exam.checklist.fetus]


def bits(mask: int, view: View) -> set[str]:
    return {plane for place, plane in enumerate(planes(view)) if mask >> place & 1}


def test_the_last_answer_has_its_row_its_step_and_its_age(box: ScriptedBedside, now: list[float]) -> None:
    box.scan("femur")
    now[0] += 0.5
    view = box.view()
    result = result_from_view(view)
    assert result.answer == ResultAnswer.PLANE
    assert planes(view)[result.row] == result.plane == "femur"
    assert result.confidence == Confidence.HIGH
    assert 480 <= result.age_ms <= 520
    assert not result.synthetic
    health = health_from_view(view)
    assert health.ai_on
    assert health.has_result
    assert health.result_age_ms == result.age_ms


def test_an_old_result_keeps_its_age_so_that_the_cart_turns_it_off(box: ScriptedBedside, now: list[float]) -> None:
    box.scan("femur")
    now[0] += 60
    assert result_from_view(box.view()).age_ms >= 60_000
    assert not health_from_view(box.view()).ai_on


def test_a_rejected_answer_names_no_plane_no_row_and_no_step(box: ScriptedBedside) -> None:
    box.tick()
    result = result_from_view(box.view())
    assert (result.answer, result.plane, result.row) == (ResultAnswer.NOT_STANDARD, "", 32)
    assert result.confidence == Confidence.NONE


def test_a_demo_is_marked_as_synthetic(box: ScriptedBedside) -> None:
    box.show(source__is_demo=True)
    box.scan("femur")
    assert result_from_view(box.view()).synthetic


def test_without_an_exam_there_is_no_result_no_checklist_and_no_age() -> None:
    view = ScriptedBedside().view()
    assert result_from_view(view) == NO_RESULT
    assert checklist_from_view(view) == NO_CHECKLIST
    assert not health_from_view(view).has_result
    assert not health_from_view(None).ai_on


def test_every_state_of_a_row_has_its_mask(box: ScriptedBedside, now: list[float]) -> None:
    box.scan("femur")
    box.press("abdomen", low_quality=True)
    exam = box.view().exam
    assert exam is not None
    who = (exam.checklist.exam, now[0], WALL, "op7")
    box.fold(NotObtainable(*who, "thorax", 1, "position"))
    box.fold(Confirmed(*who, "brain_transthalamic", 1))
    view = box.view()
    shown = checklist_from_view(view)
    assert shown.is_open
    assert not shown.is_paused
    assert shown.total == len(planes(view))
    assert bits(shown.captured, view) == {"femur", "brain_transthalamic"}
    assert bits(shown.low_quality, view) == {"abdomen"}
    assert bits(shown.not_obtainable, view) == {"thorax"}
    box.fold(Paused(*who))
    assert checklist_from_view(box.view()).is_paused
    box.fold(Ended(*who))
    assert checklist_from_view(box.view()) == NO_CHECKLIST


def test_planes_that_the_model_cannot_recognise_are_marked_and_rows_beyond_32_have_no_lamp() -> None:
    box = ScriptedBedside(protocol="prenatal21")
    box.open(fetuses=2)
    view = box.view()
    shown = checklist_from_view(view)
    assert shown.total == 21
    assert view.exam is not None
    states = {row.plane: row.state.value for row in view.exam.checklist.rows}
    assert bits(shown.not_covered, view) == {plane for plane, state in states.items() if state == "not_covered"}
    rows = tuple(replace(row, fetus=1) for row in view.exam.checklist.rows)
    many = replace(view, exam=replace(view.exam, checklist=replace(view.exam.checklist, rows=rows)))
    assert checklist_from_view(many).total == 32
    assert checklist_from_view(many).not_covered < 1 << 32


def test_the_attention_lamp_blinks_for_another_patient_and_is_on_where_the_page_has_something_to_tell(
    box: ScriptedBedside,
) -> None:
    assert lamp_from_view(box.view()) is LampPattern.OFF
    assert lamp_from_view(None) is LampPattern.ON
    box.show(store__state="full")
    assert lamp_from_view(box.view()) is LampPattern.ON
    box.put_up(box.open("P-2"), changed=True)
    assert lamp_from_view(box.view()) is LampPattern.BLINK


def test_a_sound_is_for_what_is_new_between_two_views_of_one_exam(box: ScriptedBedside) -> None:
    first = box.view()
    box.scan("femur")
    second = box.view()
    assert bell_from_views(first, second) is Signal.CAPTURED
    assert bell_from_views(None, second) is None
    assert bell_from_views(second, box.view()) is None
    for plane in box.covered:
        box.scan(plane)
    assert bell_from_views(second, box.view()) is Signal.COMPLETE
    other = box.open("P-2")
    assert bell_from_views(second, box.view()) is None
    box.put_up(other, changed=True)
    assert bell_from_views(second, box.view()) is Signal.ATTENTION


PRESS = Input(7, Button.FREEZE, True, 0, 20)


def test_a_freeze_key_is_an_order_for_the_open_exam(box: ScriptedBedside) -> None:
    view = box.view()
    assert view.exam is not None
    exam = view.exam.checklist.exam
    assert asked_from_input(PRESS, view, "none") == Asked("freeze", {"by": "", "exam": exam})
    for foot, name in (("freeze", "freeze"), ("acknowledge", "acknowledge"), ("pause", "pause")):
        asked = asked_from_input(replace(PRESS, button=Button.FOOT), view, foot)
        assert asked == Asked(name, {"by": "", "exam": exam})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"pressed": False}, Status.OK),
        ({"age_ms": 5001}, Status.STALE),
        ({"button": 99}, Status.UNKNOWN),
        ({"button": 0}, Status.UNKNOWN),
        ({"button": Button.FOOT}, Status.OK),
    ],
)
def test_a_key_without_an_order_is_answered_at_once(
    box: ScriptedBedside, changes: dict[str, int], status: Status
) -> None:
    pressed = replace(PRESS, **changes)  # type: ignore[arg-type]
    assert asked_from_input(pressed, box.view(), "none") is status


def test_a_key_without_an_exam_or_a_service_fails() -> None:
    assert asked_from_input(PRESS, ScriptedBedside().view(), "freeze") is Status.FAILED
    assert asked_from_input(PRESS, None, "freeze") is Status.FAILED
