"""The frame codec, slow and obvious: the truth for the golden vectors and the tests' own end of a line."""

from __future__ import annotations

POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected
MESSAGE_MAX = 128


def crc32c_ref(data: bytes) -> int:
    """Bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def cobs_ref(data: bytes) -> bytes:
    """Without the delimiter; of fewer than 254 bytes."""
    return b"".join(bytes([len(part) + 1]) + part for part in data.split(b"\0"))


def frame_ref(message: bytes) -> bytes:
    """What goes onto the wire."""
    return cobs_ref(message + crc32c_ref(message).to_bytes(4, "little")) + b"\0"


def message_ref(frame: bytes) -> bytes | None:
    """The message of one frame without its delimiter; None: it is damaged."""
    data = b""
    rest = frame
    while rest:
        if len(rest) < rest[0]:
            return None
        data, rest = data + rest[1 : rest[0]] + b"\0", rest[rest[0] :]
    data = data[:-1]
    message, crc = data[:-4], data[-4:]
    whole = 1 <= len(message) <= MESSAGE_MAX and crc32c_ref(message).to_bytes(4, "little") == crc
    return message if whole else None


def messages_ref(stream: bytes) -> tuple[list[bytes], int]:
    """Messages of a stream of whole frames, and how many frames were dropped; what follows the last delimiter waits."""
    found = [message_ref(frame) for frame in stream.split(b"\0")[:-1] if frame]
    return [message for message in found if message is not None], found.count(None)
