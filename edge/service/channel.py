"""JSON messages over a socket pair: whole or not at all, in order, with an end that shows.

SOCK_SEQPACKET keeps the borders of messages, so there is no framing to get wrong.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

from edge.record import RecordError, json_from_bytes

MAX_MESSAGE_BYTES = 1 << 16  # an answer with 21 planes has 2 kB; below the kernel's send buffer (208 kB)


class ChannelClosed(ConnectionError):
    """The other process has ended, or says what no message is."""


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message.

        Raises:
            ChannelClosed: the other end is gone.
        """
        try:
            self._end.send(json.dumps(message, separators=(",", ":")).encode())
        except OSError as error:
            raise ChannelClosed("the other end is gone") from error

    def receive(self, timeout_s: float | None) -> Mapping[str, Any] | None:
        """The next message; None if none came in time.

        Args:
            timeout_s: None waits for ever.

        Raises:
            ChannelClosed: the other end is gone, or sent what is no JSON object.
        """
        try:
            self._end.settimeout(timeout_s)
            data = self._end.recv(MAX_MESSAGE_BYTES)
        except (TimeoutError, BlockingIOError):  # the latter for a time-out of 0
            return None
        except OSError as error:
            raise ChannelClosed("the other end is gone") from error
        if not data:
            raise ChannelClosed("the other end is closed")
        try:
            message = json_from_bytes(data)
        except RecordError as error:
            raise ChannelClosed("not a message") from error
        if not isinstance(message, dict):
            raise ChannelClosed("not a message")
        return message

    def close(self) -> None:
        """Close this end; the other one sees it."""
        self._end.close()


def channel_pair() -> tuple[Channel, socket.socket]:
    """This process's end, and the socket whose descriptor the child gets."""
    own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(own), other
