"""Reading a pipe without ever being stuck in it: every wait has an end, and is cut short when the bridge ends."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

from edge.errors import DeviceError

WAIT_MS = 100  # between two looks whether somebody still wants the bytes
CHUNK_BYTES = 1 << 20  # a pipe holds 64 KB unless it was asked to hold more


class Pipe:
    """A descriptor that bytes come out of; whoever made it closes it."""

    def __init__(
        self,
        descriptor: int,
        silence_s: float,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is read yet.

        Args:
            descriptor: of a pipe, a socket or a terminal.
            silence_s: without a byte for so long the writer has stalled, seconds.
            stop: set when nobody wants the bytes any more.
            clock: monotonic, seconds.
        """
        self._descriptor, self._silence_s, self._stop, self._clock = descriptor, silence_s, stop, clock
        self._waiting = bytearray()

    def exactly(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            DeviceError: the writer went away, or has stalled, or the bridge ends.
        """
        while len(self._waiting) < count:
            self._more()
        return self._taken(count)

    def line(self, limit: int) -> bytes:
        """A line, without its end.

        Args:
            limit: of its length.

        Raises:
            DeviceError: the writer went away or has stalled, or the line is longer.
        """
        while (end := self._waiting.find(b"\n", 0, limit)) < 0:
            if len(self._waiting) >= limit:
                raise DeviceError("What comes out of the pipe is no video.", "Look at the program that writes it.")
            self._more()
        return self._taken(end + 1)[:-1]

    def _taken(self, count: int) -> bytes:
        with memoryview(self._waiting) as waiting:
            taken = bytes(waiting[:count])
        del self._waiting[:count]
        return taken

    def _more(self) -> None:
        ready = select.poll()
        ready.register(self._descriptor, select.POLLIN)
        since_s = self._clock()
        while not ready.poll(WAIT_MS):
            if self._stop.is_set():
                raise DeviceError("The bridge ends.", "Start it again.")
            if self._clock() - since_s > self._silence_s:
                raise DeviceError(
                    f"The pipe has given nothing for {self._silence_s:g} s.", "Look at the program that writes it."
                )
        data = os.read(self._descriptor, CHUNK_BYTES)
        if not data:
            raise DeviceError("The pipe's writer went away.", "Start it again; the bridge opens the pipe anew.")
        self._waiting += data
