"""An exam: which plane of which fetus is missing, captured, confirmed; the fold of its events.

::

                                   k consistent frames            better frame
      not_covered    missing ------------------------> captured_low ----------> captured
                        |  (candidate: while the window is on it, edge/checklist.py)
                        |          the user, from any state: final for the machine
                        `--------> confirmed | not_obtainable --taken back--> what the frame alone is worth

In: events (`edge/exam_events.py`), each with its own time. Out: the state, and its bytes. `state_after` is pure and
total: an event that makes no sense changes nothing, so that a replay never stops half-way. Decisions:

- A capture (low quality) gives way to any full one, a full one to one that is clearly better; a frame that the
  sonographer chose (freeze, store) gives way to nothing of the machine unless it is of low quality.
- A confirmed plane is never touched by the machine. A plane marked not obtainable stays so; a strong capture is kept
  beside it as an offer, which Confirmed takes and TakenBack uncovers.
- Reassigned moves the frame and confirms the plane it goes to: naming the plane IS the user's word.
- Unassigned moves the frame to the tray, and that picture is never taken for that plane by the machine again.
- A frame that the sonographer chose and no plane keeps lies in the tray, too: what was chosen is not lost.
- A pause is of the live picture: a still image is taken all the same, since a scanner's send queue runs behind.
- The end is final for frames, not for the user: corrections come while the report is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from edge.errors import InputError
from edge.exam_events import ClockRestarted, Event, Opened
from edge.exam_state import MAX_FETUSES, RANK, RUNNING, Exam, PlaneRecord, PlaneState, covered_planes, with_fetuses
from edge.exam_steps import STEPS
from edge.record import bytes_from_record

__all__ = [
    "Exam",
    "PlaneRecord",
    "PlaneState",
    "exam_from_events",
    "exam_from_opened",
    "json_from_exam",
    "progress_age_s",
    "state_after",
]


def exam_from_opened(opened: Opened) -> Exam:
    """An exam at its beginning; a number of fetuses out of range is brought into it."""
    exam = Exam(
        id=opened.exam, key=opened.key, protocol=opened.protocol,
        covered=covered_planes(opened.protocol, opened.covered, opened.threshold),
        threshold=opened.threshold, bundle=opened.bundle, operator=opened.by, opened_wall=opened.wall,
        fetuses=0, fetus=1, phase=RUNNING, records=(), tray=(),
        clock_s=opened.at_s, progress_s=opened.at_s, stopped_s=None, corrections=0,
    )  # fmt: skip
    return with_fetuses(exam, max(1, min(opened.fetuses, MAX_FETUSES)))


def exam_from_events(events: Iterable[Event]) -> Exam:
    """Replay.

    Raises:
        InputError: the first event does not open an exam.
    """
    remaining = iter(events)
    opened = next(remaining, None)
    if not isinstance(opened, Opened):
        raise InputError(
            f"The exam begins with {type(opened).__name__}, expected Opened.", "Restore the store from a copy."
        )
    exam = exam_from_opened(opened)
    for event in remaining:
        exam = state_after(exam, event)
    return exam


def state_after(state: Exam, event: Event) -> Exam:
    """The exam after an event; the same value where the event says nothing new or makes no sense.

    Only `at_s` decides, and it never runs backwards: an earlier time counts as the newest one seen. `wall` is copied
    into records and read by nothing.

    Args:
        state: the exam so far.
        event: of this exam; one of another exam changes nothing.
    """
    step = STEPS.get(type(event))
    if event.exam != state.id or not math.isfinite(event.at_s):
        return state
    if isinstance(event, ClockRestarted):
        return _rebased(state, event.at_s)
    at_s = max(state.clock_s, event.at_s)
    after = state if step is None else step(state, event, at_s)
    if after == state:
        return state
    progress_s = at_s if _has_progressed(state, after) else after.progress_s
    return replace(after, clock_s=at_s, progress_s=progress_s)


def json_from_exam(exam: Exam) -> bytes:
    """Canonical JSON: equal exams have equal bytes."""
    return bytes_from_record(exam)


def progress_age_s(exam: Exam, now_s: float) -> float:
    """Seconds since the last progress, pauses taken out; never negative."""
    return max(0.0, (now_s if exam.stopped_s is None else exam.stopped_s) - exam.progress_s)


def _has_progressed(before: Exam, after: Exam) -> bool:
    """Whether a plane is worth more than before."""
    old = {(record.plane, record.fetus): RANK.get(before.state(record), 0) for record in before.records}
    return any(RANK.get(after.state(r), 0) > old.get((r.plane, r.fetus), 0) for r in after.records)


def _rebased(exam: Exam, at_s: float) -> Exam:
    """The exam on a clock that begins anew; spans stay, and the time that the service was away is not counted."""
    shift_s = at_s - exam.clock_s
    stopped_s = None if exam.stopped_s is None else exam.stopped_s + shift_s
    return replace(exam, clock_s=at_s, progress_s=exam.progress_s + shift_s, stopped_s=stopped_s)
