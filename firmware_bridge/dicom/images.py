"""Kept frames -> Secondary Capture objects that hold the stored JPEG as it is, not decoded and not coded again.

::

    JPEG (region of interest) --its bytes, encapsulated--> Secondary Capture --receiver without JPEG--> uncompressed

In: the document and the JPEGs. Out: datasets. They are Secondary Capture and not Ultrasound Image objects: the box has
pictures of another device's screen and knows neither that device's calibration nor its settings. Burned In Annotation
is left out, which says that it is not known: the region is cut to the fan, and nobody read what stands in it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from edge.errors import ImageError
from edge.reports.document import ExamDocument, Picture
from edge.reports.gather import Report
from edge.reports.uids import uid_from_object
from firmware_bridge.dicom.outbox_study import (
    EXPLICIT_LITTLE,
    Series,
    StudyFacts,
    dataset_from_facts,
    moment_from_wall,
    notes_from_document,
)

if TYPE_CHECKING:
    from pydicom import Dataset

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # PS3.4 table B.5-1
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"  # transfer syntax, PS3.5 section A.4.1
SERIES = Series("series", "US", 9001, "Plane check: kept frames (research)")
CONVERSIONS = {"camera": "DV", "video": "DV", "dicom": "DI", "demo": "SYN"}  # PS3.3 C.8.6.1: digitized video, interface
ALTERED = "WSD"  # workstation: whatever else a frame came from
PHOTOMETRIC = {"L": "MONOCHROME2", "RGB": "YBR_FULL_422"}  # PS3.5 section 8.2.1, of a JPEG with 1 or 3 components


def frame_uid(document: ExamDocument, frame: str) -> str:
    """SOP Instance UID of a kept frame, the same as in the FHIR file."""
    return uid_from_object(document.exam, f"frame/{frame}")


def kept_frames(document: ExamDocument) -> tuple[str, ...]:
    """Names of the frames whose JPEG is stored, each once."""
    return tuple(dict.fromkeys(picture.frame for picture in document.pictures if picture.sha256 is not None))


def images_from_report(report: Report, facts: StudyFacts) -> dict[str, Dataset]:
    """Name of each kept frame -> its object.

    Raises:
        ImageError: a kept frame is no baseline JPEG with 1 or 3 components.
    """
    document = report.document
    pictures = {picture.frame: picture for picture in document.pictures}
    return {
        frame: image_from_picture(document, facts, pictures[frame], number, report.jpegs[frame])
        for number, frame in enumerate(kept_frames(document), 1)
    }


def image_from_picture(
    document: ExamDocument, facts: StudyFacts, picture: Picture, number: int, jpeg: bytes
) -> Dataset:
    """One kept frame as a Secondary Capture image.

    Args:
        document: of the exam.
        facts: whose it is.
        picture: the frame.
        number: Instance Number, 1, 2, ...
        jpeg: its bytes.

    Raises:
        ImageError: it is no baseline JPEG with 1 or 3 components.

    Source: DICOM PS3.3 A.8.1.3; C.7.6.1, C.7.6.3, C.8.6.1, C.8.6.2; PS3.5 section A.4.1.
    """
    from pydicom.encaps import encapsulate

    width, height, mode = _form(jpeg)
    uid = frame_uid(document, picture.frame)
    data = dataset_from_facts(document, facts, SERIES, SECONDARY_CAPTURE, uid, number)
    taken, source = moment_from_wall(picture.wall), document.marks.source if document.marks else ""
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.PatientOrientation = None
    data.Laterality = ""
    data.ContentDate, data.ContentTime = taken.strftime("%Y%m%d"), taken.strftime("%H%M%S")
    data.ConversionType = CONVERSIONS.get(source, ALTERED)
    data.ImageComments = "\r\n".join(notes_from_document(document))
    data.SamplesPerPixel, data.PhotometricInterpretation = (1 if mode == "L" else 3), PHOTOMETRIC[mode]
    if mode != "L":
        data.PlanarConfiguration = 0
    data.Rows, data.Columns = height, width
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.LossyImageCompression, data.LossyImageCompressionMethod = "01", "ISO_10918_1"
    data.LossyImageCompressionRatio = f"{width * height * data.SamplesPerPixel / len(jpeg):.2f}"
    data.PixelData = encapsulate([jpeg])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    return data


def uncompressed_image(data: Dataset) -> Dataset:
    """The same image for a receiver that takes no JPEG; that it was compressed once stays said.

    Args:
        data: as of `image_from_picture`, read back from its file.

    Source: DICOM PS3.5 section 8.2.1; PS3.3 C.7.6.1.1.5: lossy compression is told for good.
    """
    import numpy as np
    from PIL import Image
    from pydicom.encaps import get_frame
    from pydicom.uid import UID

    with Image.open(io.BytesIO(get_frame(data.PixelData, 0, number_of_frames=1))) as picture:
        pixels = np.asarray(picture)
    if pixels.ndim == 3:
        data.PhotometricInterpretation, data.PlanarConfiguration = "RGB", 0
    values = pixels.tobytes()
    data.PixelData = values + b"\0" * (len(values) % 2)  # values have an even length, PS3.5 section 7.1.1
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = False
    data.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    return data


def _form(jpeg: bytes) -> tuple[int, int, str]:
    """Width, height and Pillow's mode of a baseline JPEG."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
            fits = picture.mode in PHOTOMETRIC and not picture.info.get("progressive")
            (width, height), mode = picture.size, picture.mode
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ImageError("A kept frame is no JPEG.", "Check the store: edge exam verify.") from error
    if not fits:
        raise ImageError("A kept frame is no baseline JPEG, gray or colour.", "Check the store: edge exam verify.")
    return width, height, mode
