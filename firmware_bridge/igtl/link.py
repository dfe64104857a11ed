"""Connections of OpenIGTLink peers: as server, as client, or both ways at once; one event loop, no frame is kept here.

::

    peer --bytes--> Decoder --IMAGE--> on_image(address, message)
    peer <--------------------- tell(bytes): at most WAITING_BYTES wait for a peer that does not read

Nothing that a peer sends ends the loop; one that cannot be understood, or does not end a message, is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from firmware_bridge.igtl.decoder import Decoder, Message, Tally
from firmware_bridge.igtl.header import StreamError

MAX_PEERS = 8  # with the largest body each 256 MB; a research set-up has two or three
CHUNK_BYTES = 1 << 18
BODY_TIMEOUT_S = 5.0  # for a message that has begun: 26 MB at 100 Mbit/s take 2.1 s
WAITING_BYTES = 16 << 10  # some 20 results; a peer that reads none misses the next ones
RECONNECT_S = 1.0
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}  # a pulled cable is found in 11 s

Network = IPv4Network | IPv6Network


@dataclass
class Counts:
    """Since the start, over all peers.

    Attributes:
        messages: of all connections.
        connections: that were accepted or made.
        refused: connections from an address that may not.
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


@dataclass
class _Peer:
    writer: asyncio.StreamWriter
    decoder: Decoder
    heard_s: float
    is_sender: bool = False


class Link:
    """All peers.

    Attributes:
        counts: what came.
    """

    def __init__(
        self,
        on_image: Callable[[str, Message], None],
        clock: Callable[[], float],
        allowed: tuple[Network, ...] = (),
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        """Nobody is connected.

        Args:
            on_image: called in the loop with the peer's address, for every whole IMAGE; returns at once.
            clock: monotonic, seconds.
            allowed: networks whose addresses may connect; the loopback always may.
            body_timeout_s: for the rest of a message that has begun, seconds.
        """
        self.counts = Counts()
        self._on_image, self._clock, self._allowed = on_image, clock, allowed
        self._body_timeout_s = body_timeout_s
        self._numbers = itertools.count(1)
        self._peers: dict[int, _Peer] = {}

    @property
    def peers(self) -> int:
        """How many are connected."""
        return len(self._peers)

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Accept peers.

        Raises:
            OSError: the address cannot be bound.
        """
        return await asyncio.start_server(self._accepted, host, port, limit=CHUNK_BYTES)

    async def connect(self, host: str, port: int) -> None:
        """Connect to a peer, again and again, until cancelled."""
        while True:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                opening = asyncio.open_connection(host, port, limit=CHUNK_BYTES)
                reader, writer = await asyncio.wait_for(opening, self._body_timeout_s)
                await self._serve(reader, writer)
            await asyncio.sleep(RECONNECT_S)

    def tell(self, data: bytes) -> None:
        """Send results to every peer that reads; in the loop."""
        for peer in self._peers.values():
            transport = peer.writer.transport
            if not transport.is_closing() and transport.get_write_buffer_size() <= WAITING_BYTES:
                peer.writer.write(data)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._may(writer):
            self.counts.refused += 1
            writer.transport.abort()
            return
        if len(self._peers) >= MAX_PEERS:  # the one that never sent a picture and was silent longest makes room
            longest = min(self._peers, key=lambda number: (self._peers[number].is_sender, self._peers[number].heard_s))
            self._peers.pop(longest).writer.transport.abort()
        await self._serve(reader, writer)

    def _may(self, writer: asyncio.StreamWriter) -> bool:
        address = ip_address(_address(writer))
        mapped = getattr(address, "ipv4_mapped", None) or address
        return mapped.is_loopback or any(mapped in network for network in self._allowed)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, peer = next(self._numbers), _Peer(writer, Decoder(self.counts.messages), self._clock())
        self.counts.connections += 1
        self._peers[number] = peer
        _keep_alive(writer)
        try:
            await self._drain(peer, reader)
        except (OSError, StreamError, asyncio.TimeoutError) as error:
            self.counts.broken += isinstance(error, StreamError)
            self.counts.stalled += isinstance(error, asyncio.TimeoutError)
        except Exception:  # noqa: BLE001  # a mistake of ours in one message must not end the other peers' connections
            self.counts.faults += 1
        finally:
            self._peers.pop(number, None)
            writer.transport.abort()  # nothing is left to say to a peer that went or is not understood

    async def _drain(self, peer: _Peer, reader: asyncio.StreamReader) -> None:
        decoder, begun, since_s = peer.decoder, 0, 0.0
        address = _address(peer.writer)
        while True:
            left_s = max(0.0, since_s + self._body_timeout_s - self._clock()) if decoder.is_within else None
            data = await asyncio.wait_for(reader.read(CHUNK_BYTES), left_s)
            if not data:
                return
            was_within, peer.heard_s = decoder.is_within, self._clock()
            for message in decoder.feed(data):
                peer.is_sender = True
                self._on_image(address, message)
            if not was_within or decoder.begun != begun:  # another message has begun
                begun, since_s = decoder.begun, peer.heard_s


def _address(writer: asyncio.StreamWriter) -> str:
    return str(writer.get_extra_info("peername")[0]).partition("%")[0]


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
