"""The body of a message: its content, and the metadata that version 2 wraps around it.

::

    v1   content
    v2   extended header 12+ | content | metadata index | metadata keys and values

In: a body whose CRC is right. Out: content and metadata, or a `BodyError`: this message is dropped, the next is read.
Source: OpenIGTLink protocol v3, "Extended header" and "Metadata".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

EXTENDED = struct.Struct(">HHII")  # size of itself, of the metadata's index, of the metadata; id of the message
INDEX_COUNT = struct.Struct(">H")
INDEX_ENTRY = struct.Struct(">HHI")  # size of the key, encoding of the value (IANA MIBenum), size of the value
ENCODINGS = {3: "ascii", 106: "utf-8"}  # what senders write; the value of another one is kept as None
MAX_ENTRIES = 1024  # PLUS sends some 10 of tracking and depth


class BodyError(Exception):
    """A message is not what it says it is; its framing was right."""


@dataclass(frozen=True)
class Body:
    """What a message holds.

    Attributes:
        content: without extended header and metadata.
        metadata: key -> value, None where its bytes are no text of a known encoding; personal perhaps.
    """

    content: memoryview
    metadata: Mapping[str, str | None] = field(default_factory=dict)


def body_from_bytes(data: bytes | bytearray, version: int) -> Body:
    """Take a body apart.

    Args:
        data: the whole body.
        version: of the header.

    Raises:
        BodyError: its parts do not fit into it, or a key occurs twice.
    """
    view = memoryview(data)
    if version == 1:
        return Body(view)
    if len(view) < EXTENDED.size:
        raise BodyError("the extended header is cut off")
    own_bytes, index_bytes, meta_bytes, _ = EXTENDED.unpack_from(view)
    if own_bytes < EXTENDED.size or own_bytes + index_bytes + meta_bytes > len(view):
        raise BodyError("the parts of the body are longer than the body")
    end = len(view) - index_bytes - meta_bytes
    index, values = view[end : end + index_bytes], view[end + index_bytes :]
    return Body(view[own_bytes:end], _metadata(index, values) if index_bytes else {})


def _metadata(index: memoryview, values: memoryview) -> Mapping[str, str | None]:
    if len(index) < INDEX_COUNT.size:
        raise BodyError("the metadata's index is cut off")
    (count,) = INDEX_COUNT.unpack_from(index)
    if count > MAX_ENTRIES or INDEX_COUNT.size + count * INDEX_ENTRY.size > len(index):
        raise BodyError("the metadata has more entries than its index")
    found: dict[str, str | None] = {}
    place = 0
    for number in range(count):
        key_bytes, encoding, value_bytes = INDEX_ENTRY.unpack_from(index, INDEX_COUNT.size + number * INDEX_ENTRY.size)
        middle, end = place + key_bytes, place + key_bytes + value_bytes
        if end > len(values):
            raise BodyError("the metadata is cut off")
        key = _text(values[place:middle], "utf-8")
        if key is None or key in found:
            raise BodyError("a key of the metadata is no text, or occurs twice")
        found[key] = _text(values[middle:end], ENCODINGS.get(encoding, ""))
        place = end
    return found


def _text(data: memoryview, encoding: str) -> str | None:
    try:
        return bytes(data).decode(encoding) if encoding else None
    except UnicodeDecodeError:
        return None
