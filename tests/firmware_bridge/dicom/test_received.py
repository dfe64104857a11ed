"""What is kept of an object: the ultrasound region, and nothing that stands around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import EdgeError, ImageError
from firmware_bridge.dicom.received import Rule, received_from_bytes
from firmware_bridge.dicom.scanner import JPEG, Pretended, object_from_pictures
from firmware_bridge.dicom.spool_file import SpoolHead
from tests.firmware_bridge.dicom.receiving import PLANTED, bytes_from_object, picture, planted


def kept(made: Any, rule: Rule = Rule.REFUSE) -> tuple[list[NDArray[np.uint8]], SpoolHead]:
    with received_from_bytes(bytes_from_object(made), rule) as received:
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


def test_where_the_fan_may_be_looked_for_a_screen_without_one_is_refused() -> None:
    made = planted(1)
    del made.SequenceOfUltrasoundRegions
    pixels = np.full((made.Rows, made.Columns), PLANTED, np.uint8)  # a plain page
    made.PixelData = pixels.tobytes()
    with pytest.raises(EdgeError, match="fan"):
        kept(made, Rule.FAN)


def test_where_the_fan_may_be_looked_for_its_box_is_kept() -> None:
    made = planted(1)
    del made.SequenceOfUltrasoundRegions
    pixels = np.zeros((200, 200), np.uint8)
    pixels[60:156, 50:146] = picture(1)
    made.Rows, made.Columns, made.PixelData = 200, 200, pixels.tobytes()
    (cut,), _ = kept(made, Rule.FAN)
    assert cut.shape == (96, 96)


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
    with pytest.raises(ImageError), received_from_bytes(data.replace(value, b"\0" * len(value)), Rule.REFUSE):
        pass


def test_a_patient_with_a_control_character_is_refused() -> None:
    made = planted(1, Pretended(patient="A-B"))
    data = bytes_from_object(made).replace(b"A-B", b"A\x01B")
    with pytest.raises(ImageError, match="control"), received_from_bytes(data, Rule.REFUSE):
        pass


def test_random_bytes_and_torn_objects_are_refused() -> None:
    rng, whole = np.random.default_rng(0), bytes_from_object(planted(1))
    for data in (b"", b"\0" * 200, rng.bytes(4000), whole[:300], whole[:-2000]):
        with pytest.raises(EdgeError), received_from_bytes(data, Rule.REFUSE) as received:
            list(received.frames())
