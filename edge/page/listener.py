"""The two doors: a TCP port and a Unix socket, bound before anything else starts.

In: an address or a path. Out: a listening socket, or one line of why not. A socket file that a dead service left is
replaced; one that answers belongs to a living service and stays.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.errors import EdgeError, MachineError, UsageError

BACKLOG = 128  # connections that wait to be taken; as many as are taken at once
SEND_BUFFER_BYTES = 256 << 10  # a page that stops reading shall not come back to many seconds of old views
SOCKET_MODE = 0o660  # owner and group: who may use the API without a token
PROBE_S = 1.0  # a living service takes a connection at once


@contextlib.contextmanager
def tcp_listener(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on a port.

    Args:
        host: name or address.
        port: 0: any that is free.

    Raises:
        UsageError: the host is not known.
        MachineError: the port is taken, or it may not be used.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:  # UnicodeError: a label of the name is too long
        raise UsageError(f"The host {host!r} is not known.", "Give an address of this machine.") from error
    with socket.socket(family, kind) as door:
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            door.bind(address)
            _listen(door)
        except OSError as error:
            raise _refused_port(host, port, error) from error
        yield door


@contextlib.contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """Listen on a socket file; it is removed at the end.

    The file gets its mode before it gets its name, so that nobody else can connect for a moment.

    Args:
        path: of the file; its folder exists.

    Raises:
        UsageError: something else lies there.
        MachineError: a living service has it, or the folder cannot be written.
    """
    _check_place(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        try:
            draft.unlink(missing_ok=True)
            door.bind(str(draft))
            draft.chmod(SOCKET_MODE)
            _listen(door)
            draft.replace(path)
            place = path.stat().st_ino
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            reason = error.strerror or str(error)
            cure = "Choose a short path in a folder that you may write to."
            raise MachineError(f"The socket {path} cannot be made: {reason}.", cure) from error
        try:
            yield door
        finally:
            with contextlib.suppress(OSError):
                if path.stat().st_ino == place:
                    path.unlink()


def is_loopback(door: socket.socket) -> bool:
    """Whether only this machine can reach a TCP socket."""
    return ipaddress.ip_address(door.getsockname()[0]).is_loopback


def _listen(door: socket.socket) -> None:
    door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    door.listen(BACKLOG)
    door.setblocking(False)


def _check_place(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{path} is no socket.", "Choose another path for the socket, or remove the file.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return  # nobody listens: a service died
        except OSError:
            pass  # it is there, but has no time or is not ours
    raise MachineError(f"A running service has the socket {path}.", "End it first, or choose another path.")


def _refused_port(host: str, port: int, error: OSError) -> EdgeError:
    if error.errno == errno.EADDRINUSE:
        return MachineError(f"Port {port} of {host} is taken.", "End the other program or choose another --port.")
    reason = error.strerror or str(error)
    return MachineError(f"Port {port} of {host} cannot be used: {reason}.", "Choose another --port or --host.")
