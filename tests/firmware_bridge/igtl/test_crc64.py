"""CRC-64: the fast form against the slow one, and that against other people's figures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.igtl.crc64 import LANES, MIN_ROWS, crc64, crc64_ref
from tests.conftest import absent

ROW_BYTES = 8 * LANES


def test_the_check_value_of_the_catalogue() -> None:
    """CRC-64/ECMA-182 of "123456789", as in the catalogue of parametrised CRC algorithms."""
    assert crc64_ref(b"123456789") == 0x6C40DF5F0B497347


@pytest.mark.parametrize("size", [0, 1, 58, MIN_ROWS * ROW_BYTES - 1, MIN_ROWS * ROW_BYTES, MIN_ROWS * ROW_BYTES + 9])
def test_rows_side_by_side_give_the_same(size: int) -> None:
    data = bytes((17 * index + index // 251) & 0xFF for index in range(size))
    assert crc64(data) == crc64(bytearray(data)) == crc64_ref(data)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, MIN_ROWS * ROW_BYTES + 99), st.integers(0, 7))
def test_one_bit_is_always_seen(place: int, bit: int) -> None:
    data = bytearray(MIN_ROWS * ROW_BYTES + 100)
    right = crc64(data)
    data[place] ^= 1 << bit
    assert crc64(data) != right


@pytest.mark.peer
def test_pyigtl_computes_the_same() -> None:
    try:
        from pyigtl.messages import CRC64
    except ImportError:
        absent("pyigtl is not installed")
    data = bytes(range(256)) * 400
    assert crc64(data) == CRC64(data)
