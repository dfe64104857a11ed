"""Ultrasound DICOM files: pixel forms, windows, regions, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, UltrasoundImageStorage

from edge.errors import ImageError
from edge.sources.images import frames_from_path

GRAY = (np.arange(48 * 64).reshape(48, 64) % 251).astype(np.uint8)
RGB = np.stack([GRAY, GRAY // 2, 255 - GRAY], axis=-1)


def region(left: int, top: int, right: int, bottom: int, spatial: int = 1, data: int = 1) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType = spatial, data
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    return item


def dicom(path: Path, pixels: np.ndarray, photometric: str = "MONOCHROME2", **elements: object) -> Path:
    """pixels: (H,W), (H,W,3), or (N,H,W) when NumberOfFrames is given."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, UltrasoundImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    header = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID, header.PatientName = UltrasoundImageStorage, "1.2.3", "Doe^Jane"
    frame = pixels[0] if "NumberOfFrames" in elements else pixels
    header.Rows, header.Columns = frame.shape[:2]
    header.SamplesPerPixel = 3 if frame.ndim == 3 else 1
    if frame.ndim == 3:
        header.PlanarConfiguration = 0
    header.PhotometricInterpretation = photometric
    header.BitsAllocated = header.BitsStored = 8 * pixels.itemsize
    header.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
    header.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(header, name, value)
    header.HighBit = elements.get("HighBit", header.BitsStored - 1)
    header.save_as(path, enforce_file_format=True)
    return path


def only(path: Path) -> np.ndarray:
    (frame,) = frames_from_path(path)
    return frame.pixels


def test_monochrome2_keeps_its_bytes(tmp_path: Path) -> None:
    assert np.array_equal(only(dicom(tmp_path / "a.dcm", GRAY)), GRAY)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    assert np.array_equal(only(dicom(tmp_path / "a.dcm", GRAY, "MONOCHROME1")), 255 - GRAY)


def test_rgb_keeps_its_bytes(tmp_path: Path) -> None:
    assert np.array_equal(only(dicom(tmp_path / "a.dcm", RGB, "RGB")), RGB)


def test_ybr_full_becomes_rgb(tmp_path: Path) -> None:
    ybr = np.dstack([GRAY, np.full_like(GRAY, 128), np.full_like(GRAY, 128)])
    assert np.abs(only(dicom(tmp_path / "a.dcm", ybr, "YBR_FULL")).astype(int) - GRAY[..., None]).max() <= 1


def test_ybr_full_422_becomes_rgb(tmp_path: Path) -> None:
    packed = np.full((48, 32, 4), 128, np.uint8)  # Y Y Cb Cr for two pixels
    packed[..., :2] = GRAY.reshape(48, 32, 2)
    path = dicom(tmp_path / "a.dcm", RGB, "YBR_FULL_422", PixelData=packed.tobytes())
    assert np.abs(only(path).astype(int) - GRAY[..., None]).max() <= 1


def test_each_frame_of_a_ybr_full_422_clip_is_its_own(tmp_path: Path) -> None:
    packed = np.full((4, 48, 32, 4), 128, np.uint8)
    packed[..., :2] = np.arange(10, 50, 10)[:, None, None, None]
    loop = np.stack([RGB] * 4)
    path = dicom(tmp_path / "a.dcm", loop, "YBR_FULL_422", NumberOfFrames=4, PixelData=packed.tobytes())
    assert [int(frame.pixels.mean().round()) for frame in frames_from_path(path)] == [10, 20, 30, 40]


def test_palette_becomes_rgb(tmp_path: Path) -> None:
    ramp = (np.arange(256) * 257).astype(np.uint16).tobytes()
    tables = {f"{c}PaletteColorLookupTableData": ramp for c in ("Red", "Green", "Blue")}
    sizes = {f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in ("Red", "Green", "Blue")}
    pixels = only(dicom(tmp_path / "a.dcm", GRAY, "PALETTE COLOR", **tables, **sizes))
    assert np.array_equal(pixels, np.repeat(GRAY[..., None], 3, axis=2))


def test_twelve_stored_bits_are_scaled_by_4095(tmp_path: Path) -> None:
    deep = GRAY.astype(np.uint16) * 16
    pixels = only(dicom(tmp_path / "a.dcm", deep, BitsStored=12))
    assert np.array_equal(pixels, np.floor(deep.astype(float) * 255 / 4095 + 0.5))


def test_values_that_are_shifted_up_are_refused_and_not_shown_wrapped(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", GRAY.astype(np.uint16) << 8, BitsStored=12, HighBit=15)
    with pytest.raises(ImageError, match="lowest bits"):
        only(path)


def test_signed_pixels_start_at_the_lowest_value(tmp_path: Path) -> None:
    deep = ((GRAY.astype(np.int32) << 8) - 32768).astype(np.int16)
    assert np.abs(only(dicom(tmp_path / "a.dcm", deep)).astype(int) - GRAY).max() <= 1


@pytest.mark.parametrize("stored", [GRAY, GRAY.astype(np.uint16) * 257])
def test_negative_rescale_slope_turns_the_values_round(tmp_path: Path, stored: np.ndarray) -> None:
    assert np.array_equal(
        only(dicom(tmp_path / "a.dcm", stored, RescaleSlope="-1", RescaleIntercept="255")), 255 - GRAY
    )


@pytest.mark.parametrize("window", [{}, {"WindowCenter": "128", "WindowWidth": "256"}])
def test_empty_rescale_is_none(tmp_path: Path, window: dict[str, str]) -> None:
    empty = only(dicom(tmp_path / "a.dcm", GRAY, RescaleSlope=None, RescaleIntercept=None, **window))
    assert np.array_equal(empty, only(dicom(tmp_path / "b.dcm", GRAY, **window)))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_sets_the_shown_range(tmp_path: Path, function: str) -> None:
    pixels = only(dicom(tmp_path / "a.dcm", GRAY, WindowCenter="100", WindowWidth="50", VOILUTFunction=function))
    assert abs(int(pixels[GRAY == 100][0]) - 128) <= 4
    assert pixels[GRAY == 200].min() >= 254 and pixels[GRAY == 0].max() <= 1


def test_multi_frame_gives_frames_with_their_time(tmp_path: Path) -> None:
    loop = np.stack([np.full((48, 64), 10 * i, np.uint8) for i in range(5)])
    frames = list(frames_from_path(dicom(tmp_path / "a.dcm", loop, NumberOfFrames=5, FrameTime="33.3")))
    assert [(f.index, int(f.pixels[0, 0])) for f in frames] == [(i, 10 * i) for i in range(5)]
    assert [f.time_ms for f in frames] == pytest.approx([33.3 * i for i in range(5)])


def test_rle_is_decoded(tmp_path: Path) -> None:
    from pydicom import dcmread

    header = dcmread(dicom(tmp_path / "a.dcm", GRAY))
    header.compress(RLELossless)
    header.save_as(tmp_path / "b.dcm")
    assert np.array_equal(only(tmp_path / "b.dcm"), GRAY)


def test_pixels_outside_the_tissue_region_are_never_used(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", GRAY, SequenceOfUltrasoundRegions=[region(10, 5, 49, 44)])
    assert np.array_equal(only(path), GRAY[5:45, 10:50])


def test_two_regions_are_joined_and_black_between(tmp_path: Path) -> None:
    wide = np.full((48, 128), 200, np.uint8)
    regions = [region(4, 4, 43, 43), region(64, 4, 103, 43)]
    pixels = only(dicom(tmp_path / "a.dcm", wide, SequenceOfUltrasoundRegions=regions))
    assert pixels.shape == (40, 100)
    assert pixels[:, :40].min() == 200 and pixels[:, 60:].min() == 200 and pixels[:, 40:60].max() == 0


def test_doppler_region_is_left_out(tmp_path: Path) -> None:
    regions = [region(0, 0, 39, 39), region(0, 40, 63, 47, spatial=3, data=3)]
    assert only(dicom(tmp_path / "a.dcm", GRAY, SequenceOfUltrasoundRegions=regions)).shape == (40, 40)


def test_file_without_a_tissue_region_is_refused(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", GRAY, SequenceOfUltrasoundRegions=[region(0, 0, 63, 47, spatial=2)])
    with pytest.raises(ImageError, match="no 2D tissue region"):
        only(path)


def test_region_outside_the_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="pixels"):
        only(dicom(tmp_path / "a.dcm", GRAY, SequenceOfUltrasoundRegions=[region(200, 200, 300, 300)]))


def test_file_without_preamble_is_read(tmp_path: Path) -> None:
    whole = dicom(tmp_path / "a.dcm", GRAY).read_bytes()
    (tmp_path / "bare").write_bytes(whole[132:])
    assert np.array_equal(only(tmp_path / "bare"), GRAY)


def test_missing_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        list(frames_from_path(dicom(tmp_path / "a.dcm", GRAY[None], NumberOfFrames=9)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_file_is_refused(tmp_path: Path, share: float) -> None:
    path = dicom(tmp_path / "a.dcm", GRAY)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError):
        only(path)


def test_report_without_pixels_is_refused(tmp_path: Path) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report = FileDataset(tmp_path / "a.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
    report.PatientName = "Doe^Jane"
    report.save_as(tmp_path / "a.dcm")
    with pytest.raises(ImageError, match="without an image") as caught:
        only(tmp_path / "a.dcm")
    assert "Doe" not in str(caught.value)


def test_text_renamed_to_dcm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("a note\n" * 50)
    with pytest.raises(ImageError):
        only(tmp_path / "a.dcm")


@pytest.mark.filterwarnings("ignore")  # pydicom's own, about values it finds odd
def test_every_damaged_header_byte_gives_frames_or_an_image_error(tmp_path: Path) -> None:
    whole = dicom(tmp_path / "a.dcm", GRAY, SequenceOfUltrasoundRegions=[region(0, 0, 39, 39)]).read_bytes()
    for position in range(132, whole.index(GRAY.tobytes()[:200]), 3):
        (tmp_path / "bad.dcm").write_bytes(whole[:position] + b"\x55" + whole[position + 1 :])
        try:
            assert all(frame.pixels.dtype == np.uint8 for frame in frames_from_path(tmp_path / "bad.dcm"))
        except ImageError as error:
            assert error.cure
