"""Bytes of a connection in, whole messages out; no I/O, no clock.

::

    bytes --58--> header --body--> CRC-64 --> Message            only of the kinds that are wanted
                    |                 `-----> counted, dropped   the next message is read
                    `-> StreamError: close the connection

Memory grows with what has come, never with what a header claims. Bodies of other kinds are skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from firmware_bridge.igtl.body import Body, BodyError, body_from_bytes
from firmware_bridge.igtl.crc64 import crc64
from firmware_bridge.igtl.header import SIZE_BYTES, Header, StreamError, header_from_bytes

WANTED = frozenset({"IMAGE"})  # the rest (STRING, STATUS, TRANSFORM, GET_*, ...) asks nothing of this bridge
MAX_DAMAGED = 16  # damaged messages in a row: their lengths are wrong as well, or the line is


@dataclass(frozen=True)
class Message:
    """One message whose CRC is right.

    Attributes:
        header: as it came.
        body: content and metadata.
    """

    header: Header
    body: Body


@dataclass
class Tally:
    """What was read.

    Attributes:
        received: messages that were handed out.
        skipped: messages of other kinds.
        damaged: messages with a wrong CRC; none of them is handed out.
        malformed: messages with a right CRC whose parts do not fit.
    """

    received: int = 0
    skipped: int = 0
    damaged: int = 0
    malformed: int = 0


class Decoder:
    """The messages of one connection.

    Attributes:
        begun: messages whose first byte has come.
    """

    def __init__(self, tally: Tally) -> None:
        """Nothing has come.

        Args:
            tally: counts, shared by connections perhaps.
        """
        self.begun = 0
        self._tally = tally
        self._head = bytearray()
        self._header: Header | None = None
        self._body = bytearray()
        self._left_bytes = 0
        self._damaged_in_a_row = 0

    @property
    def is_within(self) -> bool:
        """Whether a message has begun and not ended: whoever reads waits for its rest only so long."""
        return self._header is not None or bool(self._head)

    def feed(self, data: bytes | memoryview) -> Iterator[Message]:
        """Messages that these bytes complete; read to the end, or bytes are lost.

        Args:
            data: what came next; nothing of it is kept.

        Raises:
            StreamError: the connection cannot be understood any more; messages before that have been handed out.
        """
        view = memoryview(data)
        while len(view) or (self._header is not None and self._left_bytes == 0):
            if self._header is None:
                view = self._take_head(view)
                continue
            view = self._take_body(view, self._header)
            if self._left_bytes == 0:
                message = self._finished(self._header)
                self._header, self._body = None, bytearray()
                if message is not None:
                    yield message

    def _take_head(self, view: memoryview) -> memoryview:
        missing = SIZE_BYTES - len(self._head)
        self.begun += not self._head
        self._head += view[:missing]
        if len(self._head) == SIZE_BYTES:
            self._header = header_from_bytes(bytes(self._head))
            self._left_bytes = self._header.body_bytes
            self._head.clear()
        return view[missing:]

    def _take_body(self, view: memoryview, header: Header) -> memoryview:
        taken = view[: self._left_bytes]
        if header.kind in WANTED:
            self._body += taken
        self._left_bytes -= len(taken)
        return view[len(taken) :]

    def _finished(self, header: Header) -> Message | None:
        if header.kind not in WANTED:
            self._tally.skipped += 1
            return None
        if crc64(self._body) != header.crc:
            self._tally.damaged += 1
            self._damaged_in_a_row += 1
            if self._damaged_in_a_row >= MAX_DAMAGED:
                raise StreamError(f"{MAX_DAMAGED} messages in a row are damaged")
            return None
        self._damaged_in_a_row = 0
        try:
            body = body_from_bytes(self._body, header.version)
        except BodyError:
            self._tally.malformed += 1
            return None
        self._tally.received += 1
        return Message(header, body)
