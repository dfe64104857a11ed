"""Events of the peer, each acted on once: what is new, and what a repetition is answered with.

An event's id counts from 1 within the peer's boot. In: events. Out: whether to act, or the Ack to give again.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.cart.messages import Ack, Event


@dataclass(frozen=True)
class Acted:
    """The newest event.

    Attributes:
        event_id: its id.
        sequence: of its message; repetitions keep it.
        status: what it was answered with; None while it is being carried out.
    """

    event_id: int
    sequence: int
    status: int | None


class Incoming:
    """Remembers the newest event of one boot of the peer."""

    def __init__(self) -> None:
        self._last = Acted(0, 0, None)

    def is_new(self, event: Event, sequence: int) -> bool:
        """Whether to act on an event now; then it counts as being carried out."""
        if event.event_id <= self._last.event_id:
            return False
        self._last = Acted(event.event_id, sequence, None)
        return True

    def answer(self, event_id: int, status: int) -> Ack | None:
        """The newest event has been carried out; None where the peer has started anew since, or has a newer one."""
        if event_id != self._last.event_id or self._last.status is not None:
            return None
        self._last = Acted(event_id, self._last.sequence, status)
        return Ack(self._last.sequence, status)

    def again(self, event: Event, sequence: int) -> Ack | None:
        """What to answer a repetition with; None while it is being carried out, or where it is an old one."""
        if event.event_id != self._last.event_id or self._last.status is None:
            return None
        return Ack(sequence, self._last.status)
