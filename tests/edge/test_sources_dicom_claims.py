"""What a DICOM object claims is looked at before any memory is given to it."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from edge.errors import ImageError
from edge.sources.dicom import frames_from_dicom
from edge.sources.dicom_claims import MAX_RLE_BYTES, LimitedHeader, claim_from_codestream
from tests.edge.test_sources_dicom import GRAY, dicom

CODES = {"JPEG": JPEGBaseline8Bit, "JPEG2000": JPEG2000Lossless}


def code(pixels: np.ndarray, form: str) -> bytes:
    """A codestream."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, form, **({"no_jp2": True} if form == "JPEG2000" else {}))
    return stream.getvalue()


def compressed(path: Path, codestream: bytes, syntax: str) -> Path:
    """An object of GRAY's size around a codestream."""
    return dicom(path, GRAY, PixelData=encapsulate([codestream]), file_meta=meta(path, syntax))


def meta(path: Path, syntax: str) -> Dataset:
    from pydicom import dcmread

    made = dcmread(dicom(path, GRAY)).file_meta
    made.TransferSyntaxUID = syntax
    return made


@pytest.mark.parametrize("form", CODES)
@pytest.mark.parametrize("shape", [(48, 64), (37, 53, 3)])
def test_a_codestream_says_its_size_and_samples(form: str, shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, np.uint8)
    assert claim_from_codestream(code(pixels, form)) == (shape[1], shape[0], (*shape, 1)[2])


@pytest.mark.parametrize("form", CODES)
def test_an_object_as_it_should_be_is_read_and_a_bomb_is_not(form: str, tmp_path: Path) -> None:
    right = compressed(tmp_path / "a.dcm", code(GRAY, form), CODES[form])
    (frame,) = frames_from_dicom(right)
    assert frame.pixels.shape == GRAY.shape
    whole = code(GRAY, form)
    size = struct.pack(">HH", *GRAY.shape) if form == "JPEG" else struct.pack(">II", *GRAY.shape[::-1])
    bomb = whole.replace(size, struct.pack(">HH" if form == "JPEG" else ">II", 60_000, 60_000), 1)
    with pytest.raises(ImageError, match="another size"):
        list(frames_from_dicom(compressed(tmp_path / "b.dcm", bomb, CODES[form])))


def test_a_run_of_rle_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    bomb = header + b"\x81\xff" * (MAX_RLE_BYTES // 2)
    with pytest.raises(ImageError, match="another size"):
        list(frames_from_dicom(compressed(tmp_path / "a.dcm", bomb, RLELossless)))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\0", b"\xff\xd8" + b"\xff" * 9, b"\xff\x4f\xff\x51"]
)
def test_what_tells_no_size_claims_nothing(data: bytes) -> None:
    assert claim_from_codestream(data) is None


def test_a_million_empty_items_before_the_pixels_are_not_read(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", GRAY)
    data = path.read_bytes()
    place = data.index(struct.pack("<HH", 0x0028, 0x0002))  # samples per pixel, the first of its group
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000
    bomb = struct.pack("<HH2sHI", 0x0018, 0x6011, b"SQ", 0, len(items)) + items
    path.write_bytes(data[:place] + bomb + data[place:])
    with pytest.raises(ImageError, match="no readable DICOM"):
        list(frames_from_dicom(path))


def test_a_limited_header_passes_over_what_nobody_reads() -> None:
    header = LimitedHeader(BytesIO(bytes(100)), 10)
    header.seek(80)
    assert (len(header.read(10)), header.tell()) == (10, 90)
    with pytest.raises(OSError, match="too large"):
        header.read(1)
