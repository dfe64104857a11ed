"""Connections of OpenIGTLink peers: as server, as client, or both ways at once; one event loop, no frame is kept here.

::

    peer, peer, ... --IMAGE--> on_image(peer's number, message)         --gone--> on_gone(number)
    peer, peer, ... <--------- tell(bytes)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address

from firmware_bridge.igtl.decoder import Message
from firmware_bridge.igtl.peer import Counts, Peer

MAX_PEERS = 8  # with the largest body each 256 MB; a research set-up has two or three
BODY_TIMEOUT_S = 5.0  # for a message that has begun: 26 MB at 100 Mbit/s take 2.1 s
RECONNECT_S = 1.0

Network = IPv4Network | IPv6Network


class Link:
    """All peers.

    Attributes:
        counts: what came.
    """

    def __init__(
        self,
        on_image: Callable[[int, Message], None],
        on_gone: Callable[[int], None],
        clock: Callable[[], float],
        allowed: tuple[Network, ...] = (),
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        """Nobody is connected.

        Args:
            on_image: called in the loop with the connection's number, for every whole IMAGE; returns at once.
            on_gone: called in the loop with the number of a connection that is over.
            clock: monotonic, seconds.
            allowed: networks whose addresses may connect; the loopback always may.
            body_timeout_s: for the rest of a message that has begun, seconds.
        """
        self.counts = Counts()
        self._on_image, self._on_gone, self._clock, self._allowed = on_image, on_gone, clock, allowed
        self._body_timeout_s = body_timeout_s
        self._numbers = itertools.count(1)
        self._peers: dict[Peer, int] = {}
        self._servers: list[asyncio.Server] = []

    @property
    def peers(self) -> int:
        """How many are connected."""
        return len(self._peers)

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Accept peers.

        Raises:
            OSError: the address cannot be bound.
        """
        server = await asyncio.get_running_loop().create_server(lambda: self._peer(self._takes), host, port)
        self._servers.append(server)
        return server

    async def connect(self, host: str, port: int) -> None:
        """Connect to a peer, again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                opening = loop.create_connection(lambda: self._peer(self._seated), host, port)
                _, peer = await asyncio.wait_for(opening, self._body_timeout_s)
                await peer.gone
            await asyncio.sleep(RECONNECT_S)

    def tell(self, data: bytes) -> None:
        """Send results to every peer that reads; in the loop."""
        for peer in self._peers:
            peer.tell(data)

    def close(self) -> None:
        """Accept nobody any more, and end all connections; in the loop."""
        for server in self._servers:
            server.close()
        for peer in self._peers:
            peer.end()

    def _peer(self, takes: Callable[[Peer], bool]) -> Peer:
        return Peer(self.counts, takes, self._imaged, self._clock, self._body_timeout_s)

    def _imaged(self, peer: Peer, message: Message) -> None:
        self._on_image(self._peers[peer], message)

    def _takes(self, peer: Peer) -> bool:
        """Whether a peer that came may stay; the one that never sent a picture and was silent longest makes room."""
        if not self._may(peer.address):
            return False
        if len(self._peers) >= MAX_PEERS:
            longest = min(self._peers, key=lambda one: (one.is_sender, one.heard_s))
            self._left(longest)
            longest.end()
        return self._seated(peer)

    def _seated(self, peer: Peer) -> bool:
        self._peers[peer] = next(self._numbers)
        peer.gone.add_done_callback(lambda _: self._left(peer))
        return True

    def _left(self, peer: Peer) -> None:
        number = self._peers.pop(peer, None)
        if number is not None:
            self._on_gone(number)

    def _may(self, text: str) -> bool:
        address = ip_address(text)
        mapped = getattr(address, "ipv4_mapped", None) or address
        return mapped.is_loopback or any(mapped in network for network in self._allowed)
