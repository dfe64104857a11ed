"""What the desk does with the store: opens exams and opens them again, keeps events. Stored first, folded then.

A capture that cannot be kept is counted, and the exam stays what was stored. While the store is not well nothing is
tried for a capture; a small write every PROBE_S tells when it is well again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.audit import UNAUTHENTICATED
from edge.errors import EdgeError, MachineError
from edge.exam import exam_from_opened, state_after
from edge.exam_events import (
    BY_MACHINE,
    Captured,
    ClockRestarted,
    Event,
    ModelChanged,
    Opened,
    OperatorNamed,
    json_from_event,
    kind_from_event,
)
from edge.exam_keys import ExamKey
from edge.exam_marks import Marks, about_from_marks
from edge.exam_replay import stored_exam
from edge.exam_state import Exam
from edge.manifest import Notice
from edge.service.bedside_facts import BedsideFacts
from edge.service.desk_exams import Seat
from edge.service.pictures import jpeg_from_gray
from edge.store_space import OK, PURGE_CURE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge.store import Store

PROBE_S = 2.0  # between two looks at a store that is not well: a page shows within it that the disk has room again
REOPENED_MAX = 16  # a box in use has one or two that are not ended; more were forgotten, and each costs time and memory
ENDED = "ended"  # kind of the event after which an exam is not opened again


class Keeper:
    """Between desk and store; under the desk's lock, but for `probe`.

    Attributes:
        refused: captures that could not be kept.
    """

    def __init__(self, store: Store, facts: BedsideFacts, clock: Callable[[], float], wall: Callable[[], str]) -> None:
        """Nothing is read or written yet; the arguments are the desk's."""
        self.refused = 0
        self._store, self._facts, self._clock, self._wall = store, facts, clock, wall
        self._missed: set[tuple[object, ...]] = set()  # what was counted since the store was well: once, not each frame
        self._probed_s = clock()

    def is_well(self) -> bool:
        """Whether captures are taken."""
        return self._store.state().state == OK

    def check_well(self) -> None:
        """Refuse what would only be lost.

        Raises:
            MachineError: no capture is taken now.
        """
        state = self._store.state()
        if state.state != OK:
            raise MachineError(
                f"The exam store takes no new capture: {state.reason}", PURGE_CURE, f"store_{state.state}"
            )

    def probe(self) -> None:
        """Look at the store, when that is due: where it is not well by a small write."""
        now_s = self._clock()
        if now_s - self._probed_s >= PROBE_S:
            self._probed_s = now_s
            if self.is_well():
                self._missed.clear()
            else:
                self._store.probe()

    def opened(self, key: ExamKey, fetuses: int, operator: str, marks: Marks) -> Seat:
        """A new exam.

        Args:
            key: patient and study.
            fetuses: how many are known.
            operator: id, or "".
            marks: what stands beside its results.

        Raises:
            MachineError: the disk is full or failed.
        """
        facts = self._facts
        about = {"patient": key.patient, "study": key.study, "protocol": facts.protocol.id, **about_from_marks(marks)}
        exam = self._store.new_exam(about, facts.digest, operator or None)
        event = Opened(
            exam, self._clock(), self._wall(), operator or UNAUTHENTICATED, key, facts.protocol,
            facts.covered(facts.protocol), facts.manifest.decision.threshold, facts.digest, fetuses,
        )  # fmt: skip
        opened = exam_from_opened(event)
        self._append(opened, event)
        return Seat(opened)

    def found(self, key: ExamKey, marks: Marks) -> Seat | None:
        """A new exam for a frame of this key; None where the store takes none, which is counted once."""
        if self.is_well():
            try:
                return self.opened(key, 1, self._facts.operator, marks)
            except EdgeError:
                pass
        self._miss(key)
        return None

    def kept(self, seat: Seat, event: Event) -> Seat:
        """The exam after an event of the user or the service; nothing is stored that changes nothing.

        Raises:
            MachineError: the disk is full or failed; the exam is what it was.
        """
        after = state_after(seat.exam, event)
        if after == seat.exam:
            return seat
        self._append(after, event)
        return replace(seat, exam=after)

    def named(self, seat: Seat, by: str) -> Seat:
        """The exam whose operator is the one that an order names; "": it keeps the one it has.

        Raises:
            MachineError: the disk is full or failed; the exam is what it was.
        """
        return self.kept(seat, OperatorNamed(seat.exam.id, self._clock(), self._wall(), by)) if by else seat

    def captured(self, seat: Seat, events: Sequence[Captured]) -> Seat:
        """The exam after captures whose pictures the seat has; those that cannot be kept are counted."""
        for event in events:
            capture = event.capture
            what = (seat.exam.id, event.plane, capture.fetus) if capture.source == BY_MACHINE else (capture.frame,)
            sequence = self._stored(seat.exam, event, seat.pictures[capture.frame])
            if sequence is None:
                self._miss(*what)
                continue
            stored = {**seat.stored, capture.frame: sequence}
            seat = replace(seat, exam=state_after(seat.exam, event), stored=stored)
        return seat

    def reopened(self) -> tuple[tuple[Seat, ...], tuple[Notice, ...]]:
        """Exams that are not ended, the newest last; and what to tell of those that could not be opened again."""
        found = self._store.exams_without(ENDED)
        seats, unread = list[Seat](), list[Notice]()
        for exam in found[-REOPENED_MAX:]:
            try:
                seats.append(self._reopened(exam))
            except (EdgeError, ValueError, TypeError) as error:  # a damaged row may hold any JSON
                cause = error.cause if isinstance(error, EdgeError) else "a stored event is no event."
                zh = f"有一次检查无法重新打开（{exam}），请联系设备管理员。"
                unread.append(Notice(f"Exam {exam} could not be opened again: {cause}", zh))
        if len(found) > REOPENED_MAX:
            more = len(found) - REOPENED_MAX
            en = f"{more} older exams that are not ended stay closed: edge exam list."
            unread.append(Notice(en, f"另有{more}次较早的未结束检查未打开，请联系设备管理员。"))
        return tuple(seats), tuple(unread)

    def picture(self, exam: str, sequence: int) -> bytes:
        """JPEG of an event."""
        return self._store.jpeg(exam, sequence)

    def _reopened(self, exam: str) -> Seat:
        stored, facts = stored_exam(self._store, exam), self._facts
        seat = Seat(stored.exam, stored.pictures, is_changed=True)
        seat = self._kept_always(seat, ClockRestarted(exam, self._clock(), self._wall(), BY_MACHINE))
        covered, threshold = facts.covered(seat.exam.protocol), facts.manifest.decision.threshold
        model = (covered, threshold, facts.digest)
        return self.kept(seat, ModelChanged(exam, self._clock(), self._wall(), BY_MACHINE, *model))

    def _kept_always(self, seat: Seat, event: Event) -> Seat:
        """A new clock is stored though it may change nothing: the times after it are on it."""
        self._append(seat.exam, event)
        return replace(seat, exam=state_after(seat.exam, event))

    def _append(self, exam: Exam, event: Event, jpeg: bytes | None = None) -> int:
        """What the machine does stands under the operator who examines."""
        who = exam.operator if event.by == BY_MACHINE else event.by
        return self._store.append(event.exam, kind_from_event(event), json_from_event(event), jpeg, operator=who)

    def _stored(self, exam: Exam, event: Captured, gray: NDArray[np.uint8]) -> int | None:
        """Sequence number of a capture; None where it could not be kept."""
        if not self.is_well():
            return None
        try:
            return self._append(exam, event, jpeg_from_gray(gray))
        except EdgeError:
            return None

    def _miss(self, *what: object) -> None:
        if what not in self._missed:
            self._missed.add(what)
            self.refused += 1
