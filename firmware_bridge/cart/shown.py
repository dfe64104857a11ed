"""What the cart shows of the plane check, and what its keys mean there; pure.

::

    View --> PlaneResult, Checklist, Health, attention lamp      View, View --> bell      Input, View --> order

In: views of the service, None while it is silent. Out: bodies of the link; an order, or the status that answers a key.
The cart's words are fewer than the page's: where they differ, the cart says less, never more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.checklist import Row
from edge.errors import UsageError
from edge.exam_state import ENDED, PAUSED, PlaneState
from edge.prediction import NOT_COVERED, NOT_STANDARD
from edge.service.view import ExamView, View
from firmware_bridge.cart.messages import (
    Button,
    Checklist,
    Confidence,
    Health,
    Input,
    LampPattern,
    PlaneResult,
    ResultAnswer,
    Signal,
    Status,
)

MAX_ROWS = 32  # bits of a mask
MAX_PLANE_BYTES = 15
STALE_MS = 5000  # an older press would name another picture than the one that was meant
CONFIDENCES: Mapping[str | None, Confidence] = {
    None: Confidence.NONE,
    "low": Confidence.LOW,
    "medium": Confidence.MEDIUM,
    "high": Confidence.HIGH,
}
NO_RESULT = PlaneResult(ResultAnswer.NONE, MAX_ROWS, Confidence.NONE, 0, False, "")
NO_CHECKLIST = Checklist(False, False, 0, 0, 0, 0, 0)
FOOT = ("freeze", "acknowledge", "pause", "none")  # what a foot switch can be


def check_foot(text: str) -> None:
    """Refuse what a foot switch cannot mean.

    Raises:
        UsageError: it is not of FOOT.
    """
    if text not in FOOT:
        raise UsageError(f"A foot switch cannot mean {text!r}.", f"Choose one of: {', '.join(FOOT)}.")


@dataclass(frozen=True)
class Asked:
    """An order of `edge.service.orders`."""

    name: str
    fields: Mapping[str, object]


def result_from_view(view: View) -> PlaneResult:
    """The last answer, as old as it was when the view was made."""
    live = None if view.exam is None else view.exam.checklist.live
    if view.exam is None or live is None:
        return NO_RESULT
    planes = [row.plane for row in rows_from_exam(view.exam)]
    named = {NOT_STANDARD: ResultAnswer.NOT_STANDARD, NOT_COVERED: ResultAnswer.NOT_COVERED}
    answer = named.get(live.answer, ResultAnswer.PLANE)
    is_plane = answer == ResultAnswer.PLANE
    return PlaneResult(
        answer=answer,
        row=planes.index(live.answer) if live.answer in planes else MAX_ROWS,
        confidence=CONFIDENCES[live.confidence] if is_plane else Confidence.NONE,
        age_ms=round(live.age_s * 1000),
        synthetic=view.source.is_demo,
        plane=live.answer[:MAX_PLANE_BYTES] if is_plane and live.answer.isascii() else "",
    )


def checklist_from_view(view: View) -> Checklist:
    """The rows of the fetus that is being scanned, at most 32."""
    if view.exam is None or view.exam.checklist.phase == ENDED:
        return NO_CHECKLIST
    rows = rows_from_exam(view.exam)
    return Checklist(
        is_open=True,
        is_paused=view.exam.checklist.phase == PAUSED,
        total=len(rows),
        captured=_mask([row.state in (PlaneState.CAPTURED, PlaneState.CONFIRMED) for row in rows]),
        low_quality=_mask([row.low_quality for row in rows]),
        not_obtainable=_mask([row.state is PlaneState.NOT_OBTAINABLE for row in rows]),
        not_covered=_mask([row.state is PlaneState.NOT_COVERED for row in rows]),
    )


def health_from_view(view: View | None) -> Health:
    """What the box says of itself; the link fills in the rest. Without an exam there is no result, as on the page."""
    live = None if view is None or view.exam is None else view.exam.checklist.live
    ai_on = view is not None and view.engine.ai_on
    return Health(0, 0, 0, ai_on, live is not None, 0 if live is None else round(live.age_s * 1000))


def lamp_from_view(view: View | None) -> LampPattern:
    """The attention lamp: blinks where somebody must acknowledge another patient's exam, else on where to look."""
    if view is not None and view.exam is not None and view.exam.is_changed:
        return LampPattern.BLINK
    is_well = view is not None and view.store.state == "ok" and view.source.signal in ("running", "ended")
    return LampPattern.OFF if is_well else LampPattern.ON


def bell_from_views(before: View | None, after: View) -> Signal | None:
    """What happened between two views that is worth a sound; nothing where the first one is missing."""
    if before is None or after.exam is None:
        return None
    if after.exam.is_changed and not (before.exam is not None and before.exam.is_changed):
        return Signal.ATTENTION
    if before.exam is None or before.exam.checklist.exam != after.exam.checklist.exam:
        return None
    if after.exam.checklist.left == 0 < before.exam.checklist.left:
        return Signal.COMPLETE
    kept = {(row.plane, row.fetus) for row in before.exam.checklist.rows if row.frame is not None}
    now = {(row.plane, row.fetus) for row in after.exam.checklist.rows if row.frame is not None}
    return Signal.CAPTURED if now - kept else None


def asked_from_input(pressed: Input, view: View | None, foot: str) -> Asked | Status:
    """What a key means.

    Args:
        pressed: what the cart reported.
        view: the newest one; None while the service is silent.
        foot: of FOOT.

    Returns:
        An order, or the status that answers the key at once.
    """
    meanings = {Button.FREEZE: "freeze", Button.FOOT: foot}
    meaning = meanings.get(Button(pressed.button)) if pressed.button in list(Button) else None
    if meaning is None:
        return Status.UNKNOWN
    if not pressed.pressed or meaning == "none":
        return Status.OK
    if pressed.age_ms > STALE_MS:
        return Status.STALE
    if view is None or view.exam is None:
        return Status.FAILED
    checklist = view.exam.checklist
    if meaning == "pause":
        meaning = "continue" if checklist.phase == PAUSED else "pause"
    return Asked(meaning, {"by": "", "exam": checklist.exam})


def rows_from_exam(exam: ExamView) -> list[Row]:
    """The rows that the cart's lamps stand for."""
    return [row for row in exam.checklist.rows if row.fetus == exam.checklist.fetus][:MAX_ROWS]


def _mask(bits: list[bool]) -> int:
    return sum(1 << place for place, bit in enumerate(bits) if bit)
