"""A cart in software: the state of its lamps, pure; the same link with `Role.CART` below it.

In: what the box said, and the time. Out: what a person at the cart sees and hears. "AI off" is decided here, as the
firmware does: by the link, by Health, and by the age of the newest result, whatever else is alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from firmware_bridge.cart.link_states import State
from firmware_bridge.cart.messages import (
    Body,
    Buzz,
    Checklist,
    Confidence,
    Health,
    Lamp,
    LampPattern,
    Led,
    PlaneResult,
    ResultAnswer,
    Signal,
    Status,
)
from firmware_bridge.cart.shown import MAX_ROWS, NO_CHECKLIST, NO_RESULT

AI_OFF_S = 2.0
BELL_S = 1.0  # between two sounds
BELLS_A_MINUTE = 10
LAMP_S = 0.5  # between two changes of the lamp; the last is kept


@dataclass(frozen=True)
class Lamps:
    """Everything that the box said, and when.

    Attributes:
        result: the last answer.
        result_s: when its frame was taken, on the cart's clock; None: there was none.
        checklist: of the open exam.
        ai_on: of the last Health.
        attention: pattern of the lamp.
        wanted: what it is to become.
        changed_s: when it last changed.
        bells: times of the last sounds, seconds.
        heard: the last signal that rang.
    """

    result: PlaneResult = NO_RESULT
    result_s: float | None = None
    checklist: Checklist = NO_CHECKLIST
    ai_on: bool = False
    attention: int = LampPattern.OFF
    wanted: int = LampPattern.OFF
    changed_s: float = float("-inf")
    bells: tuple[float, ...] = ()
    heard: int = Signal.UNKNOWN


def lamps_after(lamps: Lamps, body: Body, now_s: float) -> tuple[Lamps, Status]:
    """Take something that the box said.

    Returns:
        The new state, and what an event is answered with.
    """
    if isinstance(body, PlaneResult):
        result_s = None if body.answer == ResultAnswer.NONE else now_s - body.age_ms / 1000
        return replace(lamps, result=body, result_s=result_s), Status.OK
    if isinstance(body, Checklist):
        return replace(lamps, checklist=body), Status.OK
    if isinstance(body, Health):
        told_s = now_s - body.result_age_ms / 1000
        known = lamps.result_s is not None and body.has_result
        result_s = min(lamps.result_s or 0.0, told_s) if known else None  # older, never younger: a result may be lost
        return replace(lamps, ai_on=body.ai_on, result_s=result_s), Status.OK
    if isinstance(body, Led):
        if body.lamp != Lamp.ATTENTION or body.pattern not in list(LampPattern):
            return lamps, Status.UNKNOWN
        return replace(lamps, wanted=body.pattern), Status.OK
    if isinstance(body, Buzz):
        return _rung(lamps, body.signal, now_s)
    return lamps, Status.OK


def is_ai_off(lamps: Lamps, state: State, now_s: float) -> bool:
    """Whether the cart shows "AI off"."""
    if state is not State.UP or not lamps.ai_on or lamps.result_s is None:
        return True
    return now_s - lamps.result_s >= AI_OFF_S


def settled(lamps: Lamps, now_s: float) -> Lamps:
    """The attention lamp as it may be by now."""
    if lamps.wanted == lamps.attention or now_s - lamps.changed_s < LAMP_S:
        return lamps
    return replace(lamps, attention=lamps.wanted, changed_s=now_s)


def forgotten(lamps: Lamps, now_s: float) -> Lamps:
    """The link has changed: what an absent box said is not known to be true any more."""
    is_dark = lamps.attention == LampPattern.OFF
    return Lamps(bells=lamps.bells, changed_s=lamps.changed_s if is_dark else now_s)


def document_from_lamps(lamps: Lamps, state: State, now_s: float) -> Mapping[str, object]:
    """What the lamps say, for `--json` and the screen; no ages, so that equal lamps give equal documents."""
    is_off = is_ai_off(lamps, state, now_s)
    names = [_row(lamps.checklist, row) for row in range(min(MAX_ROWS, lamps.checklist.total))]
    return {
        "link": state.value,
        "ai_off": is_off,
        "answer": _name(ResultAnswer, ResultAnswer.NONE if is_off else lamps.result.answer),
        "plane": "" if is_off else lamps.result.plane,
        "row": None if is_off or lamps.result.row >= MAX_ROWS else lamps.result.row,
        "confidence": _name(Confidence, Confidence.NONE if is_off else lamps.result.confidence),
        "synthetic": lamps.result.synthetic,
        "attention": _name(LampPattern, lamps.attention),
        "exam": "none" if not lamps.checklist.is_open else "paused" if lamps.checklist.is_paused else "running",
        "rows": names,
    }


def _row(checklist: Checklist, row: int) -> str:
    masks = {
        "not_obtainable": checklist.not_obtainable,
        "low_quality": checklist.low_quality,
        "captured": checklist.captured,
        "not_covered": checklist.not_covered,
    }
    return next((name for name, mask in masks.items() if mask >> row & 1), "missing")


def _rung(lamps: Lamps, signal: int, now_s: float) -> tuple[Lamps, Status]:
    if signal not in list(Signal) or signal == Signal.UNKNOWN:
        return lamps, Status.UNKNOWN
    bells = tuple(at_s for at_s in lamps.bells if now_s - at_s < 60.0)
    if len(bells) >= BELLS_A_MINUTE or (bells and now_s - bells[-1] < BELL_S):
        return replace(lamps, bells=bells), Status.RATE_LIMITED
    return replace(lamps, bells=(*bells, now_s), heard=signal), Status.OK


def _name(kind: type[ResultAnswer] | type[Confidence] | type[LampPattern], value: int) -> str:
    return kind(value).name.lower() if value in list(kind) else str(value)
