"""One HTTP connection of uvicorn with an end to every wait: silence, a slow head, a reader that does not read.

::

    opened --no whole request head in IDLE_S--> closed       too many open: the one that is idle longest goes
    answer under way --peer takes nothing for STALLED_S--> cut off

In: bytes of a stranger. Out: requests for the app; what is no HTTP gets one answer and the connection ends.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.errors import InputError
from edge.page.guard import RAW_HEADERS
from edge.page.replies import ReplyError, reply_from_error

IDLE_S = 10.0  # for the next request head to be whole; a page asks several times a second
STALLED_S = 5.0  # a page that takes nothing for so long is gone or asleep; it opens the stream again
MAX_CONNECTIONS = 128  # a browser opens 6; descriptors of a process are often 1024


class BoundedConnection(H11Protocol):
    """A connection that cannot be held open for nothing."""

    idle_since_s = 0.0
    _patience: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin, and let the longest idle connection go where there are too many."""
        super().connection_made(transport)
        self._await_request()
        if len(self.connections) > MAX_CONNECTIONS:
            mine = [one for one in self.connections if isinstance(one, BoundedConnection) and not one.is_busy]
            min(mine, key=lambda one: one.idle_since_s).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with all timers."""
        for timer in (self._patience, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request; one that was sent ahead is under way already."""
        super().on_response_complete()
        if not self.is_busy:
            self._await_request()

    def pause_writing(self) -> None:
        """The peer takes nothing: wait for it, but not for ever."""
        super().pause_writing()
        self._stall = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The peer reads again."""
        if self._stall is not None:
            self._stall.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; in the midst of an answer there is nothing to say any more."""
        if self.is_busy:
            self.transport.abort()
            return
        self.transport.write(bad_request())
        self.transport.close()

    def _await_request(self) -> None:
        self.idle_since_s = self.loop.time()
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self.loop.call_later(IDLE_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if not self.is_busy:
            self.transport.abort()


def bad_request() -> bytes:
    """The answer to what is no HTTP, as bytes."""
    reply = reply_from_error(ReplyError(400, InputError("That is no HTTP request.", "Speak HTTP/1.1.")))
    head = b"".join(name + b": " + value + b"\r\n" for name, value in [*reply.raw_headers, *RAW_HEADERS])
    return b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + bytes(reply.body)
