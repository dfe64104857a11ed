"""Key objects and the images they point at."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame

from edge.errors import ImageError
from edge.reports.gather import Report
from edge.reports.uids import uid_from_object
from firmware_bridge.dicom.images import (
    JPEG_BASELINE,
    frame_uid,
    image_from_picture,
    images_from_report,
    uncompressed_image,
)
from firmware_bridge.dicom.kos import best_rows, kos_from_document
from firmware_bridge.dicom.outbox_study import part10_from_dataset
from tests.firmware_bridge.dicom.finished import CHINESE, errors_of, finished, named, peer_text


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return finished(tmp_path_factory.mktemp("exam"))


def kos_of(report: Report) -> Dataset | None:
    facts = named(report)
    return kos_from_document(report.document, facts, images_from_report(report, facts))


def coloured() -> bytes:
    """A JPEG in colour with subsampled chroma."""
    rng, stream = np.random.default_rng(5), io.BytesIO()
    pixels = rng.integers(0, 255, (31, 47, 3), dtype=np.uint8).repeat(3, 0).repeat(3, 1)
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def image_file(report: Report, jpeg: bytes) -> bytes:
    data = image_from_picture(report.document, named(report), report.document.pictures[0], 1, jpeg)
    return part10_from_dataset(data, JPEG_BASELINE)


@pytest.mark.peer
def test_dciodvfy_finds_no_error_in_the_selection(report: Report, tmp_path: Path) -> None:
    data = kos_of(report)
    assert data is not None
    path = tmp_path / "kos.dcm"
    path.write_bytes(part10_from_dataset(data))
    assert errors_of(path) == []
    text = peer_text("dsrdump", "+Pl", path)
    assert 'CONTAINER:(,,"Of Interest")' in text
    assert CHINESE in text


@pytest.mark.peer
@pytest.mark.parametrize("kind", ["gray", "colour"])
def test_dciodvfy_finds_no_error_in_an_image(report: Report, tmp_path: Path, kind: str) -> None:
    jpeg = coloured() if kind == "colour" else next(iter(report.jpegs.values()))
    path = tmp_path / "image.dcm"
    path.write_bytes(image_file(report, jpeg))
    assert errors_of(path) == []


def test_it_selects_the_frames_of_captured_and_confirmed_planes(report: Report) -> None:
    data = kos_of(report)
    assert data is not None
    chosen = [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in data.ContentSequence if
              one.ValueType == "IMAGE"]  # fmt: skip
    frames = [row.frame for row in best_rows(report.document)]
    assert chosen == [frame_uid(report.document, str(frame)) for frame in dict.fromkeys(frames)]
    assert {row.state for row in best_rows(report.document)} == {"captured", "captured_low", "confirmed"}
    assert not set(report.document.tray) & set(frames)


def test_the_same_exam_is_the_same_object_byte_for_byte(report: Report) -> None:
    once, again = (kos_of(report) for _ in range(2))
    assert once is not None and again is not None
    assert part10_from_dataset(once) == part10_from_dataset(again)


def test_highdicom_reads_the_selection_back(report: Report) -> None:
    from highdicom.ko import KeyObjectSelection

    data = kos_of(report)
    assert data is not None
    assert len(KeyObjectSelection.from_sequence([data]).get_references()) == len(best_rows(report.document))


def test_an_exam_without_frames_selects_nothing(report: Report) -> None:
    assert kos_of(replace(report, document=replace(report.document, pictures=()))) is None


def test_an_image_holds_the_stored_jpeg_as_it_is(report: Report) -> None:
    frame = report.document.pictures[0].frame
    data = dcmread(io.BytesIO(image_file(report, report.jpegs[frame])))
    held = get_frame(data.PixelData, 0, number_of_frames=1)
    assert held.rstrip(b"\0") == report.jpegs[frame].rstrip(b"\0")
    assert data.SOPInstanceUID == uid_from_object(report.document.exam, f"frame/{frame}")
    assert data.LossyImageCompression == "01"
    assert report.document.research_use.en in data.ImageComments
    assert "BurnedInAnnotation" not in data


@pytest.mark.parametrize("kind", ["gray", "colour"])
def test_a_receiver_without_jpeg_gets_the_same_pixels(report: Report, kind: str) -> None:
    jpeg = coloured() if kind == "colour" else next(iter(report.jpegs.values()))
    data = uncompressed_image(dcmread(io.BytesIO(image_file(report, jpeg))))
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert np.array_equal(data.pixel_array, np.asarray(picture))
    assert data.LossyImageCompression == "01"


def test_a_progressive_jpeg_is_refused(report: Report) -> None:
    stream = io.BytesIO()
    Image.new("L", (64, 64), 90).save(stream, "JPEG", progressive=True)
    with pytest.raises(ImageError, match="baseline"):
        image_file(report, stream.getvalue())
    with pytest.raises(ImageError, match="no JPEG"):
        image_file(report, b"\xff\xd8 nothing")
