"""What is kept of an object: the ultrasound region, and nothing that stands around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import EdgeError, ImageError
from firmware_bridge.dicom.received import received_from_bytes
from firmware_bridge.dicom.scanner import JPEG, Pretended, object_from_pictures
from firmware_bridge.dicom.spool_file import SpoolHead
from tests.firmware_bridge.dicom.receiving import bytes_from_object, picture, planted


def kept(made: Any) -> tuple[list[NDArray[np.uint8]], SpoolHead]:
    with received_from_bytes(bytes_from_object(made)) as received:
        frames = list(received.frames())
        return frames, received.head()


def test_only_the_regions_pixels_are_kept() -> None:
    (pixels,), head = kept(planted(1))
    assert pixels.tolist() == picture(1).tolist()
    assert (head.patient, head.is_still, head.channels) == ("SIM-0001", True, 1)


def test_a_clip_keeps_its_times() -> None:
    frames, head = kept(object_from_pictures([picture(1), picture(2)], Pretended(), 0))
    assert [frame.tolist() for frame in frames] == [picture(1).tolist(), picture(2).tolist()]
    assert head.times_ms == (0.0, 40.0)


def test_a_compressed_object_is_decoded_and_cut() -> None:
    made = object_from_pictures([picture(1)], Pretended(is_jpeg=True), 0)
    assert made.file_meta.TransferSyntaxUID == JPEG
    (pixels,), _ = kept(made)
    assert pixels.shape == (96, 96)
    assert float(np.abs(pixels.astype(int) - picture(1)).mean()) < 6


def colour(made: Any, change: Any = None) -> Any:
    gray = np.frombuffer(made.PixelData, np.uint8).reshape(made.Rows, made.Columns)
    pixels = np.repeat(gray[..., None], 3, 2)
    if change is not None:
        pixels[-5:, -5:, 0] = change
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.PixelData = pixels.tobytes()
    return made


def test_gray_in_three_channels_is_kept_as_one_and_colour_as_three() -> None:
    assert kept(colour(planted(1)))[0][0].tolist() == picture(1).tolist()
    (pixels,), head = kept(colour(planted(1), 255))
    assert (pixels.shape, head.channels) == ((96, 96, 3), 3)


def test_an_object_without_regions_is_refused() -> None:
    made = planted(1)
    del made.SequenceOfUltrasoundRegions
    with pytest.raises(ImageError, match="no ultrasound region"):
        kept(made)


def test_doppler_alone_is_refused() -> None:
    made = planted(1)
    made.SequenceOfUltrasoundRegions[0].RegionDataType = 3
    with pytest.raises(ImageError, match="tissue"):
        kept(made)


@pytest.mark.parametrize("missing", ["SOPInstanceUID", "SOPClassUID"])
def test_an_object_without_identifier_is_refused(missing: str) -> None:
    data = bytes_from_object(planted(1))
    made = planted(1)
    value = str(made[missing].value).encode()
    with pytest.raises(ImageError), received_from_bytes(data.replace(value, b"\0" * len(value))):
        pass


@pytest.mark.parametrize(
    ("charset", "raw", "patient"),
    [
        ("GB18030", "王01".encode("gb18030"), "王01"),
        ("ISO_IR 192", "王01".encode(), "王01"),
        ("ISO 2022 IR 58", b"\x1b$)A" + "王".encode("gb2312") + b"01", "王01"),
        ("", "王01".encode("gb18030"), "\\xCD\\xF501"),  # not declared: its raw value, and nobody's name
        ("ISO_IR 192", "王01".encode("gb18030"), "\\xCD\\xF501"),
        ("", b"A\x01B", "A\\x01B"),
    ],
)
@pytest.mark.filterwarnings("ignore:Failed to decode")  # of pydicom; the bridge silences them
def test_a_patient_id_is_right_or_raw(charset: str, raw: bytes, patient: str) -> None:
    made = planted(1, Pretended(patient="N" * (len(raw) + len(raw) % 2)))
    if charset:
        made.SpecificCharacterSet = ["", charset] if "58" in charset else charset
    else:
        del made.SpecificCharacterSet
    mark = made.PatientID.encode()
    with received_from_bytes(bytes_from_object(made).replace(mark, raw.ljust(len(mark)))) as received:
        assert received.key.patient == patient


def test_a_clip_whose_times_cannot_be_is_played_at_a_usual_rate_and_one_for_hours_is_refused() -> None:
    clip = object_from_pictures([picture(1), picture(2), picture(3)], Pretended(), 0)
    for wrong in (float("inf"), -40.0):
        clip.FrameTime = wrong
        assert kept(clip)[1].times_ms == (0.0, 40.0, 80.0)
    clip.FrameTime = 3.6e6
    with pytest.raises(ImageError, match="lasts 7200 s"):
        kept(clip)


def test_random_bytes_and_torn_objects_are_refused() -> None:
    rng, whole = np.random.default_rng(0), bytes_from_object(planted(1))
    for data in (b"", b"\0" * 200, rng.bytes(4000), whole[:300], whole[:-2000]):
        with pytest.raises(EdgeError), received_from_bytes(data) as received:
            list(received.frames())
