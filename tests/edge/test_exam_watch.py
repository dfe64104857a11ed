"""From judged frames to captures: the machine's own, the freeze key's, and stills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.exam import Exam
from edge.exam_events import Captured, Ended, FetusSwitched, Paused, Unassigned
from edge.exam_watch import (
    FREEZE_AFTER_S,
    JudgedFrame,
    Watch,
    freeze_pressed,
    run_of_watch,
    settled,
    ticked,
    watch_after,
)
from edge.frame_quality import FrameQuality
from edge.protocol import load_protocol
from tests.edge.exam_simulator import KEY, OTHER_KEY, after, event, exam, judged, repeated, watched

WEAK = FrameQuality(0.3, 0.9, 0.9, 1.0, "")


def held(count: int, start: int = 0, rate_hz: float = 10.0, **changes: object) -> list[JudgedFrame]:
    return [judged(f"f{i}", 1 + i / rate_hz, **changes) for i in range(start, start + count)]  # type: ignore[arg-type]


def frozen(frames: list[JudgedFrame], press_s: float, state: Exam | None = None) -> tuple[Exam, tuple[Captured, ...]]:
    """What a press leads to after these frames, apart from the machine's own captures."""
    state, watch, _ = watched(state or exam(), Watch(), *frames)
    watch = freeze_pressed(state, watch, press_s, "operator")
    watch, events = ticked(state, watch, press_s + FREEZE_AFTER_S)
    assert watch.freeze_s is None
    return after(state, *events), events


def test_a_held_plane_is_captured_once_with_its_best_frame() -> None:
    frames = held(4)
    frames[1] = judged("f1", 1.1, probability=0.99)
    _, _, events = watched(exam(), Watch(), *frames, *held(20, 4))
    assert [(e.plane, e.capture.frame, e.capture.source) for e in events] == [("femur", "f1", "machine")]
    assert not events[0].capture.low_quality


def test_weak_pictures_are_captured_as_low_quality_and_upgraded() -> None:
    weak = [replace(f, quality=replace(WEAK, digest=f.frame)) for f in held(4)]
    state, watch, events = watched(exam(), Watch(), *weak)
    assert [e.capture.low_quality for e in events] == [True]
    state, _, events = watched(state, watch, *held(4, 20))
    assert [e.capture.low_quality for e in events][-1] is False


def test_a_plane_outside_the_coverage_has_no_run() -> None:
    state, watch, _ = watched(exam(covered=("thorax",)), Watch(), *held(8))
    assert run_of_watch(state, watch) is None


@pytest.mark.parametrize("plane", ["thorax", "profile_standard", "not in any protocol"])
def test_a_label_that_answers_no_plane_of_the_protocol_is_not_captured(plane: str) -> None:
    state = exam(protocol=load_protocol("prenatal21"), covered=("TTV", "FL"))
    assert watched(state, Watch(), *held(8, plane=plane))[2] == ()
    assert watched(state, Watch(), *held(8))[2][0].plane == "FL"


def test_without_a_threshold_only_the_freeze_key_keeps_a_frame() -> None:
    state, events = frozen(held(8), 1.7, exam(threshold=None))
    assert [(e.plane, e.capture.confidence) for e in events] == [(None, None)]
    assert len(state.tray) == 1


def test_a_frozen_picture_counts_once() -> None:
    first = judged("f0", 1.0)
    assert watched(exam(), Watch(), first, *(repeated(first, f"r{i}", 1 + i / 10) for i in range(1, 20)))[2] == ()


def test_freeze_takes_the_best_frame_of_a_reached_run_at_full_quality() -> None:
    _, events = frozen(held(6), 1.5)
    assert [(e.plane, e.capture.source, e.capture.low_quality, e.by) for e in events] == [
        ("femur", "freeze", False, "operator")
    ]


def test_freeze_without_k_is_low_quality() -> None:
    _, events = frozen([*held(4, probability=0.1), judged("x", 1.45)], 1.5)
    assert [(e.plane, e.capture.frame, e.capture.low_quality) for e in events] == [("femur", "x", True)]


def test_freeze_takes_frames_that_were_still_under_way() -> None:
    state = exam()
    watch = freeze_pressed(state, Watch(), 1.0, "operator")
    _, _, events = watched(state, watch, judged("f0", 1.1), judged("f1", 1.35))
    assert [e.capture.frame for e in events] == ["f0"]


def test_freeze_of_no_plane_waits_in_the_tray() -> None:
    state, events = frozen(held(4, probability=0.2), 1.3)
    assert [e.plane for e in events] == [None]
    assert [kept.answer for kept in state.tray] == ["not_standard"]


def test_freeze_on_a_picture_that_stands_still_means_the_moment_it_froze() -> None:
    frames = held(6)
    frozen_for_5_s = [repeated(frames[-1], f"r{i}", 1.6 + i / 10) for i in range(50)]
    _, events = frozen([*frames, *frozen_for_5_s], 6.5)
    assert [(e.plane, e.capture.low_quality) for e in events] == [("femur", False)]
    assert events[0].capture.frame in {frame.frame for frame in frames}


def test_freeze_without_a_picture_gives_nothing() -> None:
    assert frozen([], 1.0)[1] == ()
    assert frozen(held(3), 9.0)[1] == ()


def test_a_late_answer_to_a_press_does_not_take_what_came_after() -> None:
    state, watch, _ = watched(exam(), Watch(), judged("f0", 1.0))
    watch = freeze_pressed(state, watch, 1.1, "operator")
    _, _, events = watched(state, watch, judged("much later", 8.0, "thorax"))
    assert [(e.plane, e.capture.frame) for e in events] == [("femur", "f0")]


def test_a_press_before_a_switch_belongs_to_the_fetus_that_was_scanned() -> None:
    state, watch, _ = watched(exam(), Watch(), judged("f0", 1.0))
    watch = freeze_pressed(state, watch, 1.05, "operator")
    state = after(state, event(FetusSwitched, 1.1, fetus=2))
    state, _, events = watched(state, watch, judged("f1", 1.15))
    assert [(e.capture.frame, e.capture.fetus) for e in events] == [("f0", 1)]


def test_frames_of_one_twin_do_not_count_for_the_other() -> None:
    state, watch, events = watched(exam(), Watch(), *held(3))
    state = after(state, event(FetusSwitched, 1.25, fetus=2))
    _, _, later = watched(state, watch, *held(3, 3))
    assert (events, later) == ((), ())
    assert watched(state, watch, *held(4, 3))[2][0].capture.fetus == 2


def test_after_a_correction_the_window_starts_anew() -> None:
    state, watch, (first,) = watched(exam(), Watch(), *held(5))
    state = after(state, event(Unassigned, 1.45, frame=first.capture.frame))
    assert watched(state, watch, *held(3, 5))[2] == ()
    assert len(watched(state, watch, *held(4, 5))[2]) == 1


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.95, ("femur", False)), (0.65, ("femur", True)), (0.3, (None, True))],
)
def test_a_still_is_one_frame_that_was_chosen(probability: float, expected: tuple[str | None, bool]) -> None:
    _, _, events = watched(exam(), Watch(), judged("f0", 1.0, probability=probability, is_chosen=True))
    assert [(e.plane, e.capture.low_quality) for e in events] == [expected]
    assert events[0].capture.source == "store"


def test_a_still_that_arrives_late_is_not_lost() -> None:
    _, watch, events = watched(exam(), Watch(), judged("f0", 5.0), judged("f1", 4.0, is_chosen=True))
    assert [e.capture.frame for e in events] == ["f1"]
    assert watch.latest is not None and watch.latest.frame == "f0"


def test_interleaved_frames_of_two_studies_land_in_their_own_exams() -> None:
    exams = {KEY: exam(), OTHER_KEY: exam(key=OTHER_KEY)}
    watches = {KEY: Watch(), OTHER_KEY: Watch()}
    for i in range(20):
        key, plane = ((KEY, "femur"), (OTHER_KEY, "thorax"))[i % 2]
        frame = judged(f"{plane}{i}", 1 + i / 10, plane, key=key)
        for name in exams:
            watches[name], events = watch_after(exams[name], watches[name], frame)
            exams[name] = after(exams[name], *events)
    captured = {name: {r.plane for r in state.records if r.capture} for name, state in exams.items()}
    assert captured == {KEY: {"femur"}, OTHER_KEY: {"thorax"}}


def test_a_frame_without_a_key_belongs_to_the_open_exam() -> None:
    assert len(watched(exam(), Watch(), *held(4, key=None))[2]) == 1


def test_a_paused_exam_takes_neither_frames_nor_presses() -> None:
    state = after(exam(), event(Paused))
    assert watched(state, Watch(), *held(9))[1:] == (Watch(), ())
    assert freeze_pressed(state, Watch(), 1.0, "operator") == Watch()


def test_a_still_is_taken_during_a_pause_and_not_after_the_end() -> None:
    still = judged("f0", 1.0, is_chosen=True)
    assert len(watched(after(exam(), event(Paused)), Watch(), still)[2]) == 1
    assert watched(after(exam(), event(Ended)), Watch(), still)[2] == ()


def test_a_press_is_answered_before_a_pause_when_asked() -> None:
    state, watch, _ = watched(exam(), Watch(), judged("f0", 1.0))
    _, events = settled(state, freeze_pressed(state, watch, 1.0, "operator"))
    assert [e.capture.frame for e in events] == ["f0"]


def test_the_pictures_of_all_captures_are_among_those_that_were_asked_for() -> None:
    state, watch = exam(), Watch()
    for frame in [*held(6), *held(6, 9, plane="thorax")]:
        wanted = watch.frames | {frame.frame}
        state, watch, events = watched(state, watch, frame)
        assert {e.capture.frame for e in events} <= wanted
