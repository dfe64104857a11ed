"""Names in the character sets that occur: right, or flagged; never wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.dicom.texts import Text, person_from_text, text_from_bytes

NAME = "Wang^XiaoDong=王^小东"
IR58 = b"Wang^XiaoDong=" + b"\x1b$)A" + "王".encode("gb2312") + b"^" + b"\x1b$)A" + "小东".encode("gb2312")
CASES = {
    "GB18030": (NAME.encode("gb18030"), ["GB18030"]),
    "UTF-8": (NAME.encode(), ["ISO_IR 192"]),
    "IR 58": (IR58, ["", "ISO 2022 IR 58"]),
    "IR 58, named default": (IR58, ["ISO 2022 IR 6", "ISO 2022 IR 58"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_declared_name_is_right(case: str) -> None:
    assert text_from_bytes(*CASES[case]) == Text(NAME, False)


@pytest.mark.parametrize("case", CASES)
def test_without_a_character_set_it_is_raw_and_flagged(case: str) -> None:
    raw = CASES[case][0]
    for charsets in ([], [""], ["ISO_IR 6"]):
        found = text_from_bytes(raw, charsets)
        assert found.is_flagged
        assert found.text.startswith("Wang^XiaoDong=\\x")
        assert found.text.isascii()


def test_a_name_of_ascii_needs_no_character_set() -> None:
    assert text_from_bytes(b"Doe^Jane ", []) == Text("Doe^Jane", False)


@pytest.mark.parametrize(
    ("raw", "charsets"),
    [
        ("王".encode("gb18030"), ["ISO_IR 192"]),  # wrongly declared, and the bytes do not fit
        (b"\xff\xfe\xfa", ["GB18030"]),
        ("王".encode(), ["NO SUCH SET"]),
        (IR58, ["ISO_IR 192"]),  # escape sequences where none may be
        (IR58[:-1], ["", "ISO 2022 IR 58"]),  # cut in the middle of a letter
        ("王".encode("gb2312"), ["", "ISO 2022 IR 58"]),  # without its escape sequence
        (b"A\x1bB", []),
        (b"A\x00\x07B", ["ISO_IR 192"]),
        ("Wang^Fei\u202eiL".encode(), ["ISO_IR 192"]),  # shown from right to left: another name
        ("Wang\u2028Fei".encode(), ["ISO_IR 192"]),
    ],
)
def test_what_does_not_fit_is_flagged(raw: bytes, charsets: list[str]) -> None:
    assert text_from_bytes(raw, charsets).is_flagged


@given(
    st.binary(max_size=40), st.sampled_from([[], ["GB18030"], ["ISO_IR 192"], ["", "ISO 2022 IR 58"], ["ISO_IR 100"]])
)
def test_any_bytes_give_a_text_without_control_characters(raw: bytes, charsets: list[str]) -> None:
    found = text_from_bytes(raw, charsets)
    assert found.text.isprintable() or not found.is_flagged
    assert "\ufffd" not in found.text


@given(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=12))
def test_what_was_encoded_comes_back(name: str) -> None:
    for charset, codec in (("GB18030", "gb18030"), ("ISO_IR 192", "utf-8")):
        found = text_from_bytes(name.encode(codec), [charset])
        assert found == Text(name, False) or found.is_flagged


@pytest.mark.parametrize(
    ("name", "shown"),
    [(NAME, "王 小东 (Wang XiaoDong)"), ("Doe^Jane", "Doe Jane"), ("=王^小东", "王 小东"), ("", "")],
)
def test_a_person_is_shown_as_people_write(name: str, shown: str) -> None:
    assert person_from_text(name) == shown
