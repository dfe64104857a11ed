"""CRC-64: the fast form against the slow one, and that against other people's figures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.igtl.crc64 import (
    BLOCK_BYTES,
    MASK,
    MIN_BYTES,
    POLYNOMIAL,
    TAIL_BYTES,
    TERMS,
    crc64,
    crc64_ref,
)
from tests.conftest import absent

SIZES = [0, 1, 58, MIN_BYTES - 1, MIN_BYTES, MIN_BYTES + 9, TAIL_BYTES, TAIL_BYTES + 1, TAIL_BYTES + BLOCK_BYTES + 5]


def test_the_check_value_of_the_catalogue() -> None:
    """CRC-64/ECMA-182 of "123456789", as in the catalogue of parametrised CRC algorithms."""
    assert crc64_ref(b"123456789") == 0x6C40DF5F0B497347


def test_the_divisor_divides_what_is_added() -> None:
    power, total = 1, 0
    for place in range(8 * TERMS[-1] + 1):
        total ^= power if place % 8 == 0 and place // 8 in TERMS else 0
        power = (power << 1) & MASK ^ (POLYNOMIAL if power >> 63 else 0)
    assert total == 0


@pytest.mark.parametrize("size", SIZES)
def test_folded_rows_give_the_same(size: int) -> None:
    data = bytes((17 * index + index // 251) & 0xFF for index in range(size))
    assert crc64(data) == crc64(bytearray(data)) == crc64_ref(data)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, TAIL_BYTES + 2 * BLOCK_BYTES - 1), st.integers(0, 7))
def test_one_bit_is_always_seen(place: int, bit: int) -> None:
    data = bytearray(TAIL_BYTES + 2 * BLOCK_BYTES)
    data[-1] = 1
    right = crc64(data)
    data[place] ^= 1 << bit
    assert crc64(data) != right


@pytest.mark.peer
def test_pyigtl_computes_the_same() -> None:
    try:
        from pyigtl.messages import CRC64
    except ImportError:
        absent("pyigtl is not installed")
    data = bytes(range(256)) * 300
    assert crc64(data) == CRC64(data)
