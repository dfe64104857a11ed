"""The exam desk: answers and orders in, exams that are on the disk out. Several exams, one of them shown.

::

    Answer -> whose exam? -> quality -> watch -> captures -.
    Order  -----------------------------------> event -----+-> store -> fold -> DeskNow
    tick   -> a press of the freeze key that is due -------'

One lock: each call is done before the next begins. First the store, then the fold: an exam is what was stored.
`DeskNow` is exchanged as a whole, so that who reads it needs no lock.

Freeze: the press waits in the watch for the frames around it, and the newest live frame goes into the queue that drops
nothing, so that the press has a frame however busy or absent the engine is. That frame is a vote like any other: one
press gives one capture. The press is answered FREEZE_AFTER_S later, but not before its frame was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from edge.errors import UsageError
from edge.exam import state_after
from edge.exam_keys import ExamKey, key_from_texts
from edge.exam_state import RUNNING
from edge.exam_watch import freeze_pressed, settled, ticked
from edge.manifest import Notice
from edge.service.answer import Answer
from edge.service.bedside_facts import BedsideFacts
from edge.service.desk_exams import DeskNow, Seat, Turns
from edge.service.desk_frames import seat_after, word_from_seat
from edge.service.desk_keeper import Keeper
from edge.service.desk_orders import SETTLING, check_running, event_from_order, operator_of
from edge.service.frame import Frame
from edge.service.orders import Acknowledge, Continue, ExamOrder, Freeze, OpenExam, Order
from edge.service.settlement import KEPT, NOBODYS, REFUSED

if TYPE_CHECKING:
    from edge.store import Store
    from edge.store_space import StoreState

ENDED_MAX = 64  # exams that stay for corrections and late stills: more than a day has


class Desk:
    """The exams of a running service; its methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        facts: BedsideFacts,
        freeze: Callable[[], Frame | None],
        clock: Callable[[], float],
        wall: Callable[[], str],
    ) -> None:
        """No exam is there yet; `reopen` loads those that are not ended.

        Args:
            store: open for writing.
            facts: bundle, protocol, operator.
            freeze: keeps the newest live frame for the engine (`Pump.freeze`).
            clock: monotonic, seconds: every decision.
            wall: UTC, ISO 8601: records only.
        """
        self._turn = threading.Lock()
        self._store, self._facts, self._freeze, self._clock, self._wall = store, facts, freeze, clock, wall
        self._keeper = Keeper(store, facts, clock, wall)
        self._seats: dict[str, Seat] = {}  # in the order of their opening
        self._shown: str | None = None
        self._turns = Turns()
        self._unread: tuple[Notice, ...] = ()
        self._now = DeskNow()

    @property
    def now(self) -> DeskNow:
        """The exams at this moment; never waits."""
        return self._now

    def store_state(self) -> StoreState:
        """Whether captures are kept; never waits."""
        return self._store.state()

    def reopen(self) -> None:
        """Load the exams of earlier runs that are not ended; called once, before frames come.

        The newest of them is shown, and frames without a key are nobody's until the user acknowledged it: the box may
        have been switched off without an end, and the patient may be another one. An exam that cannot be read is left
        alone and told of.
        """
        with self._turn:
            seats, self._unread = self._keeper.reopened()
            self._seats = {seat.exam.id: seat for seat in seats}
            self._shown = seats[-1].exam.id if seats else None
            self._publish()

    def open_first(self, order: OpenExam) -> None:
        """Open the exam that the service was started with; called once, after `reopen`.

        Where an earlier run left exams, this one may have been started again by itself, hours after somebody typed that
        patient: frames without a key are nobody's until the user acknowledged it.

        Raises:
            UsageError: there can be no such exam.
            MachineError: the disk is full or failed; nothing was changed.
        """
        with self._turn:
            is_doubtful = bool(self._seats or self._unread)
            try:
                self._open(order)
                if is_doubtful and self._shown is not None:
                    self._show(replace(self._seats[self._shown], is_changed=True), self._clock())
            finally:
                self._publish()

    def take_answer(self, answer: Answer) -> None:
        """A frame and what the engine said of it; nothing is raised: a store that fails is a state."""
        frame = answer.frame
        with self._turn:
            if frame.is_freeze:
                self._seats = {exam: seat.without_awaited(frame.sequence) for exam, seat in self._seats.items()}
            seat = self._seat_of(frame)
            word = NOBODYS if frame.key is None else REFUSED
            if seat is not None:
                word = self._answered(seat, answer, frame.name or f"{self._facts.run}-{frame.sequence}")
            self._publish()
        frame.settle(word)

    def carry_out(self, order: Order) -> None:
        """Do what the user said; on return it is durable. What is so already is no mistake.

        Raises:
            UsageError: there is no such exam, plane, fetus or frame, or the exam does not take the order now.
            MachineError: the disk is full or failed; nothing was changed.
        """
        with self._turn:
            try:
                if isinstance(order, OpenExam):
                    self._open(order)
                elif isinstance(order, ExamOrder):
                    self._about_exam(self._named(order.exam), order)
                else:
                    raise UsageError(f"{type(order).__name__} is no order of the desk.", "Send another.", "no_order")
            finally:
                self._publish()

    def tick(self) -> None:
        """What time alone brings; called some ten times a second."""
        now_s = self._clock()
        with self._turn:
            for seat in tuple(self._seats.values()):
                if seat.watch.freeze_s is not None and seat.awaited is None:
                    watch, events = ticked(seat.exam, seat.watch, now_s)
                    seat = self._keeper.captured(replace(seat, watch=watch), events)
                self._put(seat.rested(now_s))
            self._publish()
        self._keeper.probe()

    def settle(self) -> None:
        """Answer the presses of the freeze key that wait: no tick comes after the end of the service."""
        with self._turn:
            for seat in tuple(self._seats.values()):
                self._settled(seat)
            self._publish()

    def picture(self, exam: str, frame: str) -> bytes:
        """JPEG of a stored capture.

        Raises:
            UsageError: there is no such exam or picture.
        """
        sequence = self._named(exam).stored.get(frame)
        if sequence is None:
            raise UsageError(f"The exam has no picture {frame!r}.", "Take a name from its checklist.", "no_frame")
        return self._keeper.picture(exam, sequence)

    def _answered(self, seat: Seat, answer: Answer, name: str) -> str:
        """What became of a frame of this exam; a still that it keeps by this name was sent again."""
        if answer.frame.is_still and name in seat.stored:
            return KEPT
        seat, events = seat_after(seat, answer, name, self._wall())
        seat = self._keeper.captured(seat, events).trimmed()
        self._put(seat)
        return word_from_seat(seat, answer, name, any(event.capture.frame == name for event in events))

    def _seat_of(self, frame: Frame) -> Seat | None:
        """Whose a frame is; one with a key opens or shows its exam. None: nobody's."""
        if frame.key is None:
            return self._seats.get(self._turns.exam_at(frame.captured_s) or "")
        seat = self._seat_of_key(frame.key)
        if seat is None:
            seat = self._keeper.found(frame.key, self._facts.marks(frame.source, frame.machine))
        if seat is None or seat.is_ended or seat.exam.id == self._shown:
            return seat
        seat = replace(seat, is_changed=True)
        self._show(seat, self._clock())
        return seat

    def _seat_of_key(self, key: ExamKey) -> Seat | None:
        """The exam of a key: the one that goes on, else the last that ended."""
        seats = [seat for seat in self._seats.values() if seat.exam.key == key]
        return next((seat for seat in seats if not seat.is_ended), seats[-1] if seats else None)

    def _named(self, exam: str) -> Seat:
        seat = self._seats.get(exam)
        if seat is None:
            raise UsageError("There is no such exam on the desk.", "Take one that the page shows.", "no_exam")
        return seat

    def _open(self, order: OpenExam) -> None:
        key = key_from_texts(order.patient, order.study)
        if key is None:
            raise UsageError("An exam needs a patient or a study.", "Type one of the two ids.", "no_key")
        seat = self._seat_of_key(key)
        if seat is None or seat.is_ended:
            operator = order.by or self._facts.operator
            seat = self._keeper.opened(key, order.fetuses, operator, self._facts.marks("", ""))
        else:
            seat = self._keeper.named(seat, order.by)
        self._show(replace(seat, is_changed=False), self._clock())

    def _about_exam(self, seat: Seat, order: ExamOrder) -> None:
        now_s = self._clock()
        if isinstance(order, Freeze):
            self._press(seat, order, now_s)
        elif isinstance(order, Acknowledge):
            self._acknowledge(seat, order, now_s)
        else:
            event = event_from_order(seat.exam, order, now_s, self._wall())
            if isinstance(event, SETTLING) and state_after(seat.exam, event) != seat.exam:
                seat = self._settled(seat)
            self._put(_turned(seat, self._keeper.kept(seat, event), now_s))
            if isinstance(order, Continue):
                self._show(replace(self._named(order.exam), is_changed=False), now_s)

    def _press(self, seat: Seat, order: Freeze, now_s: float) -> None:
        """The freeze key; a press while another one waits is the same press."""
        check_running(seat.exam)
        if seat.exam.id != self._shown or seat.is_changed:
            raise UsageError("This exam is not the open one.", "Look whose it is, and acknowledge it.", "not_shown")
        if seat.watch.freeze_s is not None:
            return
        self._keeper.check_well()
        frame = self._freeze()
        if frame is None or not self._is_of(seat, frame):
            raise UsageError("There is no fresh picture to keep.", "Look at source and engine.", "no_picture")
        watch = freeze_pressed(seat.exam, seat.watch, now_s, operator_of(seat.exam, order))
        self._put(replace(seat, watch=watch, awaited=frame.sequence))

    def _settled(self, seat: Seat) -> Seat:
        """The exam after the press that waits was answered with the frames that are here."""
        watch, events = settled(seat.exam, seat.watch)
        seat = self._keeper.captured(replace(seat, watch=watch, awaited=None), events)
        self._put(seat)
        return seat

    def _is_of(self, seat: Seat, frame: Frame) -> bool:
        """Whether a frame is of what is scanned now; right after a change the newest one is of what was before."""
        if frame.captured_s < seat.since_s:
            return False
        if frame.key is not None:
            return frame.key == seat.exam.key
        return self._turns.exam_at(frame.captured_s) == seat.exam.id

    def _acknowledge(self, seat: Seat, order: Acknowledge, now_s: float) -> None:
        if seat.exam.id != self._shown:
            raise UsageError("Another exam is shown by now.", "Look whose exam it is.", "not_shown")
        self._show(replace(self._keeper.named(seat, order.by), is_changed=False), now_s)

    def _show(self, seat: Seat, now_s: float) -> None:
        """Show an exam; frames without a key are its own only where a person knows of it."""
        self._put(seat)
        self._shown = seat.exam.id
        self._turns = self._turns.after(now_s, None if seat.is_changed else seat.exam.id)

    def _put(self, seat: Seat) -> None:
        self._seats[seat.exam.id] = seat

    def _publish(self) -> None:
        ended = [seat.exam.id for seat in self._seats.values() if seat.is_ended and seat.exam.id != self._shown]
        for exam in ended[:-ENDED_MAX]:
            del self._seats[exam]
        seats = tuple(self._seats.values())
        others = tuple(seat for seat in seats if not seat.is_ended and seat.exam.id != self._shown)
        late = sum(seat.late_stills for seat in seats)
        shown = self._seats.get(self._shown or "")
        self._now = DeskNow(shown, others, self._keeper.refused, late, self._unread)


def _turned(before: Seat, seat: Seat, now_s: float) -> Seat:
    """The exam after an order, with the time from which its frames count."""
    if seat.exam.fetus != before.exam.fetus:
        return replace(seat, since_s=now_s, fetus_before=before.exam.fetus)
    if seat.exam.phase == RUNNING != before.exam.phase:
        return replace(seat, since_s=now_s, fetus_before=None)
    return seat
