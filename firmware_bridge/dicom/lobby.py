"""Connections that have not asked for anything yet: one thread looks after all of them, and none takes a slot.

::

    accept --> lobby --TLS handshake--> whole A-ASSOCIATE-RQ has come --> let in
                 |  too slow, junk, crowded: closed

An idle socket costs a file descriptor and no thread; stock pynetdicom gives it one of its places for 30 s. Nothing is
read here: the request is looked at in the kernel's buffer, and read by who lets it in.

Source: PS3.8 section 9.3.1: a PDU is its type, a reserved byte, and 4 bytes of length, big-endian; type 01H asks.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

WAIT_S = 3.0  # a scanner asks within milliseconds of connecting; pynetdicom's own 30 s locked everybody out
GUESTS_MAX = 128  # file descriptors; who would be one more pushes out the oldest of the most crowded address
POLL_S = 0.5
HEADER = struct.Struct(">BxI")
ASKS = 0x01
MAX_REQUEST_BYTES = 1 << 16  # 128 presentation contexts with 30 transfer syntaxes each
WHOLE_MAX_BYTES = 1 << 14  # a longer request is let in when so much of it has come


@dataclass
class Guest:
    """A connection that waits.

    Attributes:
        socket: not blocking.
        address: host and port.
        since_s: monotonic, seconds.
        is_shaking: its TLS handshake is not done.
        wanted: bytes that must have come before it is looked at again.
    """

    socket: socket.socket
    address: Any
    since_s: float
    is_shaking: bool
    wanted: int = HEADER.size


class Lobby:
    """A context manager; its thread ends with it."""

    def __init__(
        self,
        let_in: Callable[[socket.socket, Any], None],
        tls: ssl.SSLContext | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing runs yet.

        Args:
            let_in: called in the lobby's thread with a blocking socket whose request has come; must return soon.
            tls: of the server; None: plain.
            clock: monotonic, seconds.
        """
        self._let_in, self._tls, self._clock = let_in, tls, clock
        self._new: deque[tuple[socket.socket, Any]] = deque()
        self._guests: dict[int, Guest] = {}  # by file descriptor, oldest first
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="dicom-lobby", daemon=True)

    def __enter__(self) -> Lobby:
        for end in (self._bell, self._rope):
            end.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closing = True
        self._ring()
        self._thread.join()

    def add(self, connection: socket.socket, address: Any) -> None:
        """Take a connection in; returns at once.

        Args:
            connection: just accepted.
            address: host and port.
        """
        self._new.append((connection, address))
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._rope.send(b"\0")

    def _run(self) -> None:
        while not self._is_closing:
            for key, _ in self._selector.select(POLL_S):
                if key.fileobj is self._bell:
                    with contextlib.suppress(OSError):
                        self._bell.recv(4096)
                elif (guest := self._guests.get(key.fd)) is not None:
                    self._serve(guest)
            while self._new:
                self._welcome(*self._new.popleft())
            self._send_away_slow()
        for guest in tuple(self._guests.values()):
            self._drop(guest)
        self._selector.close()
        for end in (self._bell, self._rope):
            end.close()

    def _welcome(self, connection: socket.socket, address: Any) -> None:
        try:
            connection.setblocking(False)
            if self._tls is None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, HEADER.size)
            else:
                connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            guest = Guest(connection, address, self._clock(), self._tls is not None)
            self._selector.register(connection, selectors.EVENT_READ, guest)
        except (OSError, ValueError):
            connection.close()
            return
        self._guests[connection.fileno()] = guest
        if len(self._guests) > GUESTS_MAX:
            crowd = Counter(other.address[0] for other in self._guests.values()).most_common(1)[0][0]
            self._drop(next(other for other in self._guests.values() if other.address[0] == crowd))

    def _serve(self, guest: Guest) -> None:
        try:
            is_here = self._shaken(guest) if guest.is_shaking else self._has_asked(guest)
        except (OSError, ValueError):
            self._drop(guest)
            return
        if is_here:
            self._forget(guest)
            guest.socket.setblocking(True)
            self._let_in(guest.socket, guest.address)

    def _shaken(self, guest: Guest) -> bool:
        """Whether the handshake is done and something of the request is here."""
        assert isinstance(guest.socket, ssl.SSLSocket)
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            guest.socket.do_handshake()
            guest.is_shaking = False
        return not guest.is_shaking and guest.socket.pending() > 0

    def _has_asked(self, guest: Guest) -> bool:
        """Whether the whole request is here.

        Raises:
            ValueError: it is none.
        """
        if isinstance(guest.socket, ssl.SSLSocket):  # its buffer cannot be looked at; the peer has shown a certificate
            return True
        here = guest.socket.recv(guest.wanted, socket.MSG_PEEK)
        if len(here) < guest.wanted:  # it was to wake us with so many: the other side has ended
            raise ValueError("no request")
        kind, length = HEADER.unpack_from(here)
        if kind != ASKS or length > MAX_REQUEST_BYTES:
            raise ValueError("no request")
        whole = min(HEADER.size + length, WHOLE_MAX_BYTES)
        is_whole = bool(len(guest.socket.recv(whole, socket.MSG_PEEK)) >= whole)
        guest.wanted = 1 if is_whole else whole
        guest.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, guest.wanted)  # else the selector would spin
        return is_whole

    def _send_away_slow(self) -> None:
        now_s = self._clock()
        for guest in tuple(self._guests.values()):
            if now_s - guest.since_s <= WAIT_S:
                break  # the others came later
            self._drop(guest)

    def _forget(self, guest: Guest) -> None:
        self._selector.unregister(guest.socket)
        del self._guests[guest.socket.fileno()]

    def _drop(self, guest: Guest) -> None:
        self._forget(guest)
        guest.socket.close()
