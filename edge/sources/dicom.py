"""Ultrasound DICOM file -> frames: only the tissue region's pixels, never the patient's data around them.

::

    file -> header (no pixels) -> check -> for each frame: decode -> 8 bit -> cut to the tissue regions -> Frame
"""

from __future__ import annotations

import struct
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from edge.errors import ImageError
from edge.sources.dicom_claims import LimitedHeader, check_codestreams
from edge.sources.frame import Frame, bytes_from_deep, check_size

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset

    _Decoded = Generator[NDArray[Any], None, None]

GRAY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = tuple(f"{colour}PaletteColorLookupTable" for colour in ("Red", "Green", "Blue"))
HEADER_ELEMENTS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "SequenceOfUltrasoundRegions"),
    *("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate"),
    *(name + end for name in PALETTE for end in ("Descriptor", "Data")),
    "ManufacturerModelName",  # a model is only measured on some scanners
    *("PatientID", "StudyInstanceUID"),  # for dicom_key.py, and for calibration/formats.py, which keeps no id
)
MAX_FRAMES = 100_000  # an hour at 28 frames/s; a header that claims more is wrong
REGION_2D = 1  # Region Spatial Format, PS3.3 C.8.5.5.1.1
REGION_TISSUE = 1  # Region Data Type, PS3.3 C.8.5.5.1.2


def frames_from_dicom(path: Path) -> Iterator[Frame]:
    """Every frame of a DICOM file, gray values windowed as the file asks, cut to its 2D tissue regions.

    Where the file names ultrasound regions, pixels outside the 2D tissue ones are never handed on.

    Raises:
        ImageError: not DICOM, no pixels, a form that is not read, no tissue region, damaged, or a codec is missing.
    """
    yield from frames_from_header(path, header_from_file(path))


def frames_from_header(path: Path, header: Dataset) -> Iterator[Frame]:
    """The same for a file whose header was read.

    Args:
        path: of the file.
        header: of `header_from_file`.

    Raises:
        ImageError: as of `frames_from_dicom`.
    """
    try:
        yield from _frames_from_header(path, header)
    except _decode_errors() as error:
        raise _decode_error(path, header, error) from error


def _frames_from_header(path: Path, header: Dataset) -> Iterator[Frame]:
    regions = regions_from_header(path, header)
    count = _count(header)
    check_size(path, int(header.Columns), int(header.Rows))
    check_codestreams(path, header, count)
    # A stream, since iter_pixels resolves a path, which an object in memory does not have.
    with path.open("rb") as stream, closing(_decoded(stream, header, count)) as decoded:
        for index in range(count):
            pixels = next(decoded, None)
            if pixels is None:
                raise ImageError(f"{path} holds {index} of its {count} frames.", "Send or export it again.")
            tissue = tissue_from_pixels(bytes_from_pixels(pixels, header), regions)
            machine = str(header.get("ManufacturerModelName") or "")
            yield Frame(tissue, str(path), index, _time_ms(header, index, count), machine)


def _decoded(stream: BinaryIO, header: Dataset, count: int) -> _Decoded:
    """Frames as they are stored, YBR as RGB; one is in memory at a time."""
    from pydicom.pixels.utils import iter_pixels

    is_native = not header.file_meta.TransferSyntaxUID.is_encapsulated
    if header.PhotometricInterpretation == "YBR_FULL_422" and is_native:
        for index in range(count):  # pydicom 3.0.2 takes the second frame, and those after it, from a wrong place
            yield from cast("_Decoded", iter_pixels(stream, indices=[index]))
        return
    yield from cast("_Decoded", iter_pixels(stream))


def header_from_file(path: Path) -> Dataset:
    """What is needed to show the pixels (HEADER_ELEMENTS, so no name is even read), checked.

    Raises:
        ImageError: not DICOM, or a photometric interpretation, depth or frame count that is not read.
    """
    from pydicom import dcmread

    try:
        with path.open("rb") as stream:
            limited = cast("BinaryIO", LimitedHeader(stream))
            header = dcmread(limited, stop_before_pixels=True, force=True, specific_tags=list(HEADER_ELEMENTS))
        deque(header.iterall(), maxlen=0)  # converts every element now: a damaged one fails here
        photometric = str(header.get("PhotometricInterpretation", ""))
        depth, count = int(header.get("BitsAllocated", 0)), _count(header)
        is_shifted = depth > int(header.get("HighBit") or 0) >= int(header.get("BitsStored") or depth)
    except _decode_errors() as error:
        raise ImageError(
            f"{path} is no readable DICOM file ({type(error).__name__}).", "Send or export it again."
        ) from error
    if "Rows" not in header or "Columns" not in header or not photometric:
        raise ImageError(f"{path} is a DICOM object without an image.", "Give an ultrasound image or cine loop.")
    if photometric not in (*GRAY, *COLOUR, "PALETTE COLOR") or depth not in (8, 16) or not 1 <= count <= MAX_FRAMES:
        raise ImageError(
            f"{path} has {count} frames of {photometric}, {depth} bits; read are {', '.join((*GRAY, *COLOUR))} and"
            f" PALETTE COLOR of 8 or 16 bits, 1 to {MAX_FRAMES} frames.",
            "Export it as ultrasound image or multi-frame image.",
        )
    if is_shifted:
        raise ImageError(
            f"{path} stores its values above its lowest bits.", "Export it with high bit = bits stored - 1."
        )
    return header


def regions_from_header(path: Path, header: Dataset) -> tuple[tuple[int, int, int, int], ...]:
    """The 2D tissue regions as (left, top, right, bottom), ends excluded; empty where the file names no region at all.

    Raises:
        ImageError: the file names regions, but no 2D tissue one (M-mode, Doppler), or one outside the image.

    Source: PS3.3 C.8.5.5.
    """
    items = header.get("SequenceOfUltrasoundRegions") or ()
    boxes = []
    for item in items:
        if item.get("RegionSpatialFormat") != REGION_2D or item.get("RegionDataType") != REGION_TISSUE:
            continue
        names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
        if any(item.get(name) is None for name in names):
            raise ImageError(f"{path} has an ultrasound region without a place.", "Export it again.")
        left, top, right, bottom = (int(item.get(name)) for name in names)
        box = (max(0, left), max(0, top), min(int(header.Columns), right + 1), min(int(header.Rows), bottom + 1))
        check_size(path, max(0, box[2] - box[0]), max(0, box[3] - box[1]))
        boxes.append(box)
    if items and not boxes:
        raise ImageError(f"{path} has no 2D tissue region (M-mode or Doppler only).", "Give a B-mode image.")
    return tuple(boxes)


def tissue_from_pixels(pixels: NDArray[np.uint8], regions: tuple[tuple[int, int, int, int], ...]) -> NDArray[np.uint8]:
    """Cut to the box around all regions, black between them; nothing outside is in the memory handed on.

    Args:
        pixels: (H,W) or (H,W,3).
        regions: boxes as of `regions_from_header`; none keeps the whole frame.

    Returns:
        (h,w) or (h,w,3).
    """
    if not regions:
        return pixels
    lefts, tops, rights, bottoms = zip(*regions, strict=True)
    if len(regions) == 1:
        return np.array(pixels[tops[0] : bottoms[0], lefts[0] : rights[0]])
    kept: NDArray[np.uint8] = np.zeros_like(pixels)
    for left, top, right, bottom in regions:
        kept[top:bottom, left:right] = pixels[top:bottom, left:right]
    cut: NDArray[np.uint8] = kept[min(tops) : max(bottoms), min(lefts) : max(rights)]
    return cut


def bytes_from_pixels(pixels: NDArray[Any], header: Dataset) -> NDArray[np.uint8]:
    """Stored values of one frame -> what a screen shows.

    Args:
        pixels: (H,W), or (H,W,3) RGB, as pydicom decodes them.
        header: photometric interpretation, depth, window, palette.

    Returns:
        (H,W) or (H,W,3), 0..255; MONOCHROME1 inverted.
    """
    photometric, depth_bits = header.PhotometricInterpretation, int(header.BitsStored)
    if photometric == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        coloured = apply_color_lut(pixels, header)
        return bytes_from_deep(coloured, 8 * coloured.itemsize)
    if photometric in COLOUR:
        return bytes_from_deep(pixels, depth_bits)
    gray = _windowed(pixels, header, depth_bits)
    return 255 - gray if photometric == "MONOCHROME1" else gray


def _windowed(pixels: NDArray[Any], header: Dataset, depth_bits: int) -> NDArray[np.uint8]:
    """Rescale, then VOI LUT or window; without either, the stored depth is the range.

    Source: PS3.3 C.11.1 (rescale) and C.11.2 (VOI LUT, window functions).
    """
    if "VOILUTSequence" in header:
        from pydicom.pixels.processing import apply_voi

        return bytes_from_deep(apply_voi(pixels, header), int(header.VOILUTSequence[0].LUTDescriptor[2]))
    centre, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
    given = _first(header.get("RescaleSlope"))
    slope = 1.0 if given is None else given
    if centre is None or width is None or width <= 0:
        stored = _stored_range(pixels, header, depth_bits)
        return 255 - stored if slope < 0 else stored
    values = pixels * slope + (_first(header.get("RescaleIntercept")) or 0.0)
    function = header.get("VOILUTFunction", "LINEAR")
    if function == "SIGMOID":
        shares = 1 / (1 + np.exp(-4 * (values - centre) / width))
    elif function == "LINEAR_EXACT":
        shares = (values - centre) / width + 0.5
    else:
        shares = (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5
    return np.round(np.clip(shares, 0, 1) * 255).astype(np.uint8)


def _stored_range(pixels: NDArray[Any], header: Dataset, depth_bits: int) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8 and depth_bits == 8:
        return np.asarray(pixels, np.uint8)  # it is what a screen shows
    lowest = 1 << (depth_bits - 1) if header.get("PixelRepresentation") == 1 else 0
    return bytes_from_deep((pixels.astype(np.int32) + lowest).astype(np.uint16), depth_bits)


def _decode_errors() -> tuple[type[Exception], ...]:
    """What pydicom and its codecs raise on a damaged file, seen when bytes of test files were changed at random."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    python = (RuntimeError, ValueError, AttributeError, LookupError, TypeError, OSError, EOFError, struct.error)
    return (*python, BytesLengthException, InvalidDicomError)


def _decode_error(path: Path, header: Dataset, error: Exception) -> ImageError:
    # Only the error's kind is told: pydicom quotes the file's bytes, and a name may stand among them.
    syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    name = getattr(syntax, "name", "no transfer syntax named")
    if "plugin" in str(error) or "dependencies" in str(error):
        return ImageError(
            f"{path} is compressed as {name}, for which no decoder is installed.",
            "Run: pip install python-gdcm, or export it uncompressed.",
        )
    return ImageError(f"{path} cannot be decoded as {name} ({type(error).__name__}).", "Send or export it again.")


def _count(header: Dataset) -> int:
    return int(header.get("NumberOfFrames") or 1)


def _first(value: Any) -> float | None:
    """The first of a multi-valued number; the others are alternatives a reader may choose."""
    if value is None or value == "":
        return None
    return float(value) if isinstance(value, (int, float, str)) else float(value[0])


def _time_ms(header: Dataset, index: int, count: int) -> float | None:
    """Since the first frame, from Frame Time Vector, Frame Time or the frame rate (PS3.3 C.7.6.5)."""
    if count == 1:
        return None
    vector = header.get("FrameTimeVector")
    if vector is not None and len(vector) == count:
        return float(sum(vector[1 : index + 1]))
    if header.get("FrameTime"):
        return float(header.FrameTime) * index
    rate_hz = header.get("CineRate") or header.get("RecommendedDisplayFrameRate")
    return 1000.0 * index / float(rate_hz) if rate_hz else None
