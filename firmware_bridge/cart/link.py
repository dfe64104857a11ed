"""The cart link: one table of (happening, state), bytes and the time in, bytes and outcomes out; no I/O, no clock.

::

                 opened              Hello, heard          another major version, schema or role
    CLOSED ---------------> GREETING -----------> UP       any ------------------------> REFUSED
       ^  lost, from any       ^   new boot, silent,  |                                     | a Hello that fits
       `---------------------  `--- retries spent ----'          GREETING, UP <-------------'

Both ends run this: the box with `Role.BOX`, the cart in software with `Role.CART`. The rules stand in proto/cart.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from firmware_bridge.cart.frames import Frames, frame_from_message
from firmware_bridge.cart.hello import refusal_of
from firmware_bridge.cart.incoming import Incoming
from firmware_bridge.cart.link_states import Answered, Changed, Delivered, Happening, Outcome, Resynced, State
from firmware_bridge.cart.messages import (
    Ack,
    Body,
    Buzz,
    Checklist,
    Event,
    Health,
    Hello,
    Input,
    Led,
    Message,
    PlaneResult,
    Refusal,
    TimeSync,
    bytes_from_message,
    message_from_bytes,
)  # fmt: skip
from firmware_bridge.cart.outgoing import Events, Newest, Sequence, aged, ms_from_clock

GREET_S = 0.25  # between two Hellos while the link is not up
REFUSED_GREET_S = 1.0
HEALTH_S = 1.0
SILENCE_S = 2.0  # without any good frame the link is down; the cart shows "AI off"


class Link:
    """One end of the link.

    Attributes:
        state: of the table.
        peer: its last Hello.
        frames: what arrived; counts damaged frames.
    """

    def __init__(self, hello: Hello, now_s: float) -> None:
        """A closed link.

        Args:
            hello: who this side is; what it has heard is filled in.
            now_s: monotonic, seconds.
        """
        self.state = State.CLOSED
        self.peer: Hello | None = None
        self.frames = Frames()
        self._hello = hello
        self._refusal = int(Refusal.NONE)
        self._started_s = now_s
        self._heard_s = now_s
        self._greet_s = now_s
        self._health_s = now_s
        self._health = (Health(0, 0, 0, False, False, 0), now_s)
        self._sequence = Sequence()
        self._events = Events(self._sequence)
        self._newest = Newest()
        self._incoming = Incoming()
        self._written = bytearray()
        self._outcomes: list[Outcome] = []

    def opened(self, now_s: float) -> None:
        """The transport is there."""
        self._written += b"\0"  # ends whatever the line holds of before
        self._step(Happening.OPENED, now_s)

    def lost(self, now_s: float) -> None:
        """The transport is gone."""
        self._step(Happening.LOST, now_s)
        self._written.clear()
        self.frames = Frames(self.frames.damaged)

    def received(self, data: bytes, now_s: float) -> None:
        """Bytes of the transport."""
        for payload in self.frames.feed(data):
            message = message_from_bytes(payload)
            self.frames.damaged += message is None
            if message is not None:
                self._heard_s = now_s  # a sign of life, whether its body is known here or not
                for happening in self._happenings(message):
                    self._step(happening, now_s, message)

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        if self.state is State.UP and now_s - self._heard_s >= SILENCE_S:
            self._step(Happening.SILENT, now_s)
        if now_s >= self._greet_s:
            self._step(Happening.GREET_DUE, now_s)
        if now_s >= self._health_s:
            self._step(Happening.HEALTH_DUE, now_s)
        if self._events.due_s is not None and now_s >= self._events.due_s:
            self._step(Happening.SPENT if self._events.is_spent else Happening.REPEAT_DUE, now_s)
        self._begin(now_s)

    def due_s(self) -> float | None:
        """When `tick` is to be called next; None: not before something happens."""
        if self.state is State.UP:
            dues = (self._health_s, self._heard_s + SILENCE_S, self._events.due_s, self._newest.due_s)
            return min(due for due in dues if due is not None)
        return None if self.state is State.CLOSED else self._greet_s

    def post(self, event: Event, now_s: float) -> bool:
        """Say something that must arrive, once; kept while the link is down. False: the queue is full."""
        is_queued = self._events.post(event, now_s)
        self._begin(now_s)
        return is_queued

    def tell(self, body: PlaneResult | Checklist | Health, now_s: float) -> None:
        """Say something whose newest counts; of a Health this side fills in what it knows itself."""
        if isinstance(body, Health):
            is_turn = body.ai_on != self._health[0].ai_on
            self._health = (body, now_s)
            if is_turn and self.state is State.UP:
                self._step(Happening.HEALTH_DUE, now_s)  # "AI off" does not wait for its second
        else:
            self._newest.tell(body, now_s)
        self._begin(now_s)

    def withdraw(self, kind: type[Event]) -> None:
        """Unsay events of a kind that were not answered: their time has passed."""
        self._events.withdraw(kind)

    def ask_time(self, now_s: float) -> None:
        """Ask for the peer's clock; the answer is delivered."""
        self._send(TimeSync(False, ms_from_clock(now_s), 0))

    def answer(self, event_id: int, status: int) -> None:
        """An event that was delivered has been carried out, durably."""
        ack = self._incoming.answer(event_id, status)
        if ack is not None and self.state is State.UP:
            self._send(ack)

    @property
    def unanswered(self) -> int:
        """Events of this side that were not answered yet."""
        return self._events.count

    def take_written(self) -> bytes:
        """Bytes for the transport."""
        data = bytes(self._written)
        self._written.clear()
        return data

    def take_outcomes(self) -> list[Outcome]:
        """What happened since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _step(self, happening: Happening, now_s: float, message: Message | None = None) -> None:
        """One row of the table; a pair that is not in it means nothing."""
        actions, state = TABLE.get((happening, self.state), ((), self.state))
        before = (self.state, self._refusal)
        self.state = state
        if message is not None and isinstance(message.body, Hello):
            self.peer = message.body
            self._refusal = refusal_of(self._hello, message.body)
        for action in actions:
            action(self, now_s, message)
        if (self.state, self._refusal) != before:
            self._outcomes.append(Changed(self.state, self._refusal, self.peer))

    def _happenings(self, message: Message) -> list[Happening]:
        hello = message.body
        if not isinstance(hello, Hello):
            return [Happening.SAID]
        if refusal_of(self._hello, hello) != Refusal.NONE:
            return [Happening.MISFIT]
        if hello.boot_id == 0:
            return []  # a peer without a boot cannot be told from another one
        is_new = self._hello.heard_boot_id not in (0, hello.boot_id)
        has_heard = hello.heard_boot_id == self._hello.boot_id
        return [Happening.REBORN] * is_new + [Happening.HEARD if has_heard else Happening.MET]

    def _send(self, body: Body) -> None:
        self._write(Message(self._sequence.next(), body))

    def _write(self, message: Message | None) -> None:
        if message is not None:
            self._written += frame_from_message(bytes_from_message(message))

    def _begin(self, now_s: float) -> None:
        if self.state is State.UP:
            self._write(self._events.begun(now_s))
            for body in self._newest.due(now_s):
                self._send(body)

    def _greet(self, now_s: float, message: Message | None) -> None:
        self._greet_s = now_s + (REFUSED_GREET_S if self.state is State.REFUSED else GREET_S)
        self._send(replace(self._hello, ready=self.state is State.UP, refusal=self._own_refusal()))

    def _own_refusal(self) -> int:
        """What this side refuses; a refusal of the peer's is not sent back to it."""
        return int(Refusal.NONE) if self.peer is None else refusal_of(self._hello, replace(self.peer, refusal=0))

    def _renew(self, now_s: float, message: Message | None) -> None:
        """Another cart may be there now; what this one has done is remembered by its boot id."""
        self.peer, self._refusal = None, int(Refusal.NONE)

    def _forget(self, now_s: float, message: Message | None) -> None:
        self._incoming = Incoming()

    def _learn(self, now_s: float, message: Message | None) -> None:
        if self.peer is not None:
            self._hello = replace(self._hello, heard_boot_id=self.peer.boot_id)

    def _answer_hello(self, now_s: float, message: Message | None) -> None:
        if self.peer is not None and not self.peer.ready:
            self._greet(now_s, message)

    def _say_all(self, now_s: float, message: Message | None) -> None:
        """Everything that the peer shows, the Health first: it tells how old the rest is."""
        health, told_s = self._health
        known = replace(health, uptime_s=int(now_s - self._started_s), bad_frames=self.frames.damaged)
        self._health_s = now_s + HEALTH_S
        for body in (aged(known, now_s - told_s), *self._newest.everything(now_s)):
            self._send(body)

    def _resync(self, now_s: float, message: Message | None) -> None:
        if self.peer is not None and not self.peer.ready:
            self._outcomes.append(Resynced())

    def _resume(self, now_s: float, message: Message | None) -> None:
        self._write(self._events.resumed(now_s))
        self._begin(now_s)

    def _repeat(self, now_s: float, message: Message | None) -> None:
        self._write(self._events.repeated(now_s))

    def _rest(self, now_s: float, message: Message | None) -> None:
        self._events.rest()

    def _hear(self, now_s: float, message: Message | None) -> None:
        body = None if message is None else message.body
        if message is None or body is None:
            pass
        elif isinstance(body, Ack):
            event = self._events.answered(body)
            if event is not None:
                self._outcomes.append(Answered(event, body.status))
                self._begin(now_s)
        elif isinstance(body, (Input, Led, Buzz)):
            if self._incoming.is_new(body, message.sequence):
                self._outcomes.append(Delivered(body))
            elif (ack := self._incoming.again(body, message.sequence)) is not None:
                self._send(ack)
        elif isinstance(body, TimeSync) and not body.is_answer:
            self._send(TimeSync(True, ms_from_clock(now_s), body.sent_ms))
        else:
            self._outcomes.append(Delivered(body))


Action = Callable[[Link, float, "Message | None"], None]
_MEET: tuple[Action, ...] = (Link._learn, Link._answer_hello)
_RISE: tuple[Action, ...] = (*_MEET, Link._say_all, Link._resume)
_AGAIN: tuple[Action, ...] = (*_MEET, Link._say_all, Link._resync)
_FALL: tuple[Action, ...] = (Link._rest, Link._greet)
TABLE: Mapping[tuple[Happening, State], tuple[tuple[Action, ...], State]] = {
    (Happening.OPENED, State.CLOSED): ((Link._renew, Link._greet), State.GREETING),
    (Happening.LOST, State.GREETING): ((), State.CLOSED),
    (Happening.LOST, State.UP): ((Link._rest,), State.CLOSED),
    (Happening.LOST, State.REFUSED): ((), State.CLOSED),
    (Happening.MET, State.GREETING): (_MEET, State.GREETING),
    (Happening.MET, State.REFUSED): (_MEET, State.GREETING),
    (Happening.MET, State.UP): (_AGAIN, State.UP),
    (Happening.HEARD, State.GREETING): (_RISE, State.UP),
    (Happening.HEARD, State.REFUSED): (_RISE, State.UP),
    (Happening.HEARD, State.UP): (_AGAIN, State.UP),
    (Happening.REBORN, State.GREETING): ((Link._forget,), State.GREETING),
    (Happening.REBORN, State.REFUSED): ((Link._forget,), State.GREETING),
    (Happening.REBORN, State.UP): ((Link._forget, Link._rest), State.GREETING),
    (Happening.MISFIT, State.GREETING): ((Link._greet,), State.REFUSED),
    (Happening.MISFIT, State.UP): (_FALL, State.REFUSED),
    (Happening.MISFIT, State.REFUSED): ((), State.REFUSED),
    (Happening.SAID, State.UP): ((Link._hear,), State.UP),
    (Happening.GREET_DUE, State.GREETING): ((Link._greet,), State.GREETING),
    (Happening.GREET_DUE, State.REFUSED): ((Link._greet,), State.REFUSED),
    (Happening.HEALTH_DUE, State.UP): ((Link._say_all,), State.UP),
    (Happening.REPEAT_DUE, State.UP): ((Link._repeat,), State.UP),
    (Happening.SPENT, State.UP): (_FALL, State.GREETING),
    (Happening.SILENT, State.UP): (_FALL, State.GREETING),
}
