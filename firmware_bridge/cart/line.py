"""A link and the port that it runs over: opened, served, and opened again after an unplug.

::

    turn():  open if there is none -> write -> wait for bytes, a wake or the link's next time -> read -> tick -> write
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable
from types import TracebackType

from edge.errors import PeerError
from firmware_bridge.cart.link import Link
from firmware_bridge.cart.link_states import Outcome
from firmware_bridge.cart.transports import Port

REOPEN_S = 0.2  # between two tries; with one Hello of 0.25 s far within the two seconds of "AI off"
IDLE_S = 0.5  # the longest wait: signals and watchdogs are looked at between two turns


class Waker:
    """Ends a wait from another thread; a context manager."""

    def __init__(self) -> None:
        self._guard, self._is_closed = threading.Lock(), False
        self._in, self._out = os.pipe()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    def __enter__(self) -> Waker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._is_closed = True
            os.close(self._in)
            os.close(self._out)

    def fileno(self) -> int:
        """For `select`."""
        return self._in

    def wake(self) -> None:
        """End the wait that is or that comes next; nothing once this is closed: its number may be another file's."""
        with self._guard, contextlib.suppress(BlockingIOError):  # full of wakes: one is enough
            if not self._is_closed:
                os.write(self._out, b"w")

    def clear(self) -> None:
        """Forget the wakes of before."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._in, 4096)


class Line:
    """Serves one link; belongs to one thread.

    Attributes:
        link: the link.
        cause: why there is no port, or None.
    """

    def __init__(self, link: Link, opener: Callable[[], Port], waker: Waker, clock: Callable[[], float]) -> None:
        """Nothing is open yet.

        Args:
            link: a closed one.
            opener: gives a port, or raises PeerError.
            waker: ends a wait.
            clock: monotonic, seconds.
        """
        self.link = link
        self.cause: PeerError | None = None
        self._opener = opener
        self._waker = waker
        self._clock = clock
        self._port: Port | None = None
        self._retry_s = clock()

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._port is not None:
            self._port.__exit__(None, None, None)
            self._port = None

    def turn(self, longest_s: float = IDLE_S) -> list[Outcome]:
        """Wait for something, and do it.

        Args:
            longest_s: to wait at most, seconds.
        """
        if self._port is None and self._clock() >= self._retry_s:
            self._open()
        try:
            self._write()
            if self._wait(longest_s) and self._port is not None:
                self.link.received(self._port.read(), self._clock())
            self.link.tick(self._clock())
            self._write()
        except PeerError as error:
            self.drop(error)
        return self.link.take_outcomes()

    def drop(self, cause: PeerError) -> None:
        """Close the port; it is opened again."""
        self.__exit__(None, None, None)
        self.cause = cause
        self._retry_s = self._clock() + REOPEN_S
        self.link.lost(self._clock())

    def _open(self) -> None:
        try:
            self._port = self._opener()
        except PeerError as error:
            self.cause = error
            self._retry_s = self._clock() + REOPEN_S
            return
        self.cause = None
        self.link.opened(self._clock())

    def _write(self) -> None:
        if self._port is not None and ((data := self.link.take_written()) or self._port.has_unsent):
            self._port.write(data)

    def _wait(self, longest_s: float) -> bool:
        """Whether the port has bytes."""
        due_s = self._retry_s if self._port is None else self.link.due_s()
        patience_s = longest_s if due_s is None else min(longest_s, max(0.0, due_s - self._clock()))
        waker, ports = self._waker.fileno(), [] if self._port is None else [self._port.fileno()]
        unsent = ports if self._port is not None and self._port.has_unsent else []
        ready, _, _ = select.select([waker, *ports], unsent, [], patience_s)
        if waker in ready:
            self._waker.clear()
        return any(port in ready for port in ports)
