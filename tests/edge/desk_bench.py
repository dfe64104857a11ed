"""A desk with a real store, a clock that a test moves, and frames whose answers a test writes; no engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.exam import Exam
from edge.exam_events import Captured, Event, event_from_json
from edge.exam_keys import ExamKey
from edge.exam_replay import stored_exam
from edge.manifest import Notice
from edge.prediction import Prediction
from edge.service.answer import Answer
from edge.service.bedside_facts import BedsideFacts
from edge.service.desk import Desk
from edge.service.desk_exams import Seat
from edge.service.frame import Frame
from edge.service.orders import OpenExam, Order, order_from_json
from edge.store import Store
from edge.store_space import MIB, Space
from tests.edge.conftest import MANIFEST
from tests.edge.exam_simulator import DEMO, judged
from tests.edge.stored import opened

FRAME_S = 0.1
HOLD = 6  # frames: 0.5 s, enough for a capture
SIDE_PX = 96


@dataclass
class Times:
    """What the clocks tell."""

    now_s: float = 1000.0
    wall: str = "2026-11-21T10:00:00Z"


@dataclass
class Disk:
    """A disk that a test fills."""

    free_bytes: int = 100 * MIB

    @property
    def space(self) -> Space:
        """As the store sees it."""
        return Space(floor_bytes=MIB, reserve_bytes=0, free_bytes=lambda _: self.free_bytes)


def facts(**changes: Any) -> BedsideFacts:
    """The test manifest (abdomen, femur, threshold 0.5) and the demo protocol."""
    told = (Notice("a notice", "一条提示"),)
    made = BedsideFacts("run1", "b" * 64, MANIFEST, told, DEMO, "", "camera", False, "", "")
    return replace(made, **changes)


def picture(seed: int, side_px: int = SIDE_PX) -> NDArray[np.uint8]:
    """Speckle that no other seed has."""
    coarse = np.random.default_rng(seed).integers(30, 120, (side_px // 4, side_px // 4))
    return coarse.repeat(4, 0).repeat(4, 1).astype(np.uint8)


def prediction(plane: str = "femur", probability: float = 0.9) -> Prediction:
    """As the engine says it."""
    return judged("f", 0.0, plane, probability).prediction


@dataclass
class Bench:
    """The desk and what stands around it.

    Attributes:
        live: the frame that a freeze keeps; None: there is none fresh.
        number: of the next frame.
    """

    store: Store
    times: Times = field(default_factory=Times)
    facts: BedsideFacts = field(default_factory=facts)
    live: Frame | None = None
    number: int = 0

    def __post_init__(self) -> None:
        self.desk = Desk(self.store, self.facts, lambda: self.live, lambda: self.times.now_s, lambda: self.times.wall)

    @property
    def shown(self) -> Seat:
        """The exam that is shown."""
        seat = self.desk.now.shown
        assert seat is not None
        return seat

    def open(self, patient: str = "P1", study: str = "", **changes: Any) -> str:
        """Open an exam by hand; its id."""
        self.desk.carry_out(replace(OpenExam("", patient, study, 1), **changes))
        return self.shown.exam.id

    def order(self, name: str, exam: str | None = None, **fields: Any) -> None:
        """An order about an exam, the shown one unless another is named."""
        self.desk.carry_out(order(name, exam=exam or self.shown.exam.id, **fields))

    def frame(self, key: ExamKey | None = None, **changes: Any) -> Frame:
        """The next frame, captured now."""
        self.number += 1
        made = Frame(picture(self.number), self.number, self.times.now_s, "camera", key)
        return replace(made, **changes)

    def answer(self, frame: Frame, said: Prediction | None) -> None:
        """The engine's answer comes 30 ms after the capture."""
        self.desk.take_answer(Answer(frame, said, "" if said else "refused", frame.captured_s + 0.03))

    def scan(self, plane: str = "femur", frames: int = HOLD, key: ExamKey | None = None, **changes: Any) -> None:
        """Live frames of a plane, one every FRAME_S, with the ticks between them."""
        for _ in range(frames):
            self.times.now_s += FRAME_S
            self.live = self.frame(key, **changes)
            self.answer(self.live, prediction(plane))
            self.desk.tick()

    def wait(self, seconds: float) -> None:
        """Time passes without frames."""
        for _ in range(round(seconds / FRAME_S)):
            self.times.now_s += FRAME_S
            self.desk.tick()

    def events(self, exam: str) -> list[Event]:
        """As they are stored."""
        return [event_from_json(stored.event) for stored in self.store.events(exam)]

    def captures(self, exam: str) -> list[tuple[str | None, str]]:
        """Plane and source of the stored captures."""
        return [(e.plane, e.capture.source) for e in self.events(exam) if isinstance(e, Captured)]

    def is_as_stored(self, exam: Exam) -> bool:
        """Whether the exam on the desk is the fold of its stored events."""
        return stored_exam(self.store, exam.id).exam == exam


def order(name: str, **fields: Any) -> Order:
    """As the API reads it."""
    return order_from_json(name, {"by": "", **fields})


@contextmanager
def bench(folder: Path, disk: Disk | None = None, **changes: Any) -> Iterator[Bench]:
    """A desk on a store in this folder, after it opened what was there."""
    options = {} if disk is None else {"space": disk.space}
    with opened(folder / "exams.db", **options) as store:
        made = Bench(store, **changes)
        made.desk.reopen()
        yield made
