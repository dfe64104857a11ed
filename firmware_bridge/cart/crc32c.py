"""CRC-32C (Castagnoli), the check of every frame on the cart link.

Source: RFC 3720, B.4; polynomial 0x1EDC6F41, here reflected. `crc32c(b"123456789")` is 0xE3069283.
"""

from __future__ import annotations

POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes) -> int:
    """The check of some bytes, 32 bits."""
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (POLYNOMIAL if byte & 1 else 0)
    return byte


TABLE = tuple(_entry(byte) for byte in range(256))
