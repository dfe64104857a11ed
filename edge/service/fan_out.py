"""Results to every sink, none of which can hold up the others or the service.

::

    take_answer, take_status, take_view --> one slot a kind, latest wins --sink's own thread--> sink

What a slot held when the next came is counted as replaced; a call that raises is counted as failed; one that does not
return shows as hung. Logged are the changes between well and not, never the error's text, which may hold a name.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from edge.service.answer import Answer
from edge.service.log import WORDS, Log
from edge.service.sink import Sink
from edge.service.status import Status
from edge.service.view import View

HUNG_S = 2.0  # a cart that hears nothing for so long shows "AI off"
JOIN_S = 1.0  # for all sinks together at the end; one that hangs is left to the end of the process


@dataclass(frozen=True)
class SinkCounts:
    """What became of what a sink was given.

    Attributes:
        taken: calls that returned.
        replaced: what a newer one of its kind replaced before the sink had time for it.
        failed: calls that raised.
        is_hung: the running call has not returned for HUNG_S.
    """

    taken: int = 0
    replaced: int = 0
    failed: int = 0
    is_hung: bool = False


class Lane:
    """One sink with its slots and its thread."""

    def __init__(self, name: str, sink: Sink, log: Log, clock: Callable[[], float]) -> None:
        """Nothing runs yet.

        Args:
            name: of the sink's kind, for the log.
            sink: entered; its thread leaves it.
            log: told when it stops or starts to work.
            clock: monotonic, seconds.
        """
        self.name = name
        self._sink, self._log, self._clock = sink, log, clock
        self._calls: dict[str, Callable[[Any], None]] = {
            "status": sink.take_status,
            "view": sink.take_view,
            "answer": sink.take_answer,
        }
        self._changed = threading.Condition()
        self._slots: dict[str, Any] = {}
        self._counts = SinkCounts()
        self._since_s: float | None = None  # of the running call
        self._is_well = True
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"sink-{name}", daemon=True)
        self._thread.start()

    def put(self, kind: str, value: Answer | Status | View) -> None:
        """Hand a value over; returns at once.

        Args:
            kind: "status", "view" or "answer".
            value: of that kind.
        """
        with self._changed:
            if kind in self._slots:
                self._counts = replace(self._counts, replaced=self._counts.replaced + 1)
            self._slots[kind] = value
            self._changed.notify()

    def counts(self) -> SinkCounts:
        """What it did so far."""
        with self._changed:
            is_hung = self._since_s is not None and self._clock() - self._since_s > HUNG_S
            return replace(self._counts, is_hung=is_hung)

    def watch(self) -> None:
        """Log a change between well and hung; called now and then, since a hung sink cannot say so itself."""
        if self.counts().is_hung:
            self._told(False, "hung")

    def close(self) -> None:
        """Ask the thread to end; see `join`."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (given := self._next()) is not None:
            kind, value = given
            try:
                self._calls[kind](value)
            except Exception:  # noqa: BLE001  # a sink of another package: its mistake is its own
                self._done(failed=1)
                self._told(False, "failed")
            else:
                self._done(taken=1)
                self._told(True, "")
        with contextlib.suppress(Exception):
            self._sink.__exit__(None, None, None)

    def _next(self) -> tuple[str, Any] | None:
        """The next value with its kind, the state first; None at the end."""
        with self._changed:
            while not self._slots and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            self._since_s = self._clock()
            kind = next(kind for kind in self._calls if kind in self._slots)
            return kind, self._slots.pop(kind)

    def _done(self, taken: int = 0, failed: int = 0) -> None:
        with self._changed:
            self._since_s = None
            counts = self._counts
            self._counts = replace(counts, taken=counts.taken + taken, failed=counts.failed + failed)

    def _told(self, is_well: bool, reason: str) -> None:
        with self._changed:
            if is_well == self._is_well:
                return
            self._is_well = is_well
        if is_well:
            self._log.write("sink_works", sink=self.name)
        else:
            self._log.write("sink_fails", sink=self.name, reason=reason)


class FanOut:
    """All sinks of a service; a context manager that enters them, and ends their threads."""

    def __init__(self, sinks: Iterable[tuple[str, Sink]], log: Log, clock: Callable[[], float]) -> None:
        """Nothing is entered yet.

        Args:
            sinks: name of the kind and the sink.
            log: see `Lane`.
            clock: monotonic, seconds.
        """
        self._sinks, self._log, self._clock = tuple(sinks), log, clock
        self._lanes: list[Lane] = []

    def __enter__(self) -> FanOut:
        """Enter the sinks one after the other; what one raises ends the start, and those before it are left.

        Raises:
            EdgeError: a sink cannot be opened.
        """
        try:
            for name, sink in self._sinks:
                word = name if name in WORDS else "other"
                self._lanes.append(Lane(word, sink.__enter__(), self._log, self._clock))
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def take_answer(self, answer: Answer) -> None:
        """To every sink; returns at once."""
        for lane in self._lanes:
            lane.put("answer", answer)

    def take_status(self, status: Status) -> None:
        """To every sink; returns at once."""
        for lane in self._lanes:
            lane.put("status", status)
            lane.watch()

    def take_view(self, view: View) -> None:
        """To every sink; returns at once."""
        for lane in self._lanes:
            lane.put("view", view)

    def counts(self) -> Mapping[str, SinkCounts]:
        """Of every sink; a second one of a kind has a number behind its name."""
        found: dict[str, SinkCounts] = {}
        for lane in self._lanes:
            name = lane.name if lane.name not in found else f"{lane.name}-{len(found) + 1}"
            found[name] = lane.counts()
        return found

    def _close(self) -> None:
        for lane in self._lanes:
            lane.close()
        end_s = self._clock() + JOIN_S
        for lane in self._lanes:
            lane.join(max(0.0, end_s - self._clock()))
