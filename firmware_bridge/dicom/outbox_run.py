"""The outbox at work: a thread for each destination, so that a dead PACS holds up nobody else.

::

    waiting --due?--> open_line --C-STORE--> TAKEN    delivered
                         |                   REFUSED  dead
                         |                   FAILED   this object waits, longer each time; dead after MAX_ATTEMPTS
                         |                   LOST     the destination waits, then others go first; never given up
                         `- unreachable      BUSY     the destination waits; never given up

Waits are on the monotonic clock and in memory: after a restart everything is due at once. In: outbox, destinations.
Out: deliveries; `told` hears of each round, in numbers only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from edge.errors import EdgeError, TrustError
from firmware_bridge.dicom.outbox import Outbox
from firmware_bridge.dicom.outbox_schema import Counts, State
from firmware_bridge.dicom.send import Destination, Line, UnreachableError, open_line
from firmware_bridge.dicom.send_status import Verdict

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 600.0  # a PACS that was away for a night is found again within ten minutes
MAX_ATTEMPTS = 30  # of an object that fails by itself: 17 minutes of doubling, then 3.3 hours of LONGEST_WAIT_S
POLL_S = 0.5  # how soon a new object is seen
BATCH = 64  # objects an association: none is held for hours

Opener = Callable[[Destination], AbstractContextManager[Line]]


@dataclass
class Patience:
    """Exponential backoff of one thing.

    Attributes:
        failures: in a row.
        until_s: monotonic; nothing is tried before.
    """

    failures: int = 0
    until_s: float = 0.0

    def fail(self, now_s: float) -> None:
        """Wait longer than the last time."""
        self.until_s = now_s + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self.failures, 20))
        self.failures += 1


@dataclass(frozen=True)
class Told:
    """One round of a destination.

    Attributes:
        destination: name.
        sent: objects that it took.
        lost: attempts without an answer.
        counts: after it.
        trouble: "" or "unreachable", "busy", "lost", "failed" or an error's kind.
    """

    destination: str
    sent: int
    lost: int
    counts: Counts
    trouble: str


@dataclass
class Round:
    """What one association came to."""

    sent: int = 0
    lost: int = 0
    trouble: str = ""


@dataclass
class Courier:
    """Delivers to one destination.

    Attributes:
        outbox: what waits.
        destination: for whom.
        clock: monotonic, seconds.
        opener: makes the association.
        patience: with the destination.
        patiences: with objects that failed by themselves.
    """

    outbox: Outbox
    destination: Destination
    clock: Callable[[], float]
    opener: Opener = open_line
    patience: Patience = field(default_factory=Patience)
    patiences: dict[int, Patience] = field(default_factory=dict)

    def deliver(self, stopped: Callable[[], bool] = lambda: False) -> Told | None:
        """Send what is due over one association.

        Args:
            stopped: whether to end after the object under way.

        Returns:
            What it came to; None: nothing was due.

        Raises:
            EdgeError: the outbox cannot be read or written, or the destination makes no sense.
        """
        due = self._due()
        if not due:
            return None
        done = Round()
        try:
            with self.opener(self.destination) as line:
                for number in due:
                    if stopped() or not self._send(line, number, done):
                        break
        except UnreachableError:
            done.trouble = "unreachable"
        if done.sent:
            self.patience = Patience()
            self.outbox.tidy()
        if done.trouble in ("unreachable", "busy", "lost"):
            self.patience.fail(self.clock())
        name = self.destination.name
        return Told(name, done.sent, done.lost, self.outbox.counts(name), done.trouble)

    def _due(self) -> list[int]:
        now_s = self.clock()
        if now_s < self.patience.until_s:
            return []
        patient = sum(patience.until_s > now_s for patience in self.patiences.values())
        waiting = self.outbox.waiting(self.destination.name, BATCH + patient)
        fresh = Patience()
        return [one.number for one in waiting if self.patiences.get(one.number, fresh).until_s <= now_s][:BATCH]

    def _send(self, line: Line, number: int, done: Round) -> bool:
        """Send one object and note it; whether the association is good for another one."""
        try:
            body = self.outbox.body(number)
        except TrustError:  # its file was altered: it can never be sent, and the others shall not wait for it
            self._settle(number, State.DEAD, None)
            done.trouble = "failed"
            return line.is_up
        if body is None:
            return line.is_up
        verdict, status = line.store(body)
        if verdict is Verdict.TAKEN:
            self._settle(number, State.DELIVERED, status)
            done.sent += 1
            return line.is_up
        if verdict is Verdict.BUSY:  # says nothing of the object
            done.trouble = "busy"
            return False
        if verdict is Verdict.LOST:  # says nothing of it either, unless it is what breaks the receiver: others go first
            self._settle(number, State.WAITING, None)
            done.trouble, done.lost = "lost", done.lost + 1
            return False
        patience = self.patiences.setdefault(number, Patience())
        patience.fail(self.clock())
        given_up = verdict is Verdict.REFUSED or patience.failures >= MAX_ATTEMPTS
        self._settle(number, State.DEAD if given_up else State.WAITING, status)
        done.trouble = "failed"
        return line.is_up

    def _settle(self, number: int, state: State, status: int | None) -> None:
        self.outbox.settle(number, self.destination.name, state, status)
        if state is not State.WAITING:
            self.patiences.pop(number, None)


def run_outbox(
    outbox: Outbox,
    destinations: Sequence[Destination],
    stop: threading.Event,
    clock: Callable[[], float],
    told: Callable[[Told], None] = lambda _: None,
) -> None:
    """Deliver until it is told to stop; call it in a thread.

    Args:
        outbox: what waits.
        destinations: each with a thread of its own.
        stop: ends it: the object under way is finished, the others wait in the outbox.
        clock: monotonic, seconds.
        told: hears of every round, from the destinations' threads.

    Raises:
        Exception: a fault of the program in one of the threads; `stop` is set then.
    """
    with ThreadPoolExecutor(max(1, len(destinations)), "outbox") as pool:
        work = [pool.submit(_serve, Courier(outbox, one, clock), stop, told) for one in destinations]
        stop.wait()
    for one in work:
        one.result()


def _serve(courier: Courier, stop: threading.Event, told: Callable[[Told], None]) -> None:
    try:
        _deliver_until(courier, stop, told)
    finally:
        stop.set()  # a fault of the program ends them all: better a bridge that starts again than one half alive


def _deliver_until(courier: Courier, stop: threading.Event, told: Callable[[Told], None]) -> None:
    while not stop.is_set():
        try:
            round_told = courier.deliver(stop.is_set)
        except EdgeError as error:  # a full disk, a certificate that ran out: another try may find it mended
            courier.patience.fail(courier.clock())
            name, kind = courier.destination.name, type(error).__name__
            round_told = Told(name, 0, 0, Counts(0, 0, 0), kind)
        if round_told is not None:
            told(round_told)
        stop.wait(0 if round_told is not None and round_told.sent and not round_told.trouble else POLL_S)
