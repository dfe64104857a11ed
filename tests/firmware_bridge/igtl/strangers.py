"""Connections to an OpenIGTLink port of this machine that mean it no good."""

from __future__ import annotations

import random
import socket
import time
from contextlib import suppress

from firmware_bridge.igtl.decoder import Decoder, Tally
from firmware_bridge.igtl.header import StreamError
from tests.firmware_bridge.bridging import WAIT_S
from tests.firmware_bridge.igtl.written import malformed


def connected(port: int) -> socket.socket:
    """A connection, which waits at most WAIT_S for anything."""
    end = socket.create_connection(("127.0.0.1", port), WAIT_S)
    end.settimeout(WAIT_S)
    return end


def closed_after_s(end: socket.socket, last: bytes = b"") -> float:
    """Seconds from before the last bytes are sent until the other end closes."""
    start_s = time.monotonic()
    try:
        if last:
            end.sendall(last)
        while end.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - start_s


def flood(port: int, count: int, draw: random.Random) -> int:
    """Send malformed messages, each to a connection that is open.

    Args:
        port: of the bridge.
        count: of messages.
        draw: what they are.

    Returns:
        How many connections they cost, as the bridge must count them; one that stalled may count, here or there.
    """
    closed = 0
    end, decoder = connected(port), Decoder(Tally())
    for _ in range(count):
        data = malformed(draw)
        try:
            for _ in decoder.feed(data):
                continue
            end.sendall(data)
        except StreamError:
            with suppress(OSError):  # the piece before it did not end in time
                end.sendall(data)
                end.shutdown(socket.SHUT_WR)
            closed_after_s(end)
            end.close()
            end, decoder, closed = connected(port), Decoder(Tally()), closed + 1
        except OSError:  # a piece of a message that did not end in time
            end.close()
            end, decoder = connected(port), Decoder(Tally())
    end.close()
    return closed
