"""Frames of the cart link: bytes in, messages out, no I/O.

::

    message --+ CRC-32C, little-endian--> COBS --+ 0x00--> wire --Frames.feed--> message | damaged, counted

Whatever arrives, the next whole frame after the next zero is read; a damaged one is dropped without an answer.
"""

from __future__ import annotations

from firmware_bridge.cart.cobs import bytes_from_stuffed, stuffed_from_bytes
from firmware_bridge.cart.crc32c import crc32c

MAX_MESSAGE_BYTES = 128  # of proto/cart.proto: what the smallest cart must hold in its memory
CHECK_BYTES = 4
MAX_STUFFED_BYTES = MAX_MESSAGE_BYTES + CHECK_BYTES + 1
DELIMITER = b"\0"


def frame_from_message(message: bytes) -> bytes:
    """One frame.

    Args:
        message: 1 to 128 bytes.

    Raises:
        ValueError: it is empty or too long.
    """
    if not 1 <= len(message) <= MAX_MESSAGE_BYTES:
        raise ValueError(f"a message has {len(message)} bytes, expected 1 to {MAX_MESSAGE_BYTES}")
    return stuffed_from_bytes(message + crc32c(message).to_bytes(CHECK_BYTES, "little")) + DELIMITER


def message_from_stuffed(stuffed: bytes) -> bytes | None:
    """The message of what stood between two delimiters; None where it is damaged."""
    data = bytes_from_stuffed(stuffed)
    if data is None or not CHECK_BYTES < len(data) <= MAX_MESSAGE_BYTES + CHECK_BYTES:
        return None
    message, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    return message if crc32c(message) == int.from_bytes(check, "little") else None


class Frames:
    """Cuts a stream of bytes into messages; keeps at most one frame.

    Attributes:
        damaged: frames that were dropped.
    """

    def __init__(self, damaged: int = 0) -> None:
        """Nothing has come.

        Args:
            damaged: frames that were dropped before.
        """
        self.damaged = damaged
        self._begun = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in pieces of any size.

        Returns:
            The messages that became whole.
        """
        messages = []
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            self._add(piece)
            message = None if self._is_too_long else message_from_stuffed(bytes(self._begun))
            if message is not None:
                messages.append(message)
            elif self._begun or self._is_too_long:
                self.damaged += 1
            self._begun.clear()
            self._is_too_long = False
        self._add(rest)
        return messages

    def _add(self, piece: bytes) -> None:
        if len(self._begun) + len(piece) > MAX_STUFFED_BYTES:
            self._is_too_long = True
            self._begun.clear()
        elif not self._is_too_long:
            self._begun += piece
