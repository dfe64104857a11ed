"""The cart's bridge: views of the plane check to lamps and bell, keys of the cart to orders.

::

    service --events--> Watcher --> shown.py --> Link --> cart        cart --> Link --> shown.py --> Asker --> service

In: a line and the plane check. Out: notes of what happened, without a patient in them. A key is acknowledged when its
order is durable, or refused; until then the cart repeats it, and the link drops the repetitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.service.view import View
from firmware_bridge.cart.hello import name_of, refusal_text
from firmware_bridge.cart.line import Line
from firmware_bridge.cart.link_states import Answered, Changed, Delivered, Outcome, Resynced, State
from firmware_bridge.cart.messages import Button, Buzz, Input, Lamp, LampPattern, Led, Signal, Status
from firmware_bridge.cart.outgoing import aged
from firmware_bridge.cart.plane_check import Asker, Key, Watcher
from firmware_bridge.cart.shown import (
    STALE_MS,
    Asked,
    asked_from_input,
    bell_from_views,
    checklist_from_view,
    health_from_view,
    lamp_from_view,
    result_from_view,
)

BELL_S = 1.1  # between two sounds; the firmware rings one a second, and the first may have been held up
LATE_BELL_S = 5.0  # with the link down for so long, a sound would be about another picture


@dataclass(frozen=True)
class Note:
    """Something that happened.

    Attributes:
        event: "ready", "port", "link", "service", "key", "order" or "bell".
        fields: plain values.
    """

    event: str
    fields: Mapping[str, object]


class CartBridge:
    """Joins a line and the plane check; belongs to one thread."""

    def __init__(
        self,
        line: Line,
        watcher: Watcher,
        asker: Asker,
        foot: str,
        note: Callable[[Note], None],
        clock: Callable[[], float],
    ) -> None:
        """Nothing is said yet.

        Args:
            line: with a link of `Role.BOX`.
            watcher: of the service's views.
            asker: of its orders.
            foot: what the foot switch means, of `shown.FOOT`.
            note: told what happened.
            clock: monotonic, seconds.
        """
        self._line = line
        self._watcher = watcher
        self._asker = asker
        self._foot = foot
        self._note = note
        self._clock = clock
        self._view: View | None = None
        self._came_s = -1.0
        self._is_away: bool | None = None
        self._lamp: LampPattern | None = None
        self._rung_s = clock() - BELL_S
        self._bell: Signal | None = None  # that waits for its second
        self._cause = ""

    def turn(self) -> None:
        """Wait for something, at most half a second, and do it.

        Raises:
            MachineError: a thread of this process has ended: start the bridge again.
        """
        self._watcher.check_alive()
        self._asker.check_alive()
        for outcome in self._line.turn():
            self._take(outcome)
        for done in self._asker.take_done():
            peer = self._line.link.peer
            if peer is not None and peer.boot_id == done.key.boot_id:
                self._line.link.answer(done.key.event_id, done.status)
            why = {} if done.error is None else {"error": done.error.cause, "cure": done.error.cure}
            self._tell("order", order=done.order, status=done.status.name.lower(), **why)
        self._show(*self._watcher.newest())
        cause = "" if self._line.cause is None else self._line.cause.cause
        if cause != self._cause:
            self._cause = cause
            if self._line.cause is not None:
                self._tell("port", error=cause, cure=self._line.cause.cure)

    def _take(self, outcome: Outcome) -> None:
        if isinstance(outcome, (Changed, Resynced)):
            self._lamp = None  # whoever is there now is told everything again
        if isinstance(outcome, Changed):
            self._tell(
                "link",
                state=outcome.state.value,
                cart=name_of(outcome.peer),
                reason=refusal_text(outcome.refusal, outcome.peer) if outcome.state is State.REFUSED else "",
            )
        elif isinstance(outcome, Answered) and isinstance(outcome.event, Buzz):
            signal = Signal(outcome.event.signal)
            self._tell("bell", signal=signal.name.lower(), status=_status(outcome.status))
            if outcome.status == Status.RATE_LIMITED and signal is not Signal.CAPTURED:
                self._bell = max(signal, self._bell or signal)  # once more, when the cart rings again
        elif isinstance(outcome, Delivered) and isinstance(outcome.body, Input):
            self._press(outcome.body)

    def _press(self, pressed: Input) -> None:
        peer = self._line.link.peer
        asked = asked_from_input(pressed, self._watcher.newest()[0], self._foot)
        if isinstance(asked, Asked) and peer is not None:
            until_s = self._clock() + (STALE_MS - pressed.age_ms) / 1e3
            if self._asker.ask(Key(peer.boot_id, pressed.event_id), asked, until_s):
                return
            asked = Status.FAILED
        if isinstance(asked, Status):
            self._line.link.answer(pressed.event_id, asked)
            self._tell("key", button=_button(pressed.button), pressed=pressed.pressed, status=_status(asked))

    def _show(self, view: View | None, came_s: float) -> None:
        link, is_away = self._line.link, view is None
        if is_away != self._is_away:
            self._is_away = is_away
            self._tell("service", is_away=is_away)
            if is_away:
                self._view = None
                link.tell(health_from_view(None), self._clock())
        signal = None
        if view is not None and came_s != self._came_s:
            self._came_s = came_s
            now_s = self._clock()
            link.tell(aged(health_from_view(view), now_s - came_s), now_s)
            link.tell(aged(result_from_view(view), now_s - came_s), now_s)
            link.tell(checklist_from_view(view), now_s)
            signal = bell_from_views(self._view, view)
            self._view = view
        self._ring(signal)
        if link.state is not State.UP and self._clock() - self._rung_s > LATE_BELL_S:
            link.withdraw(Buzz)
        lamp = lamp_from_view(view)
        if link.state is State.UP and lamp is not self._lamp and link.post(Led(0, Lamp.ATTENTION, lamp), self._clock()):
            self._lamp = lamp

    def _ring(self, signal: Signal | None) -> None:
        """Ring; what matters more than a capture and comes too soon after another sound waits: the cart drops it."""
        now_s = self._clock()
        if self._line.link.state is not State.UP:
            self._bell = None  # a sound that comes after a reconnect would be about another picture
            return
        if self._bell is Signal.ATTENTION and not (self._view and self._view.exam and self._view.exam.is_changed):
            self._bell = None  # somebody has seen whose exam it is
        is_free = now_s - self._rung_s >= BELL_S
        if signal is not None and (is_free or signal is not Signal.CAPTURED):
            self._bell = max(signal, self._bell or signal)
        if self._bell is not None and is_free:
            self._rung_s = now_s
            self._line.link.post(Buzz(0, self._bell), now_s)
            self._bell = None

    def _tell(self, event: str, **fields: object) -> None:
        self._note(Note(event, fields))


def _button(button: int) -> str:
    return Button(button).name.lower() if button in list(Button) else str(button)


def _status(status: int) -> str:
    return Status(status).name.lower() if status in list(Status) else str(status)
