"""A received object -> what may be kept of it: the ultrasound region's pixels, whose they are, and which scanner's.

::

    bytes (memory only) -> SOP Instance UID, key -> frames cut to the region -> spool

An object that names no ultrasound region is a screen: refused, unless the fan may be looked for (`Rule.FAN`), whose box
keeps what a scanner writes into the fan's corners. The file in memory has no name on any disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ImageError
from edge.exam_keys import MAX_KEY_LENGTH, ExamKey, key_from_texts
from edge.page.frames import MAX_FRAME_BYTES, MAX_SIDE_PX
from firmware_bridge.dicom.spool_file import SCHEMA, SpoolHead

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from edge.sources.frame import Frame

SOP_INSTANCE = 0x00080018  # SOP Instance UID; its class stands before it
NAME_DIGITS = 40  # of a SHA-256: as wide as git's names
STEP_MS = 40.0  # 25 frames/s, for a clip that names no times


class Rule(Enum):
    """What becomes of an object that names no ultrasound region."""

    REFUSE = "refuse"
    FAN = "fan"


def name_from_uid(uid: str) -> str:
    """The name of an object in spool and exam; the identifier itself is kept nowhere."""
    return f"dicom-{hashlib.sha256(uid.encode()).hexdigest()[:NAME_DIGITS]}"


@dataclass
class Received:
    """An object on its way into the spool; `frames` is run through once, then `head` is known.

    Attributes:
        path: of the object in memory.
        header: of `edge.sources.dicom.header_from_file`.
        name: of `name_from_uid`.
        key: patient and study.
        uids: SOP class and SOP instance.
        rule: without regions.
    """

    path: Path
    header: Dataset
    name: str
    key: ExamKey
    uids: tuple[str, str]
    rule: Rule
    _times_ms: list[float] = field(default_factory=list)
    _shape: tuple[int, ...] = ()
    _machine: str = ""

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """The pixels that may be kept, one frame at a time; gray where no pixel has a colour.

        Yields:
            (H,W) or (H,W,3), all of one shape.

        Raises:
            ImageError: no region, a region without tissue, damaged, too large, or frames of several shapes.
        """
        is_gray = False
        for index, frame in enumerate(self._cut()):
            pixels = frame.pixels
            if index == 0:
                is_gray = pixels.ndim == 3 and _is_gray(pixels)
            pixels = _gray(pixels) if is_gray else pixels
            if index and pixels.shape != self._shape:
                raise ImageError("The clip's frames have several sizes.", "Export it again.")
            _check_shape(pixels.shape)
            self._shape, self._machine = pixels.shape, _plain(frame.machine)
            self._times_ms.append(index * STEP_MS if frame.time_ms is None else frame.time_ms)
            yield pixels

    def head(self) -> SpoolHead:
        """What is kept beside the pixels."""
        times_ms = tuple(self._times_ms) if len(self._times_ms) > 1 else ()
        height, width, channels = (*self._shape, 1)[:3]
        return SpoolHead(
            SCHEMA, self.name, self.key.patient, self.key.study, self._machine, height, width, channels, times_ms
        )

    def _cut(self) -> Iterator[Frame]:
        from edge.service.roi import fan_frames
        from edge.sources.dicom import frames_from_header, regions_from_header

        frames = frames_from_header(self.path, self.header)
        if regions_from_header(self.path, self.header):
            return frames
        if self.rule is Rule.REFUSE:
            raise ImageError("The object names no ultrasound region.", "Send it with regions; see --without-regions.")
        return fan_frames(frames, None)


@contextlib.contextmanager
def received_from_bytes(data: bytes | memoryview, rule: Rule) -> Iterator[Received]:
    """Open a received object.

    Args:
        data: a DICOM file's bytes, its preamble included.
        rule: for an object without regions.

    Raises:
        ImageError: not DICOM, no image, no identifier, or a patient or study that is no text.
    """
    from edge.sources.dicom import header_from_file
    from edge.sources.dicom_key import ELEMENTS

    with _memory_path(data) as path:
        header, uids = header_from_file(path), _uids_from_file(path)
        key = key_from_texts(*(str(header.get(name) or "") for name in ELEMENTS))
        if key is None or not all(uids):
            raise ImageError("The object names no study or no identifier.", "Send it as the standard says.")
        if _plain(key.patient) != key.patient or _plain(key.study) != key.study:
            raise ImageError("Patient or study hold a control character.", "Correct them on the scanner.")
        yield Received(path, header, name_from_uid(uids[1]), key, uids, rule)


@contextlib.contextmanager
def _memory_path(data: bytes | memoryview) -> Iterator[Path]:
    descriptor = os.memfd_create("vmamba-edge-object")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _uids_from_file(path: Path) -> tuple[str, str]:
    """SOP class and instance, which stand first; the file was read before, so that what is damaged was told."""
    from pydicom.filereader import read_partial

    with path.open("rb") as stream:
        start = read_partial(stream, stop_when=lambda tag, vr, length: tag > SOP_INSTANCE, force=True)
    return str(start.get("SOPClassUID") or ""), str(start.get("SOPInstanceUID") or "")


def _is_gray(pixels: NDArray[np.uint8]) -> bool:
    red = pixels[..., 0]
    return bool(np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2]))


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel of a gray clip; a later frame with colour (Doppler switched on) goes by its brightness."""
    from edge.preprocess import gray_from_frame

    if pixels.ndim == 2:
        return pixels
    return np.ascontiguousarray(pixels[..., 0]) if _is_gray(pixels) else gray_from_frame(pixels)


def _check_shape(shape: tuple[int, ...]) -> None:
    if max(shape[:2]) > MAX_SIDE_PX or int(np.prod(shape)) > MAX_FRAME_BYTES:
        raise ImageError("The region is larger than the plane check takes.", f"At most {MAX_SIDE_PX} px a side.")


def _plain(text: str) -> str:
    """Without control characters, and not too long for the plane check."""
    letters = (letter for letter in text if unicodedata.category(letter) not in ("Cc", "Cs", "Co", "Cn"))
    return "".join(letters)[:MAX_KEY_LENGTH]
