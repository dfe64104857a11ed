"""What each event does to an exam: one function an event, and the table of them.

In: the exam, an event of it, and the time on the exam's own clock. Out: the next exam; the same one where the event
cannot be meant. The reasons stand in `edge/exam.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from edge.audit import UNAUTHENTICATED
from edge.confidence import HIGH
from edge.exam_events import (
    BY_MACHINE,
    BY_STORE,
    Capture,
    Captured,
    Confirmed,
    Continued,
    Ended,
    Event,
    FetusSwitched,
    ModelChanged,
    NotObtainable,
    OperatorNamed,
    Paused,
    Reassigned,
    TakenBack,
    Unassigned,
)
from edge.exam_state import (
    ENDED,
    MAX_FETUSES,
    PAUSED,
    RUNNING,
    Exam,
    PlaneRecord,
    covered_planes,
    is_replaced,
    with_fetuses,
)


def _paused(exam: Exam, event: Paused, at_s: float) -> Exam:
    return replace(exam, phase=PAUSED, stopped_s=at_s) if exam.phase == RUNNING else exam


def _continued(exam: Exam, event: Continued, at_s: float) -> Exam:
    if exam.phase != PAUSED or exam.stopped_s is None:
        return exam
    away_s = at_s - exam.stopped_s
    progress_s = min(at_s, exam.progress_s + away_s)  # a word of the user during the pause was progress, too
    return replace(exam, phase=RUNNING, stopped_s=None, progress_s=progress_s)


def _ended(exam: Exam, event: Ended, at_s: float) -> Exam:
    if exam.phase == ENDED:
        return exam
    return replace(exam, phase=ENDED, stopped_s=at_s if exam.stopped_s is None else exam.stopped_s)


def _model_changed(exam: Exam, event: ModelChanged, at_s: float) -> Exam:
    covered = covered_planes(exam.protocol, event.covered, event.threshold)
    return replace(exam, covered=covered, threshold=event.threshold, bundle=event.bundle)


def _fetus_switched(exam: Exam, event: FetusSwitched, at_s: float) -> Exam:
    if not 1 <= event.fetus <= MAX_FETUSES:
        return exam
    return replace(with_fetuses(exam, event.fetus), fetus=event.fetus)


def _operator_named(exam: Exam, event: OperatorNamed, at_s: float) -> Exam:
    """Somebody only: neither the machine nor nobody takes the place of a person."""
    return exam if event.by in (BY_MACHINE, UNAUTHENTICATED) else replace(exam, operator=event.by)


def _captured(exam: Exam, event: Captured, at_s: float) -> Exam:
    """The machine's only step. A frame that it may not place is dropped; one that the user chose goes to the tray."""
    capture = event.capture
    is_open = exam.phase == RUNNING or (exam.phase == PAUSED and capture.source == BY_STORE)
    if not is_open or not 1 <= capture.fetus <= exam.fetuses:
        return exam
    record = exam.record(event.plane, capture.fetus)
    if (holder := record_of_frame(exam, capture.frame)) is not None and holder != record:
        return exam
    if any(capture.frame == other.frame for other in exam.tray):
        return exam
    placed = None if record is None or record.plane not in exam.covered else _placed(record, capture)
    if record is None or placed is None:
        return _with_tray(exam, [] if holder is not None or capture.source == BY_MACHINE else [capture])
    after = exam.with_record(placed)
    old = [other for other in (record.capture, record.offer) if other is not None and other.frame != capture.frame]
    lost = [other for other in old if record_of_frame(after, other.frame) is None and other.source != BY_MACHINE]
    return _with_tray(after, lost)


def _placed(record: PlaneRecord, capture: Capture) -> PlaneRecord | None:
    """The record with the capture in it, or None where the user's word or a better frame stands against it."""
    if record.confirmed or capture.digest in record.rejected:
        return None
    if record.reason is not None:
        strong = not capture.low_quality and (capture.source != BY_MACHINE or capture.confidence == HIGH)
        is_better = strong and is_replaced(record.offer, capture)
        return replace(record, offer=_newer(record.offer, capture)) if is_better else None
    is_better = is_replaced(record.capture, capture)
    return replace(record, capture=_newer(record.capture, capture)) if is_better else None


def _newer(old: Capture | None, new: Capture) -> Capture:
    """The new capture, or the old one where only the wall clock tells them apart: that is nothing new."""
    return old if old is not None and replace(new, wall=old.wall) == old else new


def _confirmed(exam: Exam, event: Confirmed, at_s: float) -> Exam:
    if (record := exam.record(event.plane, event.fetus)) is None:
        return exam
    capture = record.offer or record.capture
    after = exam.with_record(replace(record, capture=capture, offer=None, reason=None, confirmed=True))
    return _with_tray(after, [record.capture] if record.offer and record.capture else [])


def _not_obtainable(exam: Exam, event: NotObtainable, at_s: float) -> Exam:
    if (record := exam.record(event.plane, event.fetus)) is None:
        return exam
    return exam.with_record(replace(record, confirmed=False, reason=event.reason))


def _taken_back(exam: Exam, event: TakenBack, at_s: float) -> Exam:
    record = exam.record(event.plane, event.fetus)
    if record is None or not (record.confirmed or record.reason is not None):
        return exam
    capture, left = record.capture, record.offer
    if record.offer is not None and is_replaced(record.capture, record.offer):
        capture, left = record.offer, record.capture
    after = exam.with_record(replace(record, capture=capture, offer=None, reason=None, confirmed=False))
    return _corrected(_with_tray(after, [left] if left else []))


def _reassigned(exam: Exam, event: Reassigned, at_s: float) -> Exam:
    found = _frame_taken_out(exam, event.frame)
    if found is None or (target := found[0].record(event.plane, event.fetus)) is None:
        return exam
    rest, capture, home = found
    if home is not None and (home.plane, home.fetus) != (event.plane, event.fetus):
        rest = rest.with_record(_rejecting(rest, home, capture))
    left = [old for old in (target.capture, target.offer) if old is not None]
    rejected = tuple(digest for digest in target.rejected if digest != capture.digest)
    moved = PlaneRecord(event.plane, event.fetus, replace(capture, fetus=event.fetus), True, rejected=rejected)
    after = _with_tray(rest.with_record(moved), left)
    return exam if after == exam else _corrected(after)


def _unassigned(exam: Exam, event: Unassigned, at_s: float) -> Exam:
    found = _frame_taken_out(exam, event.frame)
    if found is None:
        return exam
    rest, capture, home = found
    if home is None:
        return exam
    return _corrected(_with_tray(rest.with_record(_rejecting(rest, home, capture)), [capture]))


def record_of_frame(exam: Exam, frame: str) -> PlaneRecord | None:
    """The record that keeps a frame, as its capture or as its offer."""
    for record in exam.records:
        if any(capture is not None and capture.frame == frame for capture in (record.capture, record.offer)):
            return record
    return None


def _frame_taken_out(exam: Exam, frame: str) -> tuple[Exam, Capture, PlaneRecord | None] | None:
    """The exam without a frame, its capture, and the record that kept it (None: the tray); None if there is none."""
    home = record_of_frame(exam, frame)
    if home is None:
        tray = tuple(capture for capture in exam.tray if capture.frame != frame)
        return next(((replace(exam, tray=tray), c, None) for c in exam.tray if c.frame == frame), None)
    if home.offer is not None and home.offer.frame == frame:
        return exam.with_record(replace(home, offer=None)), home.offer, home
    if home.capture is not None:
        return exam.with_record(replace(home, capture=None, confirmed=False)), home.capture, home
    return None


def _rejecting(exam: Exam, home: PlaneRecord, capture: Capture) -> PlaneRecord:
    """The record as it is in the exam, with a picture that the machine never takes for it again."""
    record = exam.record(home.plane, home.fetus) or home
    return replace(record, rejected=tuple(sorted({*record.rejected, capture.digest})))


def _with_tray(exam: Exam, captures: list[Capture]) -> Exam:
    """The exam with more frames in its tray."""
    return replace(exam, tray=(*exam.tray, *captures)) if captures else exam


def _corrected(exam: Exam) -> Exam:
    return replace(exam, corrections=exam.corrections + 1)


STEPS: Mapping[type[Event], Callable[[Exam, Any, float], Exam]] = {
    Paused: _paused,
    Continued: _continued,
    Ended: _ended,
    ModelChanged: _model_changed,
    FetusSwitched: _fetus_switched,
    OperatorNamed: _operator_named,
    Captured: _captured,
    Confirmed: _confirmed,
    NotObtainable: _not_obtainable,
    TakenBack: _taken_back,
    Reassigned: _reassigned,
    Unassigned: _unassigned,
}
