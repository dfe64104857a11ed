"""A bridge's picture: headers read strictly, pixels taken as they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ImageError
from edge.exam_keys import ExamKey
from edge.page.frames import MAX_FRAME_BYTES, NAMES, FrameHead, head_from_headers
from tests.edge.page.asking import Reply, ask
from tests.edge.page.conftest import Apps

HEADS = {
    "x-width": "6", "x-height": "4", "x-channels": "1", "x-source": "dicom", "x-machine": "Voluson E6",
    "x-patient": "P-9", "x-study": "1.2.3", "x-still": "0",
}  # fmt: skip


def sent(apps: Apps, body: bytes | Iterator[bytes] = b"\0" * 24, **changes: str | bytes | None) -> Reply:
    heads: dict[str, str | bytes | None] = {name.replace("-", "_"): value for name, value in HEADS.items()}
    return ask(apps.unix, "POST", "/api/frames", body, **{**heads, **changes, "host": "localhost", "x_token": None})


def head(**changes: str) -> FrameHead:
    values = {**HEADS, **{f"x-{name}": value for name, value in changes.items()}}
    return head_from_headers([(name.encode(), value.encode()) for name, value in values.items()])


def test_a_gray_frame_reaches_the_plane_check(apps: Apps) -> None:
    assert sent(apps, bytes(range(24))).json == {"taken": True}
    (frame,) = apps.box.taken
    assert frame.pixels.tolist() == np.arange(24).reshape(4, 6).tolist()
    assert (frame.key, frame.source, frame.machine, frame.is_still) == (
        ExamKey("P-9", "1.2.3"), "dicom", "Voluson E6", False,
    )  # fmt: skip
    assert not frame.pixels.flags.writeable


def test_a_color_frame_keeps_its_channels_last(apps: Apps) -> None:
    assert sent(apps, bytes(range(72)), x_channels="3", x_still="1").status == 200
    assert apps.box.taken[0].pixels.shape == (4, 6, 3)
    assert apps.box.taken[0].is_still


def test_a_frame_is_as_old_as_its_first_byte_here(apps: Apps) -> None:
    import time

    before_s = time.monotonic()
    sent(apps)
    assert before_s <= apps.box.taken[0].captured_s <= time.monotonic()


def test_a_patient_may_have_any_script(apps: Apps) -> None:
    assert sent(apps, x_patient="王小明".encode()).status == 200
    assert apps.box.taken[0].key == ExamKey("王小明", "1.2.3")


def test_two_empty_keys_are_no_key() -> None:
    assert head(patient="", study=" ").key is None


@pytest.mark.parametrize("name", NAMES)
def test_every_header_must_be_there_once(name: str) -> None:
    rest = [(key.encode(), value.encode()) for key, value in HEADS.items() if key != f"x-{name}"]
    with pytest.raises(ImageError, match=f"X-{name.capitalize()}"):
        head_from_headers(rest)
    twice = (f"x-{name}".encode(), HEADS[f"x-{name}"].encode())
    with pytest.raises(ImageError, match="once"):
        head_from_headers([*rest, twice, twice])


@pytest.mark.parametrize(
    "changes",
    [
        *({"width": text} for text in ("", "0", "-1", "1.0", "06", "+6", "1e2", "4097", "9" * 30, "６", " 6")),
        *({"height": text} for text in ("", "0", "99999", "0x4")),
        *({"channels": text} for text in ("", "2", "4", "03", "gray")),
        *({"still": text} for text in ("", "true", "2", "00")),
        *({"source": text} for text in ("", "DICOM", "a/b", "a" * 17, "../x")),
        *({"patient": text} for text in ("a\tb", "\x7f", "P" * 65, "\x00")),
        {"study": "1" * 65}, {"machine": "m" * 65}, {"width": "4096", "height": "4096", "channels": "3"},
    ],
)  # fmt: skip
def test_a_header_that_does_not_hold_what_it_should_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ImageError) as failure:
        head(**changes)
    assert "P" * 65 not in str(failure.value), "a patient's id stands in no message"


def test_text_that_is_no_utf8_is_refused(apps: Apps) -> None:
    assert sent(apps, x_patient=b"\xff\xfe").status == 400


@pytest.mark.parametrize("size", [0, 1, 23, 25, 72, 10_000])
def test_a_body_of_another_size_is_refused(apps: Apps, size: int) -> None:
    reply = sent(apps, b"\0" * size)
    assert (reply.status, reply.json["exit_code"]) == (400, 3)
    assert apps.box.taken == []


def test_a_frame_of_4k_rgb_is_taken(apps: Apps) -> None:
    assert sent(apps, b"\0" * (3840 * 2160 * 3), x_width="3840", x_height="2160", x_channels="3").status == 200


def test_what_is_larger_than_any_frame_is_not_kept(apps: Apps) -> None:
    read = []

    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_FRAME_BYTES // (1 << 20) + 8):
            read.append(1)
            yield bytes(1 << 20)

    assert sent(apps, chunks()).status == 413
    assert sent(apps, content_length=str(10**12)).status == 413


@given(st.lists(st.tuples(st.sampled_from([name.encode() for name in HEADS]), st.binary(max_size=80)), max_size=12))
def test_any_headers_are_read_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        assert head_from_headers(headers).size_bytes <= MAX_FRAME_BYTES
    except ImageError as error:
        assert "\n" not in error.cause
