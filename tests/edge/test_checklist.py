"""What people see: rows, what is left, candidates, and when the AI is off."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from edge.checklist import REGIONS_ZH, checklist_from_exam, left_from_exam
from edge.exam import PlaneState
from edge.exam_events import Confirmed, FetusSwitched, NotObtainable
from edge.exam_watch import JudgedFrame, Watch
from edge.prediction import NOT_COVERED, NOT_STANDARD
from edge.protocol import load_protocol, protocol_names
from edge.record import json_from_record
from tests.edge.exam_simulator import PLANES, after, captured, event, exam, judged, watched

HELD = [judged(f"f{i}", 1 + i / 30) for i in range(5)]


def test_rows_of_one_region_stand_together_in_both_languages() -> None:
    rows = checklist_from_exam(exam(protocol=load_protocol("prenatal21"), covered=("FL",)), 1.0).rows
    regions = [row.region for row in rows]
    assert sum(a != b for a, b in itertools.pairwise(regions)) + 1 == len(set(regions))
    femur = next(row for row in rows if row.plane == "FL")
    assert (femur.region_en, femur.region_zh, femur.zh) == ("Limbs", "四肢", "股骨长轴切面")


@pytest.mark.parametrize("name", protocol_names())
def test_every_region_of_our_protocols_has_a_chinese_name(name: str) -> None:
    assert {plane.region for plane in load_protocol(name).planes} <= set(REGIONS_ZH)


def test_what_is_left_counts_down() -> None:
    state = exam()
    assert checklist_from_exam(state, 1.0).left == len(PLANES)
    state = after(state, captured("f1"), captured("f2", plane="thorax", low_quality=True))
    state = after(state, event(NotObtainable, plane="abdomen", fetus=1, reason="position"))
    shown = checklist_from_exam(state, 5.0)
    assert (shown.left, shown.weak, shown.not_covered, shown.since_progress_s) == (len(PLANES) - 2, 1, 0, 4.0)
    assert left_from_exam(state) == shown.left


def test_planes_that_are_not_covered_are_left_too() -> None:
    shown = checklist_from_exam(exam(threshold=None), 1.0)
    assert (shown.left, shown.not_covered) == (len(PLANES), len(PLANES))
    assert left_from_exam(exam(threshold=None)) == shown.left


def test_twins_have_rows_of_their_own() -> None:
    rows = checklist_from_exam(after(exam(), event(FetusSwitched, fetus=2)), 1.0).rows
    assert [row.fetus for row in rows] == [1] * len(PLANES) + [2] * len(PLANES)


def test_a_plane_is_a_candidate_while_the_window_is_on_it() -> None:
    state, watch, _ = watched(exam(), Watch(), *HELD)
    states = {row.plane: row.state for row in checklist_from_exam(state, 1.2, watch).rows}
    assert [plane for plane, found in states.items() if found is PlaneState.CANDIDATE] == ["femur"]
    assert PlaneState.CANDIDATE not in {row.state for row in checklist_from_exam(state, 9.0, watch).rows}
    assert PlaneState.CANDIDATE not in {row.state for row in checklist_from_exam(state, 1.2).rows}


def test_a_candidate_is_of_the_fetus_that_is_scanned() -> None:
    state, watch, _ = watched(exam(), Watch(), *HELD)
    state = after(state, event(FetusSwitched, 1.2, fetus=2))
    assert PlaneState.CANDIDATE not in {row.state for row in checklist_from_exam(state, 1.2, watch).rows}


@pytest.mark.parametrize(("now_s", "is_off"), [(1.0, False), (3.0, False), (3.01, True), (500.0, True), (-2.0, True)])
def test_a_result_older_than_2_s_is_ai_off(now_s: float, is_off: bool) -> None:
    state, watch, _ = watched(exam(), Watch(), judged("f0", 1.0))
    shown = checklist_from_exam(state, now_s, watch)
    assert shown.is_ai_off is is_off
    assert shown.live is not None and shown.live.age_s == max(0.0, now_s - 1.0)


def test_without_any_result_the_ai_is_off() -> None:
    assert checklist_from_exam(exam(), 0.0, Watch()).is_ai_off


def test_an_offer_and_a_reason_are_shown() -> None:
    state = after(exam(), event(NotObtainable, plane="femur", fetus=1, reason="position"), captured("f1"))
    row = next(row for row in checklist_from_exam(state, 1.0).rows if row.plane == "femur")
    assert (row.state, row.reason, row.offered, row.frame) == (PlaneState.NOT_OBTAINABLE, "position", "f1", None)


def test_no_probability_is_shown() -> None:
    state, watch, _ = watched(after(exam(), captured(), event(Confirmed, plane="femur", fetus=1)), Watch(), *HELD)
    text = json.dumps(json_from_record(checklist_from_exam(state, 1.2, watch)))
    assert "probability" not in text and "0.9" not in text
    assert '"confirmed"' in text and '"high"' in text


def answers(*frames: JudgedFrame) -> list[str]:
    """What is shown after each frame."""
    state, watch, shown = exam(), Watch(), []
    for frame in frames:
        state, watch, _ = watched(state, watch, frame)
        live = checklist_from_exam(state, frame.at_s, watch).live
        shown.append("" if live is None else live.answer)
    return shown


def test_one_frame_that_says_otherwise_does_not_flicker() -> None:
    doubtful = judged("d", 1.2, probability=0.3)
    assert answers(*HELD, doubtful)[-2:] == ["femur", "femur"]


def test_a_probe_that_moved_off_is_told_within_half_a_second() -> None:
    off = [judged(f"o{i}", 1.2 + i / 30, probability=0.3) for i in range(15)]
    assert answers(*HELD, *off)[-1] == NOT_STANDARD


def test_a_frame_that_the_model_has_no_say_in_is_told_at_once() -> None:
    dark = judged("n", 1.2)
    dark = replace(dark, prediction=replace(dark.prediction, accepted=False, answer=NOT_COVERED))
    assert answers(*HELD, dark)[-1] == NOT_COVERED
