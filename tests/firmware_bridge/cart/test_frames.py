"""Frames of the cart link: the same bytes as the C library's, and no bytes that stop the next good frame."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.cart.cobs import bytes_from_stuffed, stuffed_from_bytes
from firmware_bridge.cart.crc32c import crc32c
from firmware_bridge.cart.frames import MAX_MESSAGE_BYTES, Frames, frame_from_message
from firmware_bridge.cart.messages import message_from_bytes

GOLDEN = json.loads((Path(__file__).parent / "golden" / "frames.json").read_text())
MESSAGES = st.binary(min_size=1, max_size=MAX_MESSAGE_BYTES)
STREAMS = 10_000


def named(kind: str) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in GOLDEN[kind]]


@pytest.mark.parametrize("row", GOLDEN["crc32c"])
def test_the_check_is_the_one_of_the_golden_vectors(row: Any) -> None:
    assert crc32c(bytes.fromhex(row["data"])) == row["crc"]


@pytest.mark.parametrize("row", named("good"))
def test_a_message_has_the_bytes_of_the_golden_vectors(row: Any) -> None:
    message, frame = bytes.fromhex(row["message"]), bytes.fromhex(row["frame"])
    assert frame_from_message(message) == frame
    assert Frames().feed(frame) == [message]


@pytest.mark.parametrize("row", named("bad"))
def test_a_damaged_frame_is_dropped_and_counted(row: Any) -> None:
    frames = Frames()
    assert frames.feed(bytes.fromhex(row["bytes"])) == []
    assert frames.damaged == row["bad"]


@pytest.mark.parametrize("row", named("streams"))
def test_a_stream_gives_its_messages_however_it_is_cut(row: Any) -> None:
    data, whole, single = bytes.fromhex(row["bytes"]), Frames(), Frames()
    expected = [bytes.fromhex(message) for message in row["messages"]]
    assert whole.feed(data) == expected
    assert [message for byte in data for message in single.feed(bytes((byte,)))] == expected
    assert whole.damaged == single.damaged == row["bad"]


@pytest.mark.parametrize("row", named("foreign"))
def test_a_whole_frame_of_another_schema_is_no_message(row: Any) -> None:
    (payload,) = Frames().feed(bytes.fromhex(row["bytes"]))
    assert message_from_bytes(payload) is None


@given(st.binary(max_size=1000))
def test_stuffing_keeps_every_byte_and_holds_no_zero(data: bytes) -> None:
    stuffed = stuffed_from_bytes(data)
    assert 0 not in stuffed
    assert bytes_from_stuffed(stuffed) == data
    assert len(data) < len(stuffed) <= len(data) + len(data) // 254 + 1


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=400), MESSAGES)
def test_after_any_garbage_the_next_whole_frame_is_read(garbage: bytes, message: bytes) -> None:
    frames = Frames()
    frames.feed(garbage)
    assert frames.feed(b"\0" + frame_from_message(message))[-1:] == [message]


def test_no_random_stream_holds_a_message_that_nobody_sent() -> None:
    """A frame of chance passes the check once in 4 * 10^9; and whatever a frame holds, reading it raises nothing."""
    rng = random.Random(6)
    for _ in range(STREAMS):
        stream = rng.randbytes(rng.randrange(300))
        if rng.random() < 0.5:
            stream += b"\0" + stuffed_from_bytes(rng.randbytes(rng.randrange(1, 130))) + b"\0"
        assert Frames().feed(stream) == []
        message_from_bytes(stream)


@given(st.lists(MESSAGES, max_size=8), st.integers(1, 50))
def test_messages_come_out_as_they_went_in_whatever_the_pieces(messages: list[bytes], size: int) -> None:
    wire, frames = b"".join(map(frame_from_message, messages)), Frames()
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert [message for piece in pieces for message in frames.feed(piece)] == messages
    assert frames.damaged == 0


@pytest.mark.parametrize("size", [0, MAX_MESSAGE_BYTES + 1])
def test_an_empty_or_too_long_message_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 128"):
        frame_from_message(bytes(size))


def test_a_line_that_never_ends_a_frame_costs_no_memory() -> None:
    frames = Frames()
    for _ in range(1000):
        frames.feed(b"x" * 4096)
    assert len(frames._begun) <= MAX_MESSAGE_BYTES + 5
    assert frames.feed(b"\0" + frame_from_message(b"m")) == [b"m"]
    assert frames.damaged == 1
