"""Where the API is reached: settings, checked, and the doors they ask for, bound and not yet open.

::

    ServerSettings --check--> bound sockets (Doors) --Entrance--> edge/page/server.py

In: settings. Out: listening sockets and their rules. Doors come first of all: a port that is taken is told before an
engine was started; who connects in between waits.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import InputError, UsageError
from edge.page.entrance import LOOPBACK_NAMES, Entrance
from edge.page.listener import is_loopback, tcp_listener, unix_listener
from edge.page.pin import check_pin


@dataclass(frozen=True)
class ServerSettings:
    """Where the API is reached.

    Attributes:
        host: name or address for TCP; elsewhere than loopback only with TLS and a PIN.
        port: 0: any that is free; None: no TCP, and so no page.
        socket: path of the Unix socket; None: none, and so no frames of bridges.
        tls_cert: PEM file, the certificate and those between it and the root; with `tls_key`.
        tls_key: PEM file without a passphrase.
        pin: 4 to 12 digits (`edge.page.pin.pin_from_file`); with TLS only, on loopback too; None: nobody is asked.
    """

    host: str = "127.0.0.1"
    port: int | None = 8711
    socket: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Doors:
    """What is bound.

    Attributes:
        tcp: None without TCP.
        unix: None without a socket file.
    """

    tcp: socket.socket | None
    unix: socket.socket | None


@contextlib.contextmanager
def open_doors(settings: ServerSettings) -> Iterator[Doors]:
    """Bind what the settings ask for; closed at the end, and the socket file removed.

    Args:
        settings: where.

    Raises:
        UsageError: elsewhere than loopback without TLS or PIN, half of a TLS pair, a wrong PIN or host.
        InputError: certificate or key cannot be used.
        MachineError: the port is taken, or a running service has the socket.
    """
    check_settings(settings)
    with contextlib.ExitStack() as stack:
        tcp = unix = None
        if settings.port is not None:
            tcp = stack.enter_context(tcp_listener(settings.host, settings.port))
            _check_reach(tcp, settings)
        if settings.socket is not None:
            unix = stack.enter_context(unix_listener(settings.socket))
        yield Doors(tcp, unix)


def entrance_from_door(door: socket.socket, settings: ServerSettings, token: str) -> Entrance:
    """The rules of a bound port.

    Args:
        door: bound and checked.
        settings: of it.
        token: of this start.
    """
    local = is_loopback(door)
    scheme = "http" if settings.tls_cert is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host.lower()
    own = () if local else (socket.gethostname().lower(),)
    names = (*own, host) if ipaddress.ip_address(door.getsockname()[0]).is_unspecified else (host, *own)
    names = tuple(dict.fromkeys((*names, *LOOPBACK_NAMES)))
    return Entrance(scheme, names, door.getsockname()[1], token, any_address=not local)


def check_settings(settings: ServerSettings) -> None:
    """What can be checked before anything is bound.

    Raises:
        UsageError: neither port nor socket, half of a TLS pair, or a wrong PIN.
        InputError: certificate or key cannot be used.
    """
    if settings.port is None and settings.socket is None:
        raise UsageError("Neither a port nor a socket is given.", "Give one of them.")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise UsageError("TLS needs a certificate and its key.", "Give --tls-cert and --tls-key.")
    if settings.pin is not None:
        check_pin(settings.pin)
        if settings.tls_cert is None:
            raise UsageError("A PIN without TLS could be read on its way.", "Give --tls-cert and --tls-key as well.")
    if settings.tls_cert is not None and settings.tls_key is not None:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.tls_cert, settings.tls_key, password=_no_passphrase)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            cure = "Give two PEM files that fit each other, the key without a passphrase."
            raise InputError("The TLS certificate or its key cannot be used.", cure) from error


def _no_passphrase() -> str:
    """Keeps the TLS library from asking on the terminal."""
    raise ValueError("the key has a passphrase")


def _check_reach(door: socket.socket, settings: ServerSettings) -> None:
    if not is_loopback(door) and (settings.tls_cert is None or settings.pin is None):
        raise UsageError(
            f"{settings.host} can be reached from other machines.",
            "Give --tls-cert, --tls-key and --pin-file, or leave --host at 127.0.0.1.",
        )
