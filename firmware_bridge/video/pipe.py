"""Reading a pipe without ever being stuck in it: every wait has an end, and is cut short when the bridge ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import threading
import time
from collections.abc import Callable

from edge.errors import DeviceError

WAIT_MS = 100  # between two looks whether somebody still wants the bytes
PIPE_BYTES = 1 << 20  # what Linux lets anybody ask for; the usual 64 KB take sixteen times the switches between tasks


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
        self._waiting = bytearray()  # read with a line, behind it
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        with contextlib.suppress(OSError):  # no pipe, or somebody has too many large ones
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def fill(self, buffer: bytearray) -> None:
        """Read as many bytes as a buffer has, into it.

        Raises:
            DeviceError: the writer went away, or has stalled, or the bridge ends.
        """
        done = min(len(self._waiting), len(buffer))
        buffer[:done] = self._waiting[:done]
        del self._waiting[:done]
        with memoryview(buffer) as view:
            while done < len(view):
                with view[done:] as rest:
                    done += self._more(rest)

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
            with memoryview(bytearray(limit)) as more:
                self._waiting += more[: self._more(more)]
        found = bytes(self._waiting[:end])
        del self._waiting[: end + 1]
        return found

    def _more(self, buffer: memoryview) -> int:
        """How many bytes have come into a buffer: one at least."""
        since_s = self._clock()
        while not self._poll.poll(WAIT_MS):
            if self._stop.is_set():
                raise DeviceError("The bridge ends.", "Start it again.")
            if self._clock() - since_s > self._silence_s:
                raise DeviceError(
                    f"The pipe has given nothing for {self._silence_s:g} s.", "Look at the program that writes it."
                )
        count = os.readv(self._descriptor, [buffer])
        if not count:
            raise DeviceError("The pipe's writer went away.", "Start it again; the bridge opens the pipe anew.")
        return count
