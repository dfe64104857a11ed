"""Consistent Overhead Byte Stuffing: any bytes <-> the same without a zero, so that a zero can end a frame.

Source: S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7 (1999).
"""

from __future__ import annotations

FULL = 0xFF  # code of a group of 254 bytes that no zero follows


def stuffed_from_bytes(data: bytes) -> bytes:
    """Stuff; one byte longer for each begun 254.

    Args:
        data: any bytes.

    Returns:
        Bytes without a zero; the delimiter is not among them.
    """
    groups = bytearray()
    for run in data.split(b"\0"):
        rest = run
        while len(rest) >= FULL - 1:
            groups += bytes((FULL,)) + rest[: FULL - 1]
            rest = rest[FULL - 1 :]
        groups += bytes((len(rest) + 1,)) + rest
    return bytes(groups)


def bytes_from_stuffed(stuffed: bytes) -> bytes | None:
    """Unstuff.

    Args:
        stuffed: what stood between two zeros.

    Returns:
        The bytes; None where it is no stuffing: it holds a zero, or its last group is cut off.
    """
    data, place = bytearray(), 0
    while place < len(stuffed):
        code = stuffed[place]
        group = stuffed[place + 1 : place + code]
        if code == 0 or len(group) != code - 1 or 0 in group:
            return None
        data += group
        place += code
        if code != FULL and place < len(stuffed):
            data.append(0)
    return bytes(data)
