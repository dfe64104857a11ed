"""The plane check as the cart's bridge sees it: two threads that wait for it, so that the link never does.

::

    Watcher: events --newest view--> `newest`        Asker: `ask` --order, one at a time--> `take_answered`
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.errors import EdgeError, MachineError
from edge.service.view import View
from firmware_bridge.cart.line import Waker
from firmware_bridge.cart.messages import Status
from firmware_bridge.cart.shown import Asked
from firmware_bridge.service_client import SILENCE_S, ServiceClient

MAX_ASKED = 16  # a cart waits for each answer: more come only of one that restarts all the time, or that is none


@dataclass(frozen=True)
class Key:
    """One press on one boot of the cart; its number alone starts again with each boot."""

    boot_id: int
    event_id: int

    @property
    def text(self) -> str:
        """For the service: another bridge that hears the press again says the same."""
        return f"cart-{self.boot_id:08x}-{self.event_id}"


@dataclass(frozen=True)
class Done:
    """An order that was carried out, or was not.

    Attributes:
        key: that asked for it.
        order: its name.
        status: what the cart is told.
        error: why it was not carried out.
    """

    key: Key
    order: str
    status: Status
    error: EdgeError | None


class Watcher:
    """Holds the newest view."""

    def __init__(self, path: Path, waker: Waker, clock: Callable[[], float]) -> None:
        """Begin to listen.

        Args:
            path: of the service's socket.
            waker: woken with each view.
            clock: monotonic, seconds.
        """
        self._waker = waker
        self._clock = clock
        self._newest: tuple[View | None, float] = (None, clock())
        self._ends = False
        self._thread = threading.Thread(target=self._run, args=(path,), name="views", daemon=True)
        self._thread.start()

    def newest(self) -> tuple[View | None, float]:
        """The newest view and when it came; None where the service is silent, or where nothing came for SILENCE_S."""
        view, came_s = self._newest
        return (view, came_s) if self._clock() - came_s <= SILENCE_S else (None, came_s)

    def check_alive(self) -> None:
        """Raise a MachineError where the thread has ended by itself."""
        _check(self._thread)

    def end(self) -> None:
        """Take no further view; the thread ends with the next one."""
        self._ends = True

    def _run(self, path: Path) -> None:
        with ServiceClient(path, clock=self._clock) as client:
            for view in client.events():
                if self._ends:
                    return
                self._newest = (view, self._clock())
                self._waker.wake()


class Asker:
    """Carries orders out, one after the other."""

    def __init__(self, path: Path, waker: Waker, clock: Callable[[], float]) -> None:
        """Begin to wait for orders.

        Args:
            path: of the service's socket.
            waker: woken when an order is done.
            clock: monotonic, seconds, the service's.
        """
        self._waker = waker
        self._clock = clock
        self._asked: queue.SimpleQueue[tuple[Key, Asked, float] | None] = queue.SimpleQueue()
        self._done: deque[Done] = deque()
        self._thread = threading.Thread(target=self._run, args=(path,), name="orders", daemon=True)
        self._thread.start()

    def ask(self, key: Key, asked: Asked, until_s: float) -> bool:
        """Carry an order out, or not after `until_s`; the answer comes later. False: too many wait, it is not."""
        if self._asked.qsize() >= MAX_ASKED:
            return False
        self._asked.put((key, asked, until_s))
        return True

    def take_done(self) -> list[Done]:
        """Orders that are done since the last call."""
        return [self._done.popleft() for _ in range(len(self._done))]

    def check_alive(self) -> None:
        """Raise a MachineError where the thread has ended by itself."""
        _check(self._thread)

    def end(self, patience_s: float = 1.0) -> None:
        """Take no further order; one that is under way has some time."""
        self._asked.put(None)
        self._thread.join(patience_s)

    def _run(self, path: Path) -> None:
        with ServiceClient(path) as client:
            while (item := self._asked.get()) is not None:
                key, asked, until_s = item
                status, error = Status.OK, None
                try:
                    client.order(asked.name, asked.fields, key.text, until_s)  # returns when it is durable
                except EdgeError as failure:
                    status, error = Status.STALE if self._clock() > until_s else Status.FAILED, failure
                self._done.append(Done(key, asked.name, status, error))
                self._waker.wake()


def _check(thread: threading.Thread) -> None:
    if not thread.is_alive():
        raise MachineError(f"The bridge's thread {thread.name!r} has ended.", "Start the bridge again, and report it.")
