"""YUV4MPEG2: heads of every kind, levels, and nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ImageError
from firmware_bridge.video.y4m import Y4mHead, head_from_line, pixels_from_luma


@pytest.mark.parametrize(
    ("chroma", "frame_bytes"),
    [
        ("", 1728), (" C420", 1728), (" C420jpeg", 1728), (" C420mpeg2", 1728), (" C422", 2304), (" C411", 1728),
        (" C444", 3456), (" Cmono", 1152),
    ],
)  # fmt: skip
def test_a_head_tells_how_long_a_frame_is(chroma: str, frame_bytes: int) -> None:
    head = head_from_line(f"YUV4MPEG2 W36 H32 F60:1 Ip A1:1{chroma}".encode())
    assert head == Y4mHead(36, 32, 36 * 32, frame_bytes - 36 * 32, False)


def test_odd_sides_round_the_chroma_up() -> None:
    assert head_from_line(b"YUV4MPEG2 W33 H33 F25:1").chroma_bytes == 2 * 17 * 17


def test_video_levels_are_stretched_and_full_range_is_left_alone() -> None:
    luma = bytearray(range(256)) * 4
    gray = pixels_from_luma(head_from_line(b"YUV4MPEG2 W32 H32 F25:1"), luma).reshape(-1)[:256]
    assert (gray[0], gray[16], gray[126], gray[235], gray[255]) == (0, 0, 128, 255, 255)
    assert np.all(np.diff(gray.astype(int)) >= 0)
    full = pixels_from_luma(head_from_line(b"YUV4MPEG2 W32 H32 F25:1 XYSCSS=420JPEG XCOLORRANGE=FULL"), luma)
    assert full.reshape(-1)[:256].tolist() == list(range(256))


@pytest.mark.parametrize(
    "line",
    [
        b"", b"RIFF", b"YUV4MPEG2", b"YUV4MPEG2 W64", b"YUV4MPEG2 W0 H64", b"YUV4MPEG2 W64 H31",
        b"YUV4MPEG2 W99999 H64",
        b"YUV4MPEG2 W64 H64 C420p10", b"YUV4MPEG2 W64 H64 Cmono16", b"YUV4MPEG2 W64 H64 Cxyz", b"\xff\xfe\x00" * 9,
    ],
)  # fmt: skip
def test_what_is_no_head_is_told(line: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        head_from_line(line)
    assert "y4menc" in caught.value.cure


@given(st.binary(max_size=80))
def test_no_bytes_do_anything_else(line: bytes) -> None:
    try:
        head = head_from_line(b"YUV4MPEG2 " + line)
    except ImageError:
        return
    assert 0 < head.width_px * head.height_px == head.luma_bytes
    assert head.chroma_bytes <= 2 * head.luma_bytes + 8192
