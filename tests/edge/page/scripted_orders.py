"""Orders -> events, for the scripted plane check."""

from __future__ import annotations

from edge.errors import UsageError
from edge.exam import Exam
from edge.exam_events import (
    Confirmed,
    Continued,
    Ended,
    Event,
    FetusSwitched,
    NotObtainable,
    Paused,
    Reassigned,
    TakenBack,
    Unassigned,
)
from edge.exam_steps import record_of_frame
from edge.service.orders import (
    Confirm,
    Continue,
    End,
    ExamOrder,
    GiveUp,
    Pause,
    Reassign,
    SwitchFetus,
    TakeBack,
    Unassign,
)


def event_from_order(order: ExamOrder, exam: Exam, at_s: float, wall: str) -> Event | None:
    """The event of an order; None where the order asks for none.

    Raises:
        UsageError: there is no such plane or frame.
    """
    about = (exam.id, at_s, wall, order.by or "unauthenticated")
    if isinstance(order, (Confirm, GiveUp, TakeBack, Reassign)) and exam.record(order.plane, order.fetus) is None:
        raise UsageError("There is no such plane or fetus in the exam.", "Load the page again.")
    if isinstance(order, (Reassign, Unassign)):
        _check_frame(exam, order.frame)
    if isinstance(order, Confirm):
        return Confirmed(*about, order.plane, order.fetus)
    if isinstance(order, GiveUp):
        return NotObtainable(*about, order.plane, order.fetus, order.reason)
    if isinstance(order, TakeBack):
        return TakenBack(*about, order.plane, order.fetus)
    if isinstance(order, Reassign):
        return Reassigned(*about, order.frame, order.plane, order.fetus)
    if isinstance(order, Unassign):
        return Unassigned(*about, order.frame)
    if isinstance(order, SwitchFetus):
        return FetusSwitched(*about, order.fetus)
    kinds: dict[type[ExamOrder], type[Event]] = {Pause: Paused, Continue: Continued, End: Ended}
    kind = kinds.get(type(order))
    return None if kind is None else kind(*about)


def _check_frame(exam: Exam, frame: str) -> None:
    if record_of_frame(exam, frame) is None and all(capture.frame != frame for capture in exam.tray):
        raise UsageError("There is no such picture in the exam.", "Load the page again.")
