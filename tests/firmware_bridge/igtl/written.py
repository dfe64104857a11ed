"""OpenIGTLink messages written by hand, right ones and damaged ones."""

from __future__ import annotations

import random
import struct

from firmware_bridge.igtl.crc64 import crc64_ref
from firmware_bridge.igtl.header import LAYOUT, Header, bytes_from_header

KINDS = ("IMAGE", "STRING", "STATUS", "TRANSFORM", "GET_IMAGE", "GET_STATUS", "STT_TDATA", "CAPABILITY")


def message(kind: str, body: bytes, version: int = 1, device: str = "Probe", crc: int | None = None) -> bytes:
    checked = crc64_ref(body) if crc is None else crc
    return bytes_from_header(Header(version, kind, device, 0, len(body), checked)) + body


def image_content(width: int = 4, height: int = 3, components: int = 1, pixels: bytes | None = None) -> bytes:
    data = bytes(range(width * height * components)) if pixels is None else pixels
    size = (width, height, 1)
    return struct.pack(">HBBBB3H12f3H3H", 1, components, 3, 2, 2, *size, *(0.0,) * 12, 0, 0, 0, *size) + data


def image(width: int = 4, height: int = 3, components: int = 1, pixels: bytes | None = None) -> bytes:
    return message("IMAGE", image_content(width, height, components, pixels))


def with_metadata(content: bytes, texts: list[tuple[str, bytes, int]]) -> bytes:
    """The body of version 2.

    Args:
        content: of the message.
        texts: key, value, IANA MIBenum of the value's encoding.
    """
    keys = [key.encode() for key, _, _ in texts]
    index = struct.pack(">H", len(texts))
    for key, (_, value, encoding) in zip(keys, texts, strict=True):
        index += struct.pack(">HHI", len(key), encoding, len(value))
    values = b"".join(key + value for key, (_, value, _) in zip(keys, texts, strict=True))
    return struct.pack(">HHII", 12, len(index), len(values), 7) + content + index + values


def claiming(body_bytes: int) -> bytes:
    """A header alone."""
    return LAYOUT.pack(1, b"IMAGE", b"Probe", 0, body_bytes, 0)


def malformed(draw: random.Random) -> bytes:
    """One message or a piece of something: most are wrong somewhere, some are right and of no use."""
    choice = draw.randrange(8)
    if choice == 0:
        return draw.randbytes(draw.randrange(1, 200))
    if choice == 1:
        return claiming(draw.choice((1 << 62, (1 << 64) - 1, 1 << 40, (32 << 20) + 1)))
    if choice == 2:
        return message("IMAGE", image_content(), crc=draw.getrandbits(64))
    if choice == 3:
        return message(draw.choice(KINDS), draw.randbytes(draw.randrange(0, 200)), draw.choice((1, 2)))
    if choice == 4:
        return message("IMAGE", with_metadata(image_content(), [("a", b"x", 3), ("a", b"y", 3)]), 2)
    whole = bytearray(message("IMAGE", with_metadata(image_content(), [("PatientID", b"P-1", 3)]), 2))
    if choice == 5:
        return bytes(whole[: draw.randrange(1, len(whole))])
    if choice == 6:
        whole[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        return bytes(whole)
    content = bytearray(image_content())
    content[draw.randrange(72)] ^= 1 << draw.randrange(8)
    return message("IMAGE", bytes(content))
