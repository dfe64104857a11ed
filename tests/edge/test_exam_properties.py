"""What holds for every sequence of events and frames, found by search."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.checklist import checklist_from_exam
from edge.exam import exam_from_events, json_from_exam, state_after
from edge.exam_events import (
    Captured,
    ClockRestarted,
    Confirmed,
    Continued,
    Ended,
    Event,
    FetusSwitched,
    ModelChanged,
    NotObtainable,
    Paused,
    Reassigned,
    TakenBack,
    Unassigned,
    event_from_json,
    json_from_event,
)
from edge.exam_watch import JudgedFrame, Watch, freeze_pressed, watch_after
from edge.temporal import HOLD_S, MIN_FRAMES, SLOW_WINDOW_S
from tests.edge.exam_simulator import OTHER_KEY, WALL, capture, exam, judged, opened, repeated, watched

planes = st.sampled_from(["femur", "thorax", "no such plane"])
fetuses = st.integers(0, 3)
frames = st.sampled_from([f"f{i}" for i in range(8)])
times = st.floats(-1e3, 1e4, allow_nan=False)
captures = st.builds(
    capture, frame=frames, digest=st.sampled_from([f"d{i}" for i in range(5)]), fetus=fetuses,
    probability=st.floats(0, 1), quality=st.floats(0, 1), confidence=st.sampled_from(["low", "high", None]),
    low_quality=st.booleans(), source=st.sampled_from(["machine", "machine", "freeze", "store"]),
)  # fmt: skip
base = {"exam": st.sampled_from(["exam-1"] * 9 + ["exam-2"]), "at_s": times, "wall": st.just(WALL), "by": st.just("x")}
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Captured, **base, plane=st.none() | planes, capture=captures),
    st.builds(Captured, **base, plane=planes, capture=captures),
    *(st.builds(kind, **base, plane=planes, fetus=fetuses) for kind in (Confirmed, TakenBack)),
    st.builds(NotObtainable, **base, plane=planes, fetus=fetuses, reason=st.sampled_from(["", "position"])),
    st.builds(Reassigned, **base, frame=frames, plane=planes, fetus=fetuses),
    st.builds(Unassigned, **base, frame=frames),
    st.builds(FetusSwitched, **base, fetus=fetuses),
    st.builds(ModelChanged, **base, covered=st.just(("femur",)), threshold=st.just(0.5), bundle=st.just("c")),
    *(st.builds(kind, **base) for kind in (Paused, Continued, Continued, ClockRestarted)),
)
histories = st.lists(st.one_of(events, events, events, events, st.builds(Ended, **base)), max_size=30)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_replay_of_what_was_stored_gives_the_same_bytes(history: list[Event]) -> None:
    live = exam()
    for event in history:
        live = state_after(live, event)
    stored = [json.loads(json.dumps(json_from_event(event))) for event in [opened(), *history]]
    assert json_from_exam(exam_from_events(map(event_from_json, stored))) == json_from_exam(live)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_no_capture_changes_what_the_user_said(history: list[Event]) -> None:
    state = exam()
    for event in history:
        before, state = state, state_after(state, event)
        for old in before.records if isinstance(event, Captured) else ():
            new = state.record(old.plane, old.fetus)
            assert new is not None
            assert (new.confirmed, new.reason, new.rejected) == (old.confirmed, old.reason, old.rejected)
            if old.confirmed or old.reason is not None:
                assert new.capture == old.capture
            if new.capture != old.capture:
                assert new.capture is not None and new.capture.digest not in old.rejected


@settings(max_examples=150, deadline=None)
@given(histories)
def test_a_frame_stands_in_one_place_under_its_own_fetus_and_no_choice_is_lost(history: list[Event]) -> None:
    state = exam()
    chosen: set[str] = set()
    for event in history:
        before, state = state, state_after(state, event)
        if isinstance(event, Captured) and event.capture.source != "machine" and before != state:
            chosen.add(event.capture.frame)
    held = [(kept, r.fetus) for r in state.records for kept in (r.capture, r.offer) if kept is not None]
    names = [kept.frame for kept, _ in held] + [kept.frame for kept in state.tray]
    assert len(names) == len(set(names))
    assert all(kept.fetus == fetus for kept, fetus in held)
    assert chosen <= set(names)


@settings(max_examples=100, deadline=None)
@given(histories, st.lists(st.text(max_size=30), min_size=31, max_size=31))
def test_the_wall_clock_decides_nothing(history: list[Event], walls: list[str]) -> None:
    jumped = []
    for event, wall in zip(history, walls, strict=False):
        if isinstance(event, Captured):
            event = replace(event, capture=replace(event.capture, wall=wall))
        jumped.append(replace(event, wall=wall))
    assert checklist_from_exam(exam_from_events([opened(), *jumped]), 50.0) == checklist_from_exam(
        exam_from_events([opened(), *history]), 50.0
    )


@pytest.mark.parametrize("before", [(), (NotObtainable("exam-1", 0.0, WALL, "x", "thorax", 1, "position"),)])
def test_a_frame_kept_twice_says_nothing_new_whatever_the_wall_clock(before: tuple[Event, ...]) -> None:
    kept = Captured("exam-1", 0.0, WALL, "x", "thorax", capture(source="freeze"))
    state = exam_from_events([opened(), *before, kept])
    assert state_after(state, replace(kept, at_s=1.0, capture=replace(kept.capture, wall="later"))) == state


steps = st.tuples(
    st.sampled_from([0.0, 0.02, 0.1, 0.2, 0.5, 1.1, 3.0]),  # to the next frame, seconds
    st.sampled_from(["femur", "femur", "femur", "thorax"]),
    st.sampled_from([0.1, 0.5, 0.7, 0.95]),
    st.booleans(),  # repeats the one before
)
sweeps = st.lists(steps, max_size=40)


def frames_of_sweep(sweep: list[tuple[float, str, float, bool]]) -> list[JudgedFrame]:
    made: list[JudgedFrame] = []
    at_s = 1.0
    for number, (gap_s, plane, probability, repeats) in enumerate(sweep):
        at_s += gap_s
        new = judged(f"f{number}", at_s, plane, probability)
        made.append(repeated(made[-1], f"f{number}", at_s) if repeats and made else new)
    return made


@settings(max_examples=200, deadline=None)
@given(sweeps)
def test_the_machine_captures_from_k_distinct_accepted_frames_or_not_at_all(
    sweep: list[tuple[float, str, float, bool]],
) -> None:
    state, watch, seen = exam(), Watch(), []
    for frame in frames_of_sweep(sweep):
        seen.append(frame)
        state, watch, new = watched(state, watch, frame)
        for event in new:
            fit = [f for f in seen if f.prediction.accepted and f.prediction.plane == event.plane]
            recent = [f for f in fit if frame.at_s - f.at_s <= SLOW_WINDOW_S and f.quality.is_new]
            assert len({f.quality.digest for f in recent}) >= MIN_FRAMES
            assert recent[-1].at_s - recent[0].at_s >= HOLD_S
            assert event.capture.frame in {f.frame for f in recent}


@settings(max_examples=100, deadline=None)
@given(sweeps, st.booleans())
def test_frames_of_another_key_change_neither_exam_nor_watch(
    sweep: list[tuple[float, str, float, bool]], is_chosen: bool
) -> None:
    state, watch, _ = watched(exam(), Watch(), *frames_of_sweep(sweep)[:10])
    watch = freeze_pressed(state, watch, 1.0, "operator")
    for frame in frames_of_sweep(sweep):
        assert watch_after(state, watch, replace(frame, key=OTHER_KEY, is_chosen=is_chosen)) == (watch, ())


@settings(max_examples=50, deadline=None)
@given(sweeps)
def test_the_same_frames_give_the_same_exam(sweep: list[tuple[float, str, float, bool]]) -> None:
    first, second = (watched(exam(), Watch(), *frames_of_sweep(sweep))[0] for _ in range(2))
    assert json_from_exam(first) == json_from_exam(second)
