"""The running plane check as the API sees it (`edge.service.bedside.Bedside`): desk, box of frames and engine in one.

::

    Status (pump) -. DeskNow (desk) -. StoreState -. BedsideFacts -> View

Nothing here holds a lock of the desk: a page that asks does not hold up a capture.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.checklist import checklist_from_exam, left_from_exam
from edge.errors import UsageError
from edge.manifest import RESEARCH_USE, Notice
from edge.service.bedside_facts import BedsideFacts
from edge.service.bridge_reader import BridgeReader
from edge.service.desk import Desk
from edge.service.desk_exams import DeskNow, Seat
from edge.service.fan_out import SinkCounts
from edge.service.frame import Frame
from edge.service.live import LivePicture
from edge.service.metrics_text import text_from_desk, text_from_sinks, text_from_status
from edge.service.newest import Newest
from edge.service.orders import Order
from edge.service.settlement import SETTLE_S, Settlement
from edge.service.signal_note import SignalNote
from edge.service.status import Status
from edge.service.temperature import load_temperatures
from edge.service.view import SCHEMA, EngineView, ExamView, ModelView, OtherExam, SourceView, StoreView, View

if TYPE_CHECKING:
    from edge.store_space import StoreState


class PlaneCheck:
    """Everything that a page, a cart or a program may do; its methods may be called from any thread."""

    def __init__(
        self,
        desk: Desk,
        newest: Newest,
        facts: BedsideFacts,
        status: Callable[[], Status],
        attention: Callable[[], bytes],
        clock: Callable[[], float],
        temperatures: Callable[[], Mapping[str, float]] = load_temperatures,
        sinks: Callable[[], Mapping[str, SinkCounts]] = dict,
        bridges: BridgeReader | None = None,
    ) -> None:
        """Nothing runs by itself: `run_service` drives pump and desk.

        Args:
            desk: the exams.
            newest: the box of frames; the bridges' go into it, too.
            facts: bundle, source and protocol.
            status: of the pump (`Pump.status`).
            attention: see `Bedside.attention_png` (`MapRequests.png`).
            clock: monotonic, seconds; the one of pump and desk.
            temperatures: zone -> degrees Celsius, for the metrics.
            sinks: what became of what they were given, for the metrics (`FanOut.counts`).
            bridges: watches the bridges' frames, where they are the source; None: the service has its own.
        """
        self._desk, self._newest, self._facts = desk, newest, facts
        self._status, self._attention, self._clock = status, attention, clock
        self._temperatures, self._sinks, self._bridges = temperatures, sinks, bridges
        self._live = LivePicture()
        self._numbers = itertools.count(1)
        self._model = _model_view(facts)

    def view(self) -> View:
        """Everything to show, now."""
        number, now = next(self._numbers), self._desk.now
        status, now_s = self._status(), self._clock()
        shown = None if now.shown is None else _exam_view(now.shown, now_s)
        others = tuple(map(_other, now.others))
        store = _store_view(self._desk.store_state(), now)
        source, engine = self._source_view(status), _engine_view(status)
        return View(SCHEMA, number, RESEARCH_USE, self._model_view(now), source, engine, store, shown, others)

    def carry_out(self, order: Order) -> None:
        """Do what the user said; see `Desk.carry_out`."""
        self._desk.carry_out(order)

    def live_jpeg(self, newer_than: int) -> tuple[int, bytes] | None:
        """Number and JPEG of the newest frame, where it is newer than the caller's."""
        return self._live.jpeg(self._newest.seen, newer_than)

    def attention_png(self) -> bytes:
        """The newest answered frame with the engine's map over it."""
        return self._attention()

    def picture(self, exam: str, frame: str) -> bytes:
        """JPEG of a stored capture; see `Desk.picture`."""
        return self._desk.picture(exam, frame)

    def metrics(self) -> str:
        """Prometheus text."""
        status, now = self._status(), self._desk.now
        own = text_from_status(status, self._temperatures()) + text_from_desk(now, self._desk.store_state())
        return own + text_from_sinks(self._sinks())

    def put_frame(self, frame: Frame) -> bool:
        """Take a bridge's frame; waits while it is a still and the queue is full."""
        is_taken = self._newest.put(frame)
        if is_taken and self._bridges is not None:
            self._bridges.heard(frame)
        return is_taken

    def tell_signal(self, note: SignalNote) -> None:
        """Take what a bridge says of its signal; see `BridgeReader.told`."""
        if self._bridges is None:
            raise UsageError("The service has a source of its own.", "Start it with --source bridge.")
        self._bridges.told(note)

    def settle_frame(self, frame: Frame) -> tuple[bool, str | None]:
        """Take a bridge's frame, and wait until its exam has it."""
        settlement = Settlement()
        taken = self.put_frame(replace(frame, on_settled=settlement.tell))
        return taken, settlement.wait(SETTLE_S) if taken else None

    def _model_view(self, now: DeskNow) -> ModelView:
        """With what must be told of exams that could not be opened again."""
        return self._model if not now.unread else _model_view(self._facts, now.unread)

    def _source_view(self, status: Status) -> SourceView:
        frame, facts = self._newest.seen, self._facts
        scanner = (frame.machine if frame else "") or facts.scanner
        height, width = frame.pixels.shape[:2] if frame else (0, 0)
        return SourceView(
            status.source, status.signal.value, scanner, facts.is_measured_on(scanner), facts.is_demo, facts.credit,
            frame.sequence if frame else None, width, height,
        )  # fmt: skip


def _model_view(facts: BedsideFacts, notices: tuple[Notice, ...] = ()) -> ModelView:
    manifest = facts.manifest
    has_threshold = manifest.decision.threshold is not None
    told = (*facts.notices, *notices)
    return ModelView(
        manifest.name, facts.digest, manifest.planes, has_threshold, manifest.watermark, told, manifest.machines
    )


def _engine_view(status: Status) -> EngineView:
    counters = status.counters
    return EngineView(
        status.child.value, status.ai_on, status.age_s, sum(counters.restarts.values()),
        counters.dropped, counters.answered, status.cause,
    )  # fmt: skip


def _store_view(state: StoreState, now: DeskNow) -> StoreView:
    return StoreView(state.state, state.reason, now.refused)


def _exam_view(seat: Seat, now_s: float) -> ExamView:
    exam = seat.exam
    return ExamView(
        exam.key.patient, exam.key.study, exam.operator, exam.protocol.en, exam.protocol.zh, exam.opened_wall,
        seat.is_changed, checklist_from_exam(exam, now_s, seat.watch),
        tuple(capture.answer for capture in exam.tray), seat.late_stills, seat.watch.freeze_s is not None,
    )  # fmt: skip


def _other(seat: Seat) -> OtherExam:
    exam = seat.exam
    return OtherExam(exam.id, exam.key.patient, exam.key.study, left_from_exam(exam))
