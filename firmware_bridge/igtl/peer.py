"""One connection of an OpenIGTLink peer: bytes into its decoder, an end to every message that has begun.

::

    socket --recv_into--> buffer --> Decoder --IMAGE--> on_image(peer, message)
                                        |
                                        `-- begun, not ended within body_timeout_s, or not understood --> closed

Nothing that a peer sends raises out of here; what it cost stands in the counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from firmware_bridge.igtl.decoder import Decoder, Message, Tally
from firmware_bridge.igtl.header import StreamError

CHUNK_BYTES = 1 << 18  # a read; the second cache holds it until it is decoded
WAITING_BYTES = 16 << 10  # some 20 results; a peer that reads none misses the next ones
SEND_BUFFER_BYTES = 16 << 10  # the system's: a peer that reads again must not meet minutes of old results first
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}  # a pulled cable is found in 11 s


@dataclass
class Counts:
    """Since the start, over all peers.

    Attributes:
        messages: of all connections.
        connections: that were accepted or made.
        refused: connections from an address that may not, or that was gone before it was looked at.
        broken: connections closed since they could not be understood.
        stalled: connections closed in the middle of a message.
        faults: connections closed by a mistake of this program; report them.
    """

    messages: Tally = field(default_factory=Tally)
    connections: int = 0
    refused: int = 0
    broken: int = 0
    stalled: int = 0
    faults: int = 0


class Peer(asyncio.BufferedProtocol):
    """A connection, driven by the event loop.

    Attributes:
        address: of the other end; "" until it is connected, and where it was gone at once.
        heard_s: when bytes last came, monotonic, seconds.
        is_sender: it has sent an IMAGE.
        gone: done when the connection is over.
    """

    def __init__(
        self,
        counts: Counts,
        takes: Callable[[Peer], bool],
        on_image: Callable[[Peer, Message], None],
        clock: Callable[[], float],
        body_timeout_s: float,
    ) -> None:
        """Not connected yet.

        Args:
            counts: shared by all peers.
            takes: whether a peer that has just connected may stay.
            on_image: called for every whole IMAGE; returns at once.
            clock: monotonic, seconds.
            body_timeout_s: for the rest of a message that has begun, seconds.
        """
        self.address, self.heard_s, self.is_sender = "", clock(), False
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._counts, self._takes, self._on_image = counts, takes, on_image
        self._clock, self._body_timeout_s = clock, body_timeout_s
        self._decoder, self._begun = Decoder(counts.messages), 0
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stay, or go at once."""
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")  # None where the peer has gone already
        self.address = str(name[0]).partition("%")[0] if name else ""
        if not self.address or not self._takes(self):
            self._counts.refused += 1
            self.end()
            return
        self._counts.connections += 1
        with contextlib.suppress(OSError):  # it has gone meanwhile: the loop tells
            _set_up(transport.get_extra_info("socket"))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        self.heard_s = self._clock()
        try:
            for message in self._decoder.feed(self._buffer[:nbytes]):
                self.is_sender = True
                self._on_image(self, message)
        except StreamError:
            self._counts.broken += 1
            self.end()
        except Exception:  # noqa: BLE001  # a mistake of ours in one message must not end the other peers' connections
            self._counts.faults += 1
            self.end()
        else:
            self._limit_message()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._be_patient_no_more()
        if not self.gone.done():
            self.gone.set_result(None)

    def tell(self, data: bytes) -> None:
        """Send a result, unless too many wait for a peer that does not read."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > WAITING_BYTES:
            return
        transport.write(data)

    def end(self) -> None:
        """Close at once: nothing is left to say to a peer that is not understood."""
        self._be_patient_no_more()
        if self._transport is not None:
            self._transport.abort()

    def _limit_message(self) -> None:
        """A message that has begun must end in time, however its bytes drip; between messages there is no limit."""
        if self._decoder.begun == self._begun and self._decoder.is_within:
            return
        self._be_patient_no_more()
        self._begun = self._decoder.begun
        if self._decoder.is_within:
            self._patience = self._loop.call_later(self._body_timeout_s, self._stalled)

    def _stalled(self) -> None:
        self._counts.stalled += 1
        self.end()

    def _be_patient_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _set_up(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
