"""What an order means for an exam: the event, or why it cannot be meant now; pure.

An order that asks for what is so already is an event that changes nothing: whoever calls sees that and stores nothing.
"""

from __future__ import annotations

from edge.audit import UNAUTHENTICATED
from edge.errors import UsageError
from edge.exam_events import (
    Confirmed,
    Continued,
    Ended,
    Event,
    FetusSwitched,
    NotObtainable,
    OperatorNamed,
    Paused,
    Reassigned,
    TakenBack,
    Unassigned,
)
from edge.exam_state import ENDED, MAX_FETUSES, RUNNING, Exam
from edge.exam_steps import record_of_frame
from edge.service.orders import (
    Confirm,
    Continue,
    End,
    ExamOrder,
    GiveUp,
    NameOperator,
    Order,
    Pause,
    Reassign,
    SwitchFetus,
    TakeBack,
    Unassign,
)

SETTLING = (Paused, Ended, FetusSwitched)  # a press of the freeze key before these is about the frames before these


def event_from_order(exam: Exam, order: ExamOrder, at_s: float, wall: str) -> Event:
    """The event of an order.

    Args:
        exam: that the order names.
        order: any but Freeze and Acknowledge, which are no events.
        at_s: monotonic clock, seconds.
        wall: UTC, ISO 8601.

    Raises:
        UsageError: the exam has no such plane, fetus or frame, or does not take the order now.
    """
    if isinstance(order, NameOperator):
        if not order.by:
            raise UsageError("Nobody was named.", "Give an operator's id.", "nobody_named")
        return OperatorNamed(exam.id, at_s, wall, order.by)
    who = (exam.id, at_s, wall, operator_of(exam, order))
    if isinstance(order, End):
        return Ended(*who)
    if isinstance(order, (Pause, Continue, SwitchFetus)):
        check_not_ended(exam)
        if isinstance(order, SwitchFetus):
            return FetusSwitched(*who, _known_or_next(exam, order.fetus))
        return Paused(*who) if isinstance(order, Pause) else Continued(*who)
    if isinstance(order, (Confirm, GiveUp, TakeBack)):
        _check_plane(exam, order.plane, order.fetus)
        if isinstance(order, GiveUp):
            return NotObtainable(*who, order.plane, order.fetus, order.reason)
        return (Confirmed if isinstance(order, Confirm) else TakenBack)(*who, order.plane, order.fetus)
    if isinstance(order, (Reassign, Unassign)):
        _check_frame(exam, order.frame)
        if isinstance(order, Unassign):
            return Unassigned(*who, order.frame)
        _check_plane(exam, order.plane, order.fetus)
        return Reassigned(*who, order.frame, order.plane, order.fetus)
    raise UsageError(f"{type(order).__name__} is no order about an exam's planes.", "Send another order.", "no_order")


def operator_of(exam: Exam, order: Order) -> str:
    """Who did it: the exam's operator where somebody was picked, else who says so."""
    return exam.operator if exam.operator != UNAUTHENTICATED else order.by or UNAUTHENTICATED


def check_not_ended(exam: Exam) -> None:
    """Refuse what only an exam that goes on can take.

    Raises:
        UsageError: it is ended.
    """
    if exam.phase == ENDED:
        raise UsageError("The exam is ended.", "Open an exam; corrections of this one stay possible.", "exam_ended")


def check_running(exam: Exam) -> None:
    """Refuse what needs live frames.

    Raises:
        UsageError: it is ended or paused.
    """
    check_not_ended(exam)
    if exam.phase != RUNNING:
        raise UsageError("The exam is paused.", "Continue it, then press again.", "exam_paused")


def _known_or_next(exam: Exam, fetus: int) -> int:
    """A typing error must not make five fetuses: one is added at a time."""
    if not 1 <= fetus <= min(exam.fetuses + 1, MAX_FETUSES):
        raise UsageError(
            f"The exam has {exam.fetuses} fetus(es); {fetus} is not the next one.", "Add one at a time.", "next_fetus"
        )
    return fetus


def _check_plane(exam: Exam, plane: str, fetus: int) -> None:
    if exam.record(plane, fetus) is None:
        raise UsageError(
            f"The exam has no plane {plane!r} of fetus {fetus}.", "Choose a row of its checklist.", "no_plane"
        )


def _check_frame(exam: Exam, frame: str) -> None:
    if record_of_frame(exam, frame) is None and all(frame != capture.frame for capture in exam.tray):
        raise UsageError(
            f"The exam keeps no frame {frame!r}.", "It may have given way to a better one; look again.", "no_frame"
        )
