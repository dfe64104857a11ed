"""Where the bytes of the cart link go: a text in, an open port out.

::

    /dev/ttyACM0            a serial line, or USB CDC-ACM, where the baud rate means nothing
    tcp:HOST:PORT           e.g. a serial server, or QEMU; without Nagle's delay, which costs 44 ms a question
    unix:PATH               a program on this machine
    loopback()              two ports that are joined, for tests

A port never blocks. A peer that takes nothing for some frames is gone: a queue of old results helps nobody.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import termios
from collections.abc import Callable
from types import TracebackType

from edge.errors import PeerError, UsageError
from firmware_bridge.address import address_from_text

CONNECT_S = 1.0  # for a peer to answer: half of the two seconds in which a link comes back
UNHEARD_MS = 2000  # without a TCP peer's confirmation it is gone; the system itself waits for a quarter of an hour
READ_BYTES = 4096
MAX_UNSENT_BYTES = 4096  # some 30 frames: three seconds of everything
BAUD = 115200


class Port:
    """An open way to the cart; a context manager."""

    def __init__(self, number: int, close: Callable[[], None]) -> None:
        """Take over a descriptor.

        Args:
            number: a file descriptor that does not block.
            close: closes it.
        """
        self._number = number
        self._close = close
        self._unsent = bytearray()

    def __enter__(self) -> Port:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def fileno(self) -> int:
        """For `select`."""
        return self._number

    @property
    def has_unsent(self) -> bool:
        """Whether to wait until more can be written."""
        return bool(self._unsent)

    def read(self) -> bytes:
        """What has arrived; empty: nothing yet.

        Raises:
            PeerError: the other end is gone.
        """
        try:
            data = os.read(self._number, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:  # EIO: an unplugged USB device, a closed pty
            raise _gone(error.strerror or "it failed") from error
        if not data:
            raise _gone("it was closed")
        return data

    def write(self, data: bytes) -> None:
        """Send, or keep for the next call what the line does not take now.

        Raises:
            PeerError: the other end is gone, or takes nothing.
        """
        self._unsent += data
        try:
            while self._unsent:
                del self._unsent[: os.write(self._number, self._unsent)]
        except BlockingIOError:
            if len(self._unsent) > MAX_UNSENT_BYTES:
                raise _gone("it takes nothing") from None
        except OSError as error:
            raise _gone(error.strerror or "it failed") from error


def opener_from_text(text: str, baud: int = BAUD) -> Callable[[], Port]:
    """What opens a port, again and again.

    Args:
        text: as in the module's picture.
        baud: of a serial line.

    Raises:
        UsageError: it names no port.
    """
    kind, colon, rest = text.partition(":")
    if text.startswith("/"):
        return lambda: open_serial(text, baud)
    if kind == "unix" and rest:
        return lambda: open_unix(rest)
    if kind == "tcp" and colon:
        host, number = address_from_text(rest)
        return lambda: open_tcp(host, number)
    raise UsageError(
        f"{text!r} names no port of a cart.", "Give /dev/ttyACM0, tcp:HOST:PORT or unix:PATH (docs/integrator.md)."
    )


def open_serial(path: str, baud: int) -> Port:
    """A serial line, for this process alone.

    Raises:
        PeerError: it is not there, busy, or not for this user.
    """
    import serial

    try:
        line = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
        number = line.fileno()
        os.set_blocking(number, False)
        mode = termios.tcgetattr(number)
        mode[6][termios.VMIN] = 1  # pyserial's 0 reads an idle line as it reads one that was pulled: no bytes
        termios.tcsetattr(number, termios.TCSANOW, mode)
    except (OSError, ValueError, termios.error) as error:  # serial.SerialException is an OSError
        raise PeerError(
            f"The serial line {path} cannot be opened: {_reason(error)}.",
            "Plug the cart in; the user must be in the group of the device; nobody else may have it open.",
        ) from error
    return Port(number, line.close)


def open_tcp(host: str, number: int) -> Port:
    """A TCP connection.

    Raises:
        PeerError: nobody answers.
    """
    try:
        end = socket.create_connection((host, number), CONNECT_S)
    except OSError as error:
        raise _unreachable(f"{host}:{number}", error) from error
    limit_tcp(end)
    return port_from_socket(end)


def open_unix(path: str) -> Port:
    """A Unix socket.

    Raises:
        PeerError: nobody listens there.
    """
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.settimeout(CONNECT_S)  # a listener that hangs takes nobody in, and would hold up the whole bridge
    try:
        end.connect(path)
    except OSError as error:
        end.close()
        raise _unreachable(path, error) from error
    return port_from_socket(end)


def loopback() -> tuple[Port, Port]:
    """Two ports; what is written to one is read from the other."""
    one, other = socket.socketpair()
    return port_from_socket(one), port_from_socket(other)


def limit_tcp(end: socket.socket) -> None:
    """Send each frame at once, and give up a peer that vanished without a word: the other one waits for a new link."""
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_MS)


def port_from_socket(end: socket.socket) -> Port:
    """A port over a connected socket."""
    end.setblocking(False)

    def close() -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    return Port(end.fileno(), close)


def _reason(error: Exception) -> str:
    """In a few words: pyserial's own name the path again, and the number of an error."""
    if isinstance(error, termios.error) or isinstance(error.__context__, termios.error):
        return "it is no serial line"
    number = getattr(error, "errno", None)
    if number in (errno.EAGAIN, errno.EBUSY):
        return "another program has it open"
    return os.strerror(number) if number else str(error)


def _unreachable(where: str, error: OSError) -> PeerError:
    return PeerError(f"No cart answers at {where}: {error.strerror or error}.", "Start it, or correct the address.")


def _gone(reason: str) -> PeerError:
    return PeerError(f"The cart is gone: {reason}.", "Plug it in again; the link comes back by itself.")
