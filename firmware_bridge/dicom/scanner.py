"""A scanner in software: a folder of images as ultrasound objects, and their push to a storage server.

::

    files -> pictures -> screen with a banner above the ultrasound region -> Dataset -> C-STORE

The banner names the patient, as real scanners do: only the region may reach a disk.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from firmware_bridge.dicom.worklist import PeerAddress, check_reached

if TYPE_CHECKING:
    import ssl

    from numpy.typing import NDArray
    from pydicom import Dataset

STILL, CLIP = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"
EXPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
BANNER_PX = 32
FRAME_MS = 40.0
LOST, REFUSED = "none", "refused"  # no status: the connection broke, or there was none
MEANINGS = {
    LOST: "the connection broke",
    REFUSED: "the association was refused",
    "0111": "another picture has this identifier",
    "A700": "the other side has no room",
    "A900": "the object is not what its request says",
    "C000": "it cannot be read there, or names no ultrasound region",
}  # PS3.4 table B.2-1, PS3.7 annex C


@dataclass(frozen=True)
class Pretended:
    """Whose pictures these are said to be.

    Attributes:
        patient: Patient ID, also in the banner.
        name: Patient's Name.
        machine: Manufacturer's Model Name.
        seed: of the study's and the pictures' identifiers: the same seed makes the same ones.
        is_jpeg: compress as JPEG baseline.
    """

    patient: str = "SIM-0001"
    name: str = "Simulated^Patient"
    machine: str = "vmamba-edge simulated scanner"
    seed: int = 0
    is_jpeg: bool = False


@dataclass(frozen=True)
class PushFigures:
    """What a push did.

    Attributes:
        sent: objects.
        accepted: of them, with status 0000H.
        statuses: how often each other status, hexadecimal or of MEANINGS.
        seconds: of all.
        objects_per_s: accepted ones.
    """

    sent: int
    accepted: int
    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    objects_per_s: float = 0.0


def uid_from_seed(*parts: object) -> str:
    """An identifier without a registered root. Source: PS3.5 annex B.2."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def object_from_pictures(pictures: Sequence[NDArray[np.uint8]], who: Pretended, number: int) -> Dataset:
    """An ultrasound image, or a clip of several.

    Args:
        pictures: (H,W) gray, all of one size.
        who: whose.
        number: of the object in its series.
    """
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    screens = [screen_from_picture(picture, who.patient) for picture in pictures]
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(JPEG if who.is_jpeg else EXPLICIT)
    made.SOPClassUID = UID(CLIP if len(pictures) > 1 else STILL)
    made.SOPInstanceUID = UID(uid_from_seed(who.seed, who.patient, "object", number))
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientID, made.PatientName, made.ManufacturerModelName = who.patient, who.name, who.machine
    made.StudyInstanceUID = UID(uid_from_seed(who.seed, who.patient, "study"))
    made.SeriesInstanceUID = UID(uid_from_seed(who.seed, who.patient, "series"))
    made.Modality, made.Manufacturer, made.InstanceNumber = "US", "vmamba-edge", number + 1
    made.StudyDate = made.StudyTime = made.AccessionNumber = made.StudyID = made.SeriesNumber = ""
    made.PatientBirthDate = made.PatientSex = made.ReferringPhysicianName = ""
    made.SequenceOfUltrasoundRegions = [_region(pictures[0].shape)]
    _put_pixels(made, screens, who.is_jpeg)
    return made


def screen_from_picture(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The picture below a banner with a text in white.

    Args:
        picture: (H,W).
        text: of the banner.
    """
    from PIL import Image, ImageDraw

    height, width = picture.shape
    screen = Image.new("L", (width, height + BANNER_PX))
    ImageDraw.Draw(screen).text((4, 8), text, fill=255)
    screen.paste(Image.fromarray(picture), (0, BANNER_PX))
    return np.asarray(screen)


def push(
    objects: Sequence[Dataset],
    peer: PeerAddress,
    ae_title: str,
    associations: int = 1,
    tls: ssl.SSLContext | None = None,
) -> PushFigures:
    """Send objects, on several associations at once.

    Args:
        objects: shared out in turn.
        peer: the storage server.
        ae_title: own title.
        associations: how many.
        tls: of a client; None: plain.

    Raises:
        PeerError: nobody listens there.
    """
    check_reached(peer)
    statuses: list[str] = []
    start_s = time.monotonic()
    threads = [
        threading.Thread(target=_push, args=(objects[first::associations], peer, ae_title, tls, statuses))
        for first in range(associations)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start_s
    found = Counter(statuses)
    accepted = found.pop("0000", 0)
    return PushFigures(len(objects), accepted, dict(found), round(seconds, 3), round(accepted / max(seconds, 1e-6), 1))


def _push(
    objects: Sequence[Dataset], peer: PeerAddress, ae_title: str, tls: ssl.SSLContext | None, statuses: list[str]
) -> None:
    """One association; appending to a list needs no lock."""
    from pynetdicom import AE

    entity = AE(ae_title)
    for stored in (STILL, CLIP):
        entity.add_requested_context(stored, EXPLICIT)
        entity.add_requested_context(stored, JPEG)
    assoc = entity.associate(peer.host, peer.port, ae_title=peer.ae_title, tls_args=peer.secured(tls))
    if assoc.is_rejected:
        statuses.extend([REFUSED] * len(objects))
        return
    for sent in objects:
        try:
            status = assoc.send_c_store(sent).get("Status") if assoc.is_established else None
        except (RuntimeError, ValueError):  # the association ended in between, or takes no such object
            status = None
        statuses.append(LOST if status is None else f"{status:04X}")
    if assoc.is_established:
        assoc.release()


def _region(shape: tuple[int, ...]) -> Dataset:
    """Where tissue is. Source: PS3.3 C.8.5.5."""
    from pydicom import Dataset

    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, BANNER_PX
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = shape[1] - 1, BANNER_PX + shape[0] - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    return region


def _put_pixels(made: Dataset, screens: Sequence[NDArray[np.uint8]], is_jpeg: bool) -> None:
    from pydicom.encaps import encapsulate

    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = screens[0].shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    if len(screens) > 1:
        made.NumberOfFrames, made.FrameTime = len(screens), FRAME_MS
    if is_jpeg:
        made.LossyImageCompression = "01"
        made.PixelData = encapsulate([_jpeg(screen) for screen in screens])
        made["PixelData"].VR = "OB"
        made["PixelData"].is_undefined_length = True
        return
    data = b"".join(screen.tobytes() for screen in screens)
    made.PixelData = data + b"\0" * (len(data) % 2)
    made["PixelData"].VR = "OB"


def _jpeg(screen: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(screen).save(stream, "JPEG", quality=92)
    return stream.getvalue()
