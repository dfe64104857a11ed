"""A small exam world for tests: openings, captures and judged frames without a model or a clock of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge.exam import Exam, exam_from_opened, state_after
from edge.exam_events import Capture, Captured, Event, Opened
from edge.exam_keys import ExamKey
from edge.exam_watch import JudgedFrame, Watch, watch_after
from edge.frame_quality import FrameQuality
from edge.prediction import NOT_STANDARD, Prediction
from edge.protocol import load_protocol

THRESHOLD = 0.6
KEY = ExamKey("P1", "1.2.3")
OTHER_KEY = ExamKey("P2", "1.2.4")
DEMO = load_protocol("demo")
PLANES = tuple(plane.id for plane in DEMO.planes)
WALL = "2026-11-21T10:00:00Z"


def opened(**changes: Any) -> Opened:
    """The demo protocol, one fetus, everything covered."""
    event = Opened("exam-1", 0.0, WALL, "operator", KEY, DEMO, PLANES, THRESHOLD, "b" * 64, 1)
    return replace(event, **changes)


def exam(**changes: Any) -> Exam:
    return exam_from_opened(opened(**changes))


def capture(frame: str = "f1", **changes: Any) -> Capture:
    """A full capture of the machine, score 0.72."""
    made = Capture(frame, f"d-{frame}", 1, "femur", 0.9, 0.8, "high", False, "machine", "b" * 64, WALL)
    return replace(made, **changes)


def event(kind: type[Event], at_s: float = 1.0, **fields: Any) -> Event:
    return kind("exam-1", at_s, WALL, "operator", **fields)


def captured(frame: str = "f1", at_s: float = 1.0, plane: str | None = "femur", **changes: Any) -> Event:
    return event(Captured, at_s, plane=plane, capture=capture(frame, **changes))


def after(state: Exam, *events: Event) -> Exam:
    for one in events:
        state = state_after(state, one)
    return state


def judged(frame: str, at_s: float, plane: str = "femur", probability: float = 0.9, **changes: Any) -> JudgedFrame:
    """A frame of a model with a little reject mass; accepted at or above the threshold."""
    accepted = probability >= THRESHOLD
    top = ((plane, probability), ("rest", (1 - probability) / 2))
    prediction = Prediction(plane, probability, accepted, plane if accepted else NOT_STANDARD, top, "", 5.0)
    quality = FrameQuality(0.9, 0.9, 0.9, 1.0, f"d-{frame}")
    return replace(JudgedFrame(frame, KEY, at_s, WALL, prediction, quality), **changes)


def repeated(frame: JudgedFrame, name: str, at_s: float) -> JudgedFrame:
    """The same picture once more, but for a grabber's noise, so that its digest is another."""
    return replace(frame, frame=name, at_s=at_s, quality=replace(frame.quality, fresh=0.3, digest=f"d-{name}"))


def watched(state: Exam, watch: Watch, *frames: JudgedFrame) -> tuple[Exam, Watch, tuple[Captured, ...]]:
    """Exam, watch and all events after frames."""
    events: tuple[Captured, ...] = ()
    for frame in frames:
        watch, new = watch_after(state, watch, frame)
        state, events = after(state, *new), (*events, *new)
    return state, watch, events
