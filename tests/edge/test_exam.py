"""The exam as the fold of its events: what the machine may do, and what only the user may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.errors import InputError
from edge.exam import Exam, PlaneState, exam_from_events, progress_age_s, state_after
from edge.exam_events import (
    ClockRestarted,
    Confirmed,
    Continued,
    Ended,
    FetusSwitched,
    ModelChanged,
    NotObtainable,
    Paused,
    Reassigned,
    TakenBack,
    Unassigned,
)
from edge.exam_state import MAX_FETUSES
from edge.protocol import load_protocol
from tests.edge.exam_simulator import PLANES, after, capture, captured, event, exam, opened

MARKED = event(NotObtainable, plane="femur", fetus=1, reason="position")


def state_of(state: Exam, plane: str = "femur", fetus: int = 1) -> PlaneState:
    record = state.record(plane, fetus)
    assert record is not None
    return state.state(record)


def frame_of(state: Exam, plane: str = "femur", fetus: int = 1) -> str | None:
    record = state.record(plane, fetus)
    return record.capture.frame if record and record.capture else None


def tray_of(state: Exam) -> list[str]:
    return [kept.frame for kept in state.tray]


def test_a_new_exam_misses_what_the_model_covers() -> None:
    assert {state_of(exam(), plane) for plane in PLANES} == {PlaneState.MISSING}


def test_planes_outside_the_bundle_are_not_covered() -> None:
    state = exam(protocol=load_protocol("prenatal21"), covered=("TTV", "TV", "TCV", "AB", "FL"))
    assert state_of(state, "FL") is PlaneState.MISSING
    assert sum(state.state(record) is PlaneState.NOT_COVERED for record in state.records) == 16


def test_without_a_threshold_the_machine_captures_nothing() -> None:
    state = exam(threshold=None)
    assert state_of(state) is PlaneState.NOT_COVERED
    assert after(state, captured()) == state


def test_without_a_threshold_a_freeze_waits_for_the_user() -> None:
    state = after(exam(threshold=None), captured(plane=None, source="freeze"))
    assert tray_of(state) == ["f1"]
    state = after(state, event(Reassigned, frame="f1", plane="femur", fetus=1))
    assert (state_of(state), tray_of(state)) == (PlaneState.CONFIRMED, [])


def test_a_better_frame_upgrades_a_low_one() -> None:
    state = after(exam(), captured("f1", low_quality=True))
    assert state_of(state) is PlaneState.CAPTURED_LOW
    state = after(state, captured("f2", probability=0.7))
    assert (state_of(state), frame_of(state)) == (PlaneState.CAPTURED, "f2")


@pytest.mark.parametrize(("probability", "kept"), [(0.92, "f1"), (0.99, "f2")])
def test_a_full_capture_gives_way_only_to_a_clearly_better_one(probability: float, kept: str) -> None:
    assert frame_of(after(exam(), captured("f1"), captured("f2", probability=probability))) == kept


@pytest.mark.parametrize(("score", "kept"), [(0.966, "old"), (0.968, "new")])
def test_near_one_a_frame_is_clearly_better_that_lacks_a_fifth_less(score: float, kept: str) -> None:
    state = after(exam(), captured("old", 1.0, probability=0.96, quality=1.0))
    state = after(state, captured("new", 2.0, probability=score, quality=1.0))
    record = state.record("femur", 1)
    assert record is not None and record.capture is not None and record.capture.frame == kept


def test_a_frozen_frame_gives_way_to_nothing_of_the_machine() -> None:
    state = after(exam(), captured("f1", source="freeze", probability=0.7), captured("f2", probability=0.99))
    assert frame_of(state) == "f1"


def test_a_weak_freeze_does_not_push_out_a_full_capture_and_is_not_lost() -> None:
    state = after(exam(), captured("f1"), captured("f2", source="freeze", low_quality=True))
    assert (frame_of(state), tray_of(state)) == ("f1", ["f2"])


def test_a_second_freeze_takes_the_place_of_the_first_which_is_not_lost() -> None:
    state = after(exam(), captured("f1", source="freeze"), captured("f2", source="freeze"))
    assert (frame_of(state), tray_of(state)) == ("f2", ["f1"])


def test_the_machine_never_touches_a_confirmed_plane() -> None:
    state = after(exam(), captured("f1"), event(Confirmed, plane="femur", fetus=1))
    assert state_after(state, captured("f2", probability=1.0)) == state


def test_the_user_can_confirm_what_the_model_does_not_cover() -> None:
    state = after(exam(covered=()), event(Confirmed, plane="femur", fetus=1))
    assert state_of(state) is PlaneState.CONFIRMED


def test_not_obtainable_stays_and_a_strong_capture_is_offered() -> None:
    state = after(exam(), MARKED, captured("f1", confidence="medium"))
    assert state.record("femur", 1).offer is None  # type: ignore[union-attr]
    state = after(state, captured("f2"))
    record = state.record("femur", 1)
    assert record is not None
    assert (state_of(state), record.capture) == (PlaneState.NOT_OBTAINABLE, None)
    assert record.offer is not None and record.offer.frame == "f2"


@pytest.mark.parametrize(("word", "then"), [(TakenBack, PlaneState.CAPTURED), (Confirmed, PlaneState.CONFIRMED)])
def test_the_user_uncovers_or_takes_an_offer(word: type, then: PlaneState) -> None:
    state = after(exam(), MARKED, captured("f2"), event(word, plane="femur", fetus=1))
    assert (state_of(state), frame_of(state)) == (then, "f2")


def test_reassigning_moves_the_frame_and_is_the_users_word() -> None:
    state = after(exam(), captured("f1"), event(Reassigned, frame="f1", plane="thorax", fetus=1))
    assert (state_of(state), state_of(state, "thorax")) == (PlaneState.MISSING, PlaneState.CONFIRMED)
    assert frame_of(state, "thorax") == "f1"
    assert state_after(state, captured("f9", digest="d-f1")) == state  # the same picture is no femur


def test_what_a_reassigned_frame_displaces_waits_in_the_tray() -> None:
    state = after(exam(), captured("f1"), captured("f2", plane="thorax"))
    state = after(state, event(Reassigned, frame="f1", plane="thorax", fetus=1))
    assert (frame_of(state, "thorax"), tray_of(state)) == ("f1", ["f2"])


def test_an_unassigned_picture_is_not_taken_again_by_itself() -> None:
    state = after(exam(), captured("f1"), event(Unassigned, frame="f1"))
    assert (state_of(state), tray_of(state)) == (PlaneState.MISSING, ["f1"])
    assert state_after(state, captured("f2", digest="d-f1")) == state
    assert state_of(after(state, captured("f3"))) is PlaneState.CAPTURED


def test_the_user_may_give_an_unassigned_picture_back() -> None:
    state = after(exam(), captured("f1"), event(Unassigned, frame="f1"))
    state = after(state, event(Reassigned, frame="f1", plane="femur", fetus=1))
    record = state.record("femur", 1)
    assert record is not None
    assert (state_of(state), record.rejected) == (PlaneState.CONFIRMED, ())


def test_twins_have_their_own_planes() -> None:
    state = after(exam(), event(FetusSwitched, fetus=2), captured("f1", fetus=2))
    assert (state.fetuses, state.fetus) == (2, 2)
    assert (state_of(state, fetus=1), state_of(state, fetus=2)) == (PlaneState.MISSING, PlaneState.CAPTURED)
    state = after(state, event(Reassigned, frame="f1", plane="femur", fetus=1))
    record = state.record("femur", 1)
    assert record is not None and record.capture is not None and record.capture.fetus == 1


@pytest.mark.parametrize("fetus", [0, -1, MAX_FETUSES + 1, 10**9])
def test_a_wild_fetus_number_changes_nothing(fetus: int) -> None:
    assert after(exam(), event(FetusSwitched, fetus=fetus), captured(fetus=fetus)) == exam()


@pytest.mark.parametrize("stop", [Paused, Ended])
def test_a_stopped_exam_takes_no_frame_but_the_users_word(stop: type) -> None:
    state = after(exam(), event(stop))
    assert state_after(state, captured()) == state
    assert state_of(after(state, event(Confirmed, plane="femur", fetus=1))) is PlaneState.CONFIRMED


def test_the_end_is_final() -> None:
    state = after(exam(), event(Ended))
    assert after(state, event(Continued), event(Paused)) == state


def test_a_pause_does_not_count_as_time_without_progress() -> None:
    state = after(exam(), captured(at_s=10.0), event(Paused, 30.0))
    assert progress_age_s(state, 500.0) == 20.0
    state = after(state, event(Continued, 600.0))
    assert progress_age_s(state, 605.0) == 25.0


def test_only_a_plane_that_is_worth_more_is_progress() -> None:
    state = after(
        exam(), captured("f1", 10.0), captured("f2", 20.0, probability=1.0), event(FetusSwitched, 25.0, fetus=2)
    )
    assert progress_age_s(state, 30.0) == 20.0
    assert progress_age_s(after(state, event(Confirmed, 28.0, plane="femur", fetus=1)), 30.0) == 2.0


def test_a_clock_that_runs_backwards_counts_as_the_newest_time_seen() -> None:
    state = after(exam(), captured(at_s=10.0), event(Confirmed, 3.0, plane="thorax", fetus=1))
    assert (state.clock_s, progress_age_s(state, 12.0)) == (10.0, 2.0)


def test_an_event_of_another_exam_changes_nothing() -> None:
    assert state_after(exam(), replace(captured(), exam="exam-2")) == exam()


def test_a_reboot_keeps_the_spans() -> None:
    state = after(exam(), captured(at_s=5000.0), event(FetusSwitched, 5010.0, fetus=2), event(ClockRestarted, 3.0))
    assert progress_age_s(state, 4.0) == pytest.approx(11.0)


def test_another_bundle_covers_other_planes_and_leaves_captures() -> None:
    state = after(exam(), captured(), event(ModelChanged, covered=("thorax",), threshold=0.5, bundle="c" * 64))
    assert (state_of(state), state_of(state, "abdomen")) == (PlaneState.CAPTURED, PlaneState.NOT_COVERED)


def test_the_same_frame_stands_in_one_place() -> None:
    state = after(exam(), captured("f1"))
    assert after(state, captured("f1", plane="thorax"), captured("f1", plane=None, source="freeze")) == state


def test_replay_asks_for_an_opening() -> None:
    assert exam_from_events([opened(), captured()]) == after(exam(), captured())
    with pytest.raises(InputError, match="expected Opened"):
        exam_from_events([captured()])


def test_the_score_is_probability_times_quality() -> None:
    assert capture(probability=0.5, quality=0.5).score == 0.25
