"""What one side has to say: events one at a time until each is answered, and the newest of everything else.

In: bodies and the time. Out: messages that are due. Ages inside a body run on while it waits.

::

    post(event) --queue--> in flight --50 ms without Ack--> the same again, 5 times --> given up: begin with Hello
    tell(body)  --newest of its kind--> at a change, at most 10 a second, and again with each Health
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TypeVar

from firmware_bridge.cart.messages import Ack, Body, Checklist, Event, Health, Input, Led, Message, PlaneResult

REPEAT_S = 0.05  # without an Ack; a round trip takes below 1 ms on a wire, some ms behind a USB hub
REPEATS = 5
SPACING_S = 0.1  # between two of a kind: at most 10 a second, as the views come
QUEUE = 16  # events that wait; more than a person makes while a cart is unplugged for some seconds
MAX_UINT32 = (1 << 32) - 1


T = TypeVar("T", bound=Body)


@dataclass(frozen=True)
class Flight:
    """The event that waits for its Ack.

    Attributes:
        event: as it was posted, with its id.
        sequence: of its message; repetitions keep it.
        posted_s: when it was posted.
        due_s: when it is repeated; None while the link is not up.
        repeats: how often it was repeated since the link came up.
    """

    event: Event
    sequence: int
    posted_s: float
    due_s: float | None
    repeats: int


def aged(body: T, seconds: float) -> T:
    """The body as it is to be sent some seconds after it was made."""
    more_ms = max(0, round(seconds * 1000))
    if isinstance(body, (Input, PlaneResult)):
        return replace(body, age_ms=min(MAX_UINT32, body.age_ms + more_ms))
    if isinstance(body, Health) and body.has_result:
        return replace(body, result_age_ms=min(MAX_UINT32, body.result_age_ms + more_ms))
    return body


def ms_from_clock(now_s: float) -> int:
    """A clock as 32 bits of milliseconds; wraps after 49.7 days."""
    return int(now_s * 1000) & MAX_UINT32


class Sequence:
    """Numbers of the messages of one side."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next number; after 2^32 - 1 comes 1."""
        self._last = self._last % MAX_UINT32 + 1
        return self._last


class Events:
    """Events of this side in their order, one in flight."""

    def __init__(self, sequence: Sequence) -> None:
        """Nothing waits.

        Args:
            sequence: of all that this side sends.
        """
        self._sequence = sequence
        self._waiting: deque[tuple[Event, float]] = deque()
        self._flight: Flight | None = None
        self._last_id = 0

    @property
    def due_s(self) -> float | None:
        """When `repeated` is due."""
        return None if self._flight is None else self._flight.due_s

    @property
    def is_spent(self) -> bool:
        """Whether the event in flight was repeated as often as it may be."""
        return self._flight is not None and self._flight.repeats >= REPEATS

    @property
    def count(self) -> int:
        """Events that are not answered yet."""
        return len(self._waiting) + (self._flight is not None)

    def post(self, event: Event, now_s: float) -> bool:
        """Queue an event; its `event_id` is given when it is first sent.

        Returns:
            Whether there was room. Of one lamp only the newest waits.
        """
        if isinstance(event, Led):
            kept = [item for item in self._waiting if not (isinstance(item[0], Led) and item[0].lamp == event.lamp)]
            self._waiting = deque(kept)
        if len(self._waiting) >= QUEUE:
            return False
        self._waiting.append((event, now_s))
        return True

    def begun(self, now_s: float) -> Message | None:
        """The next event, where none is in flight."""
        if self._flight is not None or not self._waiting:
            return None
        event, posted_s = self._waiting.popleft()
        self._last_id += 1
        numbered = replace(event, event_id=self._last_id)
        self._flight = Flight(numbered, self._sequence.next(), posted_s, now_s + REPEAT_S, 0)
        return self._copy(now_s)

    def resumed(self, now_s: float) -> Message | None:
        """The event in flight once more, with all its repeats before it."""
        if self._flight is None:
            return None
        self._flight = replace(self._flight, due_s=now_s + REPEAT_S, repeats=0)
        return self._copy(now_s)

    def repeated(self, now_s: float) -> Message | None:
        """The event in flight again."""
        if self._flight is None:
            return None
        self._flight = replace(self._flight, due_s=now_s + REPEAT_S, repeats=self._flight.repeats + 1)
        return self._copy(now_s)

    def rest(self) -> None:
        """The link went down: nothing is due until `resumed`."""
        if self._flight is not None:
            self._flight = replace(self._flight, due_s=None)

    def withdraw(self, kind: type[Event]) -> None:
        """Unsay events of a kind that were not answered; whether one of them arrived is not known."""
        self._waiting = deque(item for item in self._waiting if not isinstance(item[0], kind))
        if self._flight is not None and isinstance(self._flight.event, kind):
            self._flight = None

    def answered(self, ack: Ack) -> Event | None:
        """The event that an Ack ends; None where it is about another message."""
        if self._flight is None or self._flight.sequence != ack.sequence:
            return None
        event, self._flight = self._flight.event, None
        return event

    def _copy(self, now_s: float) -> Message | None:
        flight = self._flight
        if flight is None:
            return None
        return Message(flight.sequence, aged(flight.event, now_s - flight.posted_s))


class Newest:
    """The newest of each kind of what is only shown."""

    def __init__(self) -> None:
        self._told: dict[type[Body], tuple[Body, float]] = {}
        self._sent_s: dict[type[Body], float] = {}
        self._changed: set[type[Body]] = set()

    def tell(self, body: PlaneResult | Checklist, now_s: float) -> None:
        """Take the place of the last one of its kind."""
        self._told[type(body)] = (body, now_s)
        self._changed.add(type(body))

    @property
    def due_s(self) -> float | None:
        """When `due` has something."""
        return min((self._sent_s.get(kind, 0.0) + SPACING_S for kind in self._changed), default=None)

    def due(self, now_s: float) -> list[Body]:
        """Changes that may be sent now."""
        kinds = [kind for kind in self._changed if now_s >= self._sent_s.get(kind, 0.0) + SPACING_S]
        return self._taken(kinds, now_s)

    def everything(self, now_s: float) -> list[Body]:
        """All of it, changed or not."""
        return self._taken(list(self._told), now_s)

    def _taken(self, kinds: list[type[Body]], now_s: float) -> list[Body]:
        for kind in kinds:
            self._sent_s[kind] = now_s
            self._changed.discard(kind)
        return [aged(self._told[kind][0], now_s - self._told[kind][1]) for kind in kinds]
