"""The 58 bytes before every OpenIGTLink message, read as a stranger's.

::

    version u16 | type 12 | device 20 | time u64 | body size u64 | CRC-64 of the body u64      big-endian

In: 58 bytes. Out: a `Header`, or a `StreamError`: whoever sends what cannot be a header has lost the framing, and
nothing that follows on this connection can be trusted.
Source: OpenIGTLink protocol, "General header", v1 to v3 (v3 writes version 2 where an extended header follows).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

SIZE_BYTES = 58
LAYOUT = struct.Struct(">H12s20sQQQ")
VERSIONS = (1, 2)
TYPE = re.compile(rb"[!-~]{1,12}\0*")  # printable ASCII, padded
MAX_BODY_BYTES = 32 << 20  # 4096x2160 RGB has 26.5 MB; larger is a volume, which is no frame


class StreamError(Exception):
    """The bytes of a connection cannot be messages: it must be closed. The text is a cause, without foreign bytes."""


@dataclass(frozen=True)
class Header:
    """What a message says of itself.

    Attributes:
        version: 1, or 2 where the body begins with an extended header.
        kind: e.g. "IMAGE".
        device: name of the sender's device; personal perhaps, never logged.
        time: OpenIGTLink's 32.32 fixed-point seconds since 1970; 0: none.
        body_bytes: 0..MAX_BODY_BYTES.
        crc: of the body.
    """

    version: int
    kind: str
    device: str
    time: int
    body_bytes: int
    crc: int


def header_from_bytes(data: bytes) -> Header:
    """Read a header.

    Args:
        data: SIZE_BYTES bytes.

    Raises:
        StreamError: no header, or one of a body that is too long.
    """
    version, kind, device, time, body_bytes, crc = LAYOUT.unpack(data)
    if version not in VERSIONS:
        raise StreamError(f"a header has version {version}, expected 1 or 2")
    if TYPE.fullmatch(kind) is None:
        raise StreamError("a header names no message type")
    if body_bytes > MAX_BODY_BYTES:
        raise StreamError(f"a header claims {body_bytes} bytes, at most {MAX_BODY_BYTES} are taken")
    return Header(version, _text(kind), _text(device), time, body_bytes, crc)


def bytes_from_header(header: Header) -> bytes:
    """Write a header; names are cut to their fields."""
    kind, device = (text.encode("ascii", "replace") for text in (header.kind, header.device))
    return LAYOUT.pack(header.version, kind[:12], device[:20], header.time, header.body_bytes, header.crc)


def _text(padded: bytes) -> str:
    return padded.partition(b"\0")[0].decode("ascii", "replace")
