"""A plane check without a store, an engine or a scanner: real exams, folded by real events, whose frames are scripted.

::

    scan("femur") -> JudgedFrame x n -> watch_after -> Captured -> state_after -.
    orders ----------------------------> events --------------> state_after -+-> View
    show(signal="lost", ...) -> what source, engine and store say -----------'

For the tests of the page and its API, and to look at the page by hand, in any state:

    python -m tests.edge.page.scripted_bedside --port 8711 --state twins --state watermark
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from edge.checklist import checklist_from_exam
from edge.errors import MachineError, UsageError
from edge.exam import Exam, exam_from_opened, state_after
from edge.exam_events import BY_FREEZE, BY_STORE, Captured, Event, Opened, OperatorNamed
from edge.exam_keys import ExamKey
from edge.exam_steps import record_of_frame
from edge.exam_watch import Watch, watch_after
from edge.manifest import RESEARCH_USE
from edge.protocol import Protocol, load_protocol
from edge.service.desk_orders import event_from_order
from edge.service.frame import Frame
from edge.service.orders import Acknowledge, ExamOrder, Freeze, OpenExam, Order
from edge.service.signal_note import SignalNote
from edge.service.view import EngineView, ExamView, ModelView, OtherExam, SourceView, StoreView, View
from tests.edge.exam_simulator import THRESHOLD, capture, judged
from tests.edge.page.scripted_pictures import SIZE_PX, jpeg_of, map_png

WALL = "2026-11-21T10:00:00Z"
BUNDLE = "b0a7" * 16
FRAME_S = 1 / 30


@dataclass(frozen=True)
class Scene:
    """What does not come from exams; `ScriptedBedside.show` replaces fields.

    Attributes:
        answered_age_s: of the last answered frame; None: as the last scan says.
        refusal: what every order raises instead of being carried out.
        engine_away: the map cannot be made.
    """

    model: ModelView
    source: SourceView
    engine: EngineView
    store: StoreView
    answered_age_s: float | None = None
    changed: frozenset[str] = frozenset()
    late_stills: int = 0
    refusal: Exception | None = None
    engine_away: bool = False


class ScriptedBedside:
    """A `Bedside`; thread-safe. Nothing in it moves by itself but the ages."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, protocol: str = "demo") -> None:
        """No exam is open.

        Args:
            clock: monotonic, seconds.
            protocol: of every exam.
        """
        self.protocol: Protocol = load_protocol(protocol)
        self.covered = tuple(plane.id for plane in self.protocol.planes if plane.labels)
        self.taken: list[Frame] = []
        self.orders: list[Order] = []
        self._clock = clock
        self._lock = threading.RLock()
        self._random = random.Random(5)
        self._exams: dict[str, Exam] = {}
        self._watches: dict[str, Watch] = {}
        self._shown: str | None = None
        self._pressed: str | None = None  # exam whose freeze key waits for a frame
        self._number = 0
        self._frame = 0
        self._scene = _first_scene(self.protocol, self.covered)

    # what a script does

    def show(self, **changes: Any) -> None:
        """Change the scene: a field of it, or "source__signal" for a field of a field."""
        with self._lock:
            for name, value in changes.items():
                outer, _, inner = name.partition("__")
                changed = replace(getattr(self._scene, outer), **{inner: value}) if inner else value
                self._scene = replace(self._scene, **{outer: changed})

    def open(self, patient: str = "P-0001", study: str = "S-1", fetuses: int = 1, by: str = "op7") -> str:
        """Open an exam and show it; its id."""
        with self._lock:
            exam = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
            key, threshold = ExamKey(patient, study), THRESHOLD if self._scene.model.has_threshold else None
            opened = Opened(
                exam, self._clock(), WALL, by or "unauthenticated", key, self.protocol, self.covered, threshold, BUNDLE,
                fetuses,
            )  # fmt: skip
            self._exams[exam], self._watches[exam] = exam_from_opened(opened), Watch()
            self._shown = exam
            return exam

    def put_up(self, exam: str, changed: bool = False) -> None:
        """Show an exam; `changed`: as after a frame of another key."""
        with self._lock:
            self._shown = exam
            self._scene = replace(self._scene, changed=self._scene.changed | ({exam} if changed else set()))

    def tick(self, plane: str | None = None, probability: float = 0.9) -> None:
        """One live frame, if source and engine run; with a plane it is answered as that one."""
        with self._lock:
            if self._scene.source.signal != "running" or self._scene.engine.state != "ready":
                return
            self._frame += 1
            self.show(source__frame=self._frame, engine__answered=self._frame)
            if self._shown is not None:
                self._judge(plane or "not_standard", probability if plane else 0.3, self._clock())
            if self._pressed is not None and self._pressed == self._shown:
                live, self._pressed = self._watches[self._pressed].latest, None
                self.press(live.plane if live is not None else None, confidence="medium")

    def scan(self, plane: str, probability: float = 0.9, frames: int = 15) -> None:
        """Half a second of frames of one plane, ending now: it is captured, if it is covered."""
        with self._lock:
            self._watches[self._open_exam().id] = Watch()  # scans in one moment do not share a second
            for index in range(frames):
                self._frame += 1
                self._judge(plane, probability, self._clock() - (frames - 1 - index) * FRAME_S)
            self.show(source__frame=self._frame, engine__answered=self._frame)

    def press(self, plane: str | None = "femur", source: str = BY_FREEZE, **changes: Any) -> str:
        """A frame that the sonographer chose; without a plane it lies in the tray. Its name."""
        with self._lock:
            self._frame += 1
            name = f"k{self._frame:05d}"
            exam = self._open_exam()
            kept = capture(name, fetus=exam.fetus, source=source, answer=plane or "not_standard", **changes)
            self.fold(Captured(exam.id, self._clock(), WALL, "op7", plane, kept))
            return name

    def fold(self, event: Event) -> None:
        """Any event."""
        with self._lock:
            self._exams[event.exam] = state_after(self._exams[event.exam], event)

    def _judge(self, plane: str, probability: float, at_s: float) -> None:
        exam = self._open_exam()
        watch = self._watches[exam.id]
        newest_s = watch.latest.at_s + FRAME_S / 2 if watch.latest is not None else at_s
        frame = judged(f"f{self._frame:05d}", max(at_s, newest_s), plane, probability, key=exam.key, wall=WALL)
        watch, events = watch_after(exam, watch, frame)
        self._watches[exam.id] = watch
        for event in events:
            self.fold(event)

    def _open_exam(self) -> Exam:
        if self._shown is None:
            raise UsageError("No exam is open.", "Open one.")
        return self._exams[self._shown]

    # Bedside

    def view(self) -> View:
        """Everything, now."""
        with self._lock:
            self._number += 1
            scene, exam = self._scene, None if self._shown is None else self._exam_view(self._exams[self._shown])
            live = None if exam is None else exam.checklist.live
            age_s = scene.answered_age_s if live is None or scene.answered_age_s is not None else live.age_s
            engine = replace(scene.engine, age_s=age_s, ai_on=scene.engine.ai_on and age_s is not None and age_s <= 2)
            others = tuple(self._other(e) for e in self._exams.values() if e.id != self._shown and e.phase != "ended")
            return View(1, self._number, RESEARCH_USE, scene.model, scene.source, engine, scene.store, exam, others)

    def carry_out(self, order: Order) -> None:
        """As the desk does, but for the store."""
        with self._lock:
            if self._scene.refusal is not None:
                raise self._scene.refusal
            self.orders.append(order)
            if isinstance(order, OpenExam):
                self.open(order.patient, order.study, order.fetuses, order.by)
            elif isinstance(order, ExamOrder):
                self._carry_out(order)

    def _carry_out(self, order: ExamOrder) -> None:
        exam = self._exams.get(order.exam)
        if exam is None:
            raise UsageError("There is no such exam.", "Load the page again.")
        if isinstance(order, Acknowledge):
            if order.by:
                self.fold(OperatorNamed(exam.id, self._clock(), WALL, order.by))
            self.show(changed=self._scene.changed - {exam.id})
        elif isinstance(order, Freeze):
            self._shown = self._pressed = exam.id
        else:
            self.fold(event_from_order(exam, order, self._clock(), WALL))
            self._shown = exam.id

    def live_jpeg(self, newer_than: int) -> tuple[int, bytes] | None:
        """A drawn picture."""
        with self._lock:
            frame = self._scene.source.frame
        return None if frame is None or frame <= newer_than else (frame, jpeg_of("live", frame))

    def attention_png(self) -> bytes:
        """A drawn map."""
        with self._lock:
            scene = self._scene
        if scene.engine_away:
            raise MachineError("The engine is not there now.", "Wait a moment.")
        if scene.source.frame is None:
            raise UsageError("There is no frame yet.", "Connect a source.")
        return map_png("scripted", scene.source.frame)

    def picture(self, exam: str, frame: str) -> bytes:
        """A drawn picture of a frame that the exam keeps."""
        with self._lock:
            kept = self._exams.get(exam)
        if kept is None or not (record_of_frame(kept, frame) or any(c.frame == frame for c in kept.tray)):
            raise UsageError("There is no such picture.", "Load the page again.")
        return jpeg_of(frame, int(frame[1:]))

    def metrics(self) -> str:
        """One metric."""
        return f"vmamba_edge_frames_total {self._frame}\n"

    def put_frame(self, frame: Frame) -> bool:
        """Keeps it in `taken`."""
        with self._lock:
            self.taken.append(frame)
            if self._shown is not None and frame.is_still:
                self.press(None, BY_STORE)
        return True

    def settle_frame(self, frame: Frame) -> tuple[bool, str | None]:
        """Keeps it in `taken`."""
        return self.put_frame(frame), "kept"

    def tell_signal(self, note: SignalNote) -> None:
        """Shows it."""
        self.show(source__signal=note.signal.value, engine__cause=note.cause)

    def _exam_view(self, exam: Exam) -> ExamView:
        checklist = checklist_from_exam(exam, self._clock(), self._watches[exam.id])
        answers = tuple(kept.answer for kept in exam.tray)
        return ExamView(
            exam.key.patient, exam.key.study, exam.operator, exam.protocol.en, exam.protocol.zh, exam.opened_wall,
            exam.id in self._scene.changed, checklist, answers, self._scene.late_stills,
            self._pressed == exam.id,
        )  # fmt: skip

    def _other(self, exam: Exam) -> OtherExam:
        return OtherExam(exam.id, exam.key.patient, exam.key.study, checklist_from_exam(exam, self._clock()).left)


def _first_scene(protocol: Protocol, covered: tuple[str, ...]) -> Scene:
    labels = tuple(protocol.label_from_id(label) for plane in protocol.planes for label in plane.labels)
    return Scene(
        ModelView("scripted", BUNDLE, labels, True, None, (), ("Voluson E6",)),
        SourceView("camera", "running", "Voluson E6", True, False, "", 0, *SIZE_PX),
        EngineView("ready", True, None, 0, 0, 0, ""),
        StoreView("ok", "", 0),
    )


if __name__ == "__main__":
    from tests.edge.page.scripted_states import main

    main()
