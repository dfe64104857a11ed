"""Where a cart in software waits for the box: a text in, something that gives a port to each box that comes.

::

    pty:PATH         a serial line of this machine, PATH leads to it
    tcp:HOST:PORT    one box at a time; port 0: any that is free
    unix:PATH        one box at a time
"""

from __future__ import annotations

import os
import socket
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.errors import MachineError, PeerError, UsageError
from firmware_bridge.address import address_from_text
from firmware_bridge.cart.transports import Port, limit_tcp, port_from_socket


@dataclass(frozen=True)
class Listening:
    """A place that is open.

    Attributes:
        address: what `edge bridge cart --port` takes.
        opener: gives the port of the next box; PeerError while none is there.
    """

    address: str
    opener: Callable[[], Port]


@contextmanager
def listening(text: str) -> Iterator[Listening]:
    """Wait for a box.

    Args:
        text: as in the module's picture.

    Raises:
        UsageError: it names no place.
        MachineError: it is taken, or not for this user.
    """
    kind, _, rest = text.partition(":")
    if kind == "pty" and rest:
        with _pty(Path(rest)) as found:
            yield found
    elif kind in ("tcp", "unix") and rest:
        with _listener(kind, rest) as end:
            place = rest if kind == "unix" else f"{end.getsockname()[0]}:{end.getsockname()[1]}"
            yield Listening(f"{kind}:{place}", lambda: _accepted(end))
    else:
        raise UsageError(f"{text!r} is no place to wait at.", "Give pty:PATH, tcp:HOST:PORT or unix:PATH.")


@contextmanager
def _pty(path: Path) -> Iterator[Listening]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    try:
        path.symlink_to(os.ttyname(theirs))
    except OSError as error:
        os.close(ours)
        os.close(theirs)
        raise MachineError(f"{path} cannot be made: {error.strerror}.", "Remove it, or choose another path.") from error
    try:
        # The other end stays open here: a box that leaves is silent, as on a real serial line.
        yield Listening(str(path.absolute()), lambda: Port(ours, lambda: None))
    finally:
        path.unlink(missing_ok=True)
        os.close(ours)
        os.close(theirs)


@contextmanager
def _listener(kind: str, rest: str) -> Iterator[socket.socket]:
    address = rest if kind == "unix" else address_from_text(rest)
    with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET, socket.SOCK_STREAM) as end:
        try:
            if kind == "tcp":
                end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            end.bind(address)
            end.listen(1)
        except OSError as error:
            cause = f"Nobody can wait at {rest}: {error.strerror or error}."
            raise MachineError(cause, "Choose another place, or end who waits there.") from error
        end.setblocking(False)
        try:
            yield end
        finally:
            if kind == "unix":
                Path(rest).unlink(missing_ok=True)


def _accepted(end: socket.socket) -> Port:
    try:
        other, _ = end.accept()
    except BlockingIOError:
        raise PeerError("No box has come yet.", "Start `edge bridge cart` with this address.") from None
    if other.family != socket.AF_UNIX:
        limit_tcp(other)
    return port_from_socket(other)
