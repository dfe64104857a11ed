"""Bytes in, messages out: whatever the pieces, whatever is wrong; no I/O."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.exam_keys import ExamKey
from firmware_bridge.igtl.body import BodyError
from firmware_bridge.igtl.decoder import MAX_DAMAGED, Decoder, Message, Tally
from firmware_bridge.igtl.frames import HOLD_S, Turn, frame_from_message
from firmware_bridge.igtl.header import MAX_BODY_BYTES, SIZE_BYTES, StreamError
from tests.firmware_bridge.igtl.written import claiming, image, image_content, malformed, message, with_metadata

NAMES = [("PatientID", b"P-1", 3), ("StudyInstanceUID", b"1.2.3", 3), ("ManufacturerModelName", b"C3 HD", 106)]


def decoded(*pieces: bytes) -> tuple[list[Message], Tally]:
    tally = Tally()
    decoder = Decoder(tally)
    return [found for piece in pieces for found in decoder.feed(piece)], tally


def frame_of(data: bytes) -> object:
    (found,), _ = decoded(data)
    return frame_from_message(found, 1.5, "")


def test_an_image_is_handed_out_as_it_was_sent() -> None:
    (found,), tally = decoded(image())
    frame = frame_from_message(found, 1.5, "C3")
    assert frame.pixels.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert (frame.captured_s, frame.source, frame.machine, frame.key) == (1.5, "openigtlink", "C3", None)
    assert tally == Tally(received=1)


def test_a_color_image_keeps_its_channels_last() -> None:
    (found,), _ = decoded(image(2, 2, 3))
    assert frame_from_message(found, 0, "").pixels[0].tolist() == [[0, 1, 2], [3, 4, 5]]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=40))
def test_pieces_of_any_size_give_the_same_messages(sizes: list[int]) -> None:
    whole = image() + message("STRING", b"x" * 70) + message("GET_STATUS", b"") + image(3, 3)
    pieces, place = [], 0
    for size in sizes:
        pieces.append(whole[place : place + size])
        place += size
    found, tally = decoded(*pieces, whole[place:])
    assert [bytes(one.body.content) for one in found] == [image_content(), image_content(3, 3)]
    assert tally == Tally(received=2, skipped=2)


def test_a_wrong_crc_is_never_handed_out_and_the_next_message_is() -> None:
    damaged = bytearray(image())
    damaged[-1] ^= 1
    found, tally = decoded(bytes(damaged) + image(3, 3))
    assert [len(one.body.content) for one in found] == [len(image_content(3, 3))]
    assert tally == Tally(received=1, damaged=1)


def test_a_line_that_damages_everything_is_given_up() -> None:
    with pytest.raises(StreamError, match="in a row"):
        decoded(message("IMAGE", image_content(), crc=1) * MAX_DAMAGED)


@pytest.mark.parametrize("size", [1 << 62, (1 << 64) - 1, MAX_BODY_BYTES + 1])
def test_a_header_that_claims_too_much_is_refused_at_once(size: int) -> None:
    decoder = Decoder(Tally())
    with pytest.raises(StreamError, match="claims"):
        list(decoder.feed(claiming(size)))


def test_memory_follows_what_has_come_not_what_is_claimed() -> None:
    import tracemalloc

    tracemalloc.start()
    decoder = Decoder(Tally())
    list(decoder.feed(claiming(MAX_BODY_BYTES) + b"\0" * 100))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert decoder.is_within


@pytest.mark.parametrize(
    "head",
    [
        b"\0" * SIZE_BYTES, b"\xff" * SIZE_BYTES, b"GET / HTTP/1.1\r\n" + b" " * SIZE_BYTES, b"\0\3IMAGE" + b"\0" * 60,
        b"\0\1" + b"\0" * 12 + b"\0" * 60, b"\0\1IM\0GE\0\0\0\0\0\0\0" + b"\0" * 60,
    ],
)  # fmt: skip
def test_what_is_no_header_ends_the_connection(head: bytes) -> None:
    with pytest.raises(StreamError):
        decoded(head)


def test_messages_before_the_nonsense_are_handed_out() -> None:
    decoder, found = Decoder(Tally()), []
    with pytest.raises(StreamError):
        found.extend(decoder.feed(image()))
        for one in decoder.feed(image(3, 3) + b"\0" * SIZE_BYTES):
            found.append(one)  # extend would lose what came before the error
    assert len(found) == 2


def test_metadata_names_patient_study_and_scanner() -> None:
    frame = frame_of(message("IMAGE", with_metadata(image_content(), NAMES), 2))
    assert (frame.key, frame.machine) == (ExamKey("P-1", "1.2.3"), "C3 HD")  # type: ignore[attr-defined]


def test_the_padding_of_a_scanners_name_is_none_of_it() -> None:
    padded = [("ManufacturerModelName", b"C3 HD\0\0", 106)]
    assert frame_of(message("IMAGE", with_metadata(image_content(), padded), 2)).machine == "C3 HD"  # type: ignore[attr-defined]


def test_version_2_without_metadata_is_a_frame_without_a_key() -> None:
    assert frame_of(message("IMAGE", with_metadata(image_content(), []), 2)).key is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        ("PatientID", b"\xff\xfe", 3),
        ("PatientID", b"P-1", 2025),
        ("PatientID", b"x" * 65, 3),
        ("PatientID", b"a\nb", 3),
    ],
)
def test_a_frame_whose_patient_cannot_be_read_is_dropped_not_sent_without_a_key(text: tuple[str, bytes, int]) -> None:
    (found,), _ = decoded(message("IMAGE", with_metadata(image_content(), [text]), 2))
    with pytest.raises(BodyError, match="PatientID"):
        frame_from_message(found, 0, "")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\0" * 11, struct.pack(">HHII", 11, 0, 0, 0), struct.pack(">HHII", 12, 1, 0, 0) + b"\0",
        struct.pack(">HHII", 12, 2, 0, 0) + b"\xff\xff", struct.pack(">HHII", 12, 0, 1, 0),
        with_metadata(b"", [("a", b"x", 3), ("a", b"y", 3)]),
        struct.pack(">HHII", 12, 10, 0, 0) + b"\0\1" + b"\xff" * 8,
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_counted_and_the_next_message_is_read(body: bytes) -> None:
    found, tally = decoded(message("IMAGE", body, 2) + image())
    assert len(found) == 1
    assert tally == Tally(received=1, malformed=1)


@pytest.mark.parametrize("place,value", [(1, 9), (2, 2), (2, 0), (3, 5), (7, 0), (11, 0), (11, 2), (61, 1), (67, 3)])
def test_volumes_parts_and_other_numbers_are_no_frame(place: int, value: int) -> None:
    content = bytearray(image_content())
    content[place] = value
    (found,), _ = decoded(message("IMAGE", bytes(content)))
    with pytest.raises(BodyError):
        frame_from_message(found, 0, "")


def test_an_image_that_is_longer_or_shorter_than_it_says_is_no_frame() -> None:
    for pixels in (b"\0" * 11, b"\0" * 13):
        (found,), _ = decoded(image(pixels=pixels))
        with pytest.raises(BodyError, match="bytes"):
            frame_from_message(found, 0, "")


@given(st.binary(max_size=400), st.integers(0, 300))
def test_no_bytes_make_anything_but_messages_or_a_refusal(data: bytes, place: int) -> None:
    whole = bytearray(message("IMAGE", with_metadata(image_content(), NAMES), 2) * 2)
    whole[place : place + len(data)] = data
    decoder = Decoder(Tally())
    try:
        for found in decoder.feed(bytes(whole)):
            frame_from_message(found, 0, "")
    except (StreamError, BodyError) as error:
        assert str(error)


def test_malformed_messages_never_raise_anything_else() -> None:
    draw, delivered = random.Random(7), 0
    for _ in range(5000):
        decoder = Decoder(Tally())
        try:
            for found in decoder.feed(malformed(draw)):
                frame_from_message(found, 0, "")
                delivered += 1
        except (StreamError, BodyError) as error:
            assert str(error)
    assert delivered < 600  # of those with a flipped bit, only where the bit means nothing here (a matrix, a padding)


def test_the_first_stream_is_the_source_until_it_is_silent() -> None:
    turn = Turn()
    assert turn.takes(1, "US", 0.0)
    assert not turn.takes(2, "US", 1.0)
    assert not turn.takes(1, "CT", 1.0)
    assert turn.takes(1, "US", 1.0)
    assert turn.takes(2, "US", 1.1 + HOLD_S)
    assert not Turn("US").takes(1, "CT", 0.0)


def test_a_source_whose_connection_is_over_makes_room_at_once() -> None:
    turn = Turn()
    assert turn.takes(1, "US", 0.0)
    turn.left(2)
    assert not turn.takes(2, "US", 0.1)
    turn.left(1)
    assert turn.takes(2, "US", 0.1)
