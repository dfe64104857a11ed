"""pynetdicom's server behind a lobby, with limits that hold before anything is believed.

::

    accept -> Lobby -> places left? -> Association, whose socket counts what it reads

A PDU that claims more than it may, an object beyond its limit, all objects together beyond theirs, or a PDU that comes
in crumbs for longer than PDU_S end the connection.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from firmware_bridge.dicom.lobby import MAX_REQUEST_BYTES, Lobby

if TYPE_CHECKING:
    import ssl

    from pynetdicom import AE
    from pynetdicom.association import Association
    from pynetdicom.events import Event, EventHandlerType

PER_ADDRESS = 8  # associations of one scanner at once: storescu was no faster with eight than with one
SLOTS = 64  # of all
MAX_PDU_BYTES = 128 << 10
PDU_SLACK_BYTES = 1 << 10  # headers of fragments; some senders count them differently
PDU_S = 10.0
FULL = bytes.fromhex("0300 00000004 00 02 03 02")  # A-ASSOCIATE-RJ: transient, presentation, local limit; PS3.8 9.3.4


class Budget:
    """Bytes of objects that are being received, of all associations together; a dead one holds none."""

    def __init__(self, object_bytes: int, all_bytes: int) -> None:
        """Nothing is taken yet.

        Args:
            object_bytes: of one object at most.
            all_bytes: of all at most.
        """
        self.object_bytes, self._all_bytes = object_bytes, all_bytes
        self._sockets: weakref.WeakSet[LimitedSocket] = weakref.WeakSet()
        self._turn = threading.Lock()

    def join(self, member: LimitedSocket) -> None:
        """Count a connection's bytes from now on."""
        with self._turn:
            self._sockets.add(member)

    def has_room(self, member: LimitedSocket, count: int) -> bool:
        """Whether a connection may read so many bytes more."""
        if member.taken_bytes + count > self.object_bytes:
            return False
        with self._turn:
            taken = sum(other.taken_bytes for other in self._sockets if other.assoc.is_alive())
        return taken + count <= self._all_bytes


class LimitedSocket(AssociationSocket):
    """Reads within the limits; runs out of them as a broken connection does.

    Attributes:
        taken_bytes: of the object that is being received.
        asked: messages that came and are not answered yet.
    """

    def __init__(self, assoc: Association, client_socket: socket.socket, budget: Budget) -> None:
        """A socket of an association that was let in."""
        super().__init__(assoc, client_socket=client_socket)
        self._budget, self.taken_bytes, self.asked = budget, 0, 0
        budget.join(self)

    @property
    def ready(self) -> bool:
        """Whether there is something to read now: nothing before the last message was answered.

        Nobody may ask before that who has not negotiated it (PS3.7 annex D.3.3.3), and who did so anyway would fill the
        memory with a queue that no limit counts.
        """
        return self.asked <= 0 and super().ready

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes; fewer at the end of the connection.

        Raises:
            OSError: a limit was reached.
        """
        connection = self.socket
        if connection is None:
            return bytearray()
        if nr_bytes > MAX_PDU_BYTES + PDU_SLACK_BYTES or not self._budget.has_room(self, nr_bytes):
            raise OSError("beyond the limits")
        self.taken_bytes += nr_bytes
        found, count, end_s = bytearray(nr_bytes), 0, time.monotonic() + PDU_S
        connection.settimeout(PDU_S)  # and so for what is sent
        with memoryview(found) as view:
            while count < nr_bytes and (part := connection.recv_into(view[count:])):
                count += part
                # dcmtk waits for acknowledgements (Nagle), which the kernel holds back for 40 ms: 17 stills/s, not 80.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                if count < nr_bytes and time.monotonic() > end_s:
                    raise OSError("too slow")
        del found[count:]
        return found


def _silent(run: Callable[[], None]) -> Callable[[], None]:
    """A thread whose end by a stranger's doing leaves no trace on the terminal; its connection is closed."""

    def quiet() -> None:
        with contextlib.suppress(Exception):
            run()

    return quiet


class Handler(RequestHandler):
    """Makes the association of a connection that was let in."""

    server: Door

    def _create_association(self) -> Association:
        assoc = super()._create_association()
        assert isinstance(self.request, socket.socket)
        assoc.dul.event_queue.get_nowait()  # "connected", which each socket says when it is made
        assoc.dul.socket = LimitedSocket(assoc, self.request, self.server.budget)
        for thread in (assoc, assoc.dul):
            thread.run = _silent(thread.run)  # type: ignore[method-assign]
        return assoc


class Door(ThreadedAssociationServer):
    """The bound port.

    Attributes:
        budget: of all its associations.
    """

    request_queue_size = 128
    daemon_threads = True

    def __init__(
        self,
        entity: AE,
        address: tuple[str, int],
        handlers: list[EventHandlerType],
        tls: ssl.SSLContext | None,
        budget: Budget,
    ) -> None:
        """Bind.

        Args:
            entity: with contexts, title and time-outs.
            address: host and port.
            handlers: of events.
            tls: of the server; None: plain.
            budget: of received bytes.

        Raises:
            OSError: the port cannot be had.
        """
        self.budget = budget
        super().__init__(
            entity, address, entity.ae_title, entity.supported_contexts, evt_handlers=handlers, request_handler=Handler
        )
        self.lobby = Lobby(self._let_in, tls)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept, and nothing that could wait for the other side."""
        assert self.socket is not None
        return self.socket.accept()

    def process_request(self, request: Any, client_address: Any) -> None:
        """To the lobby."""
        self.lobby.add(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what a stranger caused is not this program's fault, and may quote what he sent."""

    def _let_in(self, request: socket.socket, address: Any) -> None:
        try:
            if self._is_full(address[0]):
                request.settimeout(0.1)
                request.recv(MAX_REQUEST_BYTES)  # else the answer would be lost with what is not read
                request.sendall(FULL)
                request.close()
            else:
                request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.finish_request(request, address)
        except Exception:  # noqa: BLE001  # whatever one connection caused, the next one is served
            with contextlib.suppress(OSError):
                request.close()

    def _is_full(self, host: str) -> bool:
        hosts = [assoc.requestor.address for assoc in self.active_associations]
        return len(hosts) >= SLOTS or hosts.count(host) >= PER_ADDRESS


def note_asked(event: Event) -> None:
    """A whole message has come (EVT_DIMSE_RECV)."""
    if isinstance(event.assoc.dul.socket, LimitedSocket):
        event.assoc.dul.socket.asked += 1


def note_answered(event: Event) -> None:
    """A message was answered (EVT_DIMSE_SENT): what it took is free, and its peer is idle from now on."""
    if isinstance(event.assoc.dul.socket, LimitedSocket):
        event.assoc.dul.socket.asked -= 1
        event.assoc.dul.socket.taken_bytes = 0
        event.assoc.dul._idle_timer.restart()
