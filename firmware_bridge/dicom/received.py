"""A received object -> what may be kept of it: the ultrasound region's pixels, whose they are, and which scanner's.

::

    bytes (memory only) -> SOP Instance UID, key -> frames cut to the region -> spool

An object that names no ultrasound region is a screen, and refused. The file in memory has no name on any disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import ImageError
from edge.exam_keys import MAX_KEY_LENGTH, ExamKey, key_from_texts
from edge.page.frames import MAX_FRAME_BYTES, MAX_SIDE_PX
from firmware_bridge.dicom.spool_file import SCHEMA, SpoolHead
from firmware_bridge.dicom.texts import UNSEEN, bytes_from_element, charsets_from_dataset, text_from_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from edge.sources.frame import Frame

NAME_DIGITS = 40  # of a SHA-256: as wide as git's names
STEP_MS = 40.0  # 25 frames/s, for a clip that names no times, or none that can be
LONGEST_MS = 600_000.0  # a cine memory holds a minute; a clip is played in its own time, and others wait for it
IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet", "PatientID", "StudyInstanceUID")


def name_from_uid(uid: str) -> str:
    """The name of an object in spool and exam; the identifier itself is kept nowhere."""
    return f"dicom-{hashlib.sha256(uid.encode()).hexdigest()[:NAME_DIGITS]}"


class NoRegionError(ImageError):
    """The object names no ultrasound region: a whole screen, with the patient's name on it."""


@dataclass
class Received:
    """An object on its way into the spool; `frames` is run through once, then `head` is known.

    Attributes:
        path: of the object in memory.
        header: of `edge.sources.dicom.header_from_file`.
        name: of `name_from_uid`.
        key: patient and study.
        uids: SOP class and SOP instance.
    """

    path: Path
    header: Dataset
    name: str
    key: ExamKey
    uids: tuple[str, str]
    _times_ms: list[float] = field(default_factory=list)
    _shape: tuple[int, ...] = ()
    _machine: str = ""

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """The pixels that may be kept, one frame at a time; gray where no pixel has a colour.

        Yields:
            (H,W) or (H,W,3), all of one shape.

        Raises:
            NoRegionError: it names none.
            ImageError: a region without tissue, damaged, too large, or frames of several shapes.
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
        """What is kept beside the pixels.

        Raises:
            ImageError: the clip is too long.
        """
        height, width, channels = (*self._shape, 1)[:3]
        times_ms = _checked_times(self._times_ms)
        return SpoolHead(
            SCHEMA, self.name, self.key.patient, self.key.study, self._machine, height, width, channels, times_ms
        )

    def _cut(self) -> Iterator[Frame]:
        from edge.sources.dicom import frames_from_header, regions_from_header

        if not regions_from_header(self.path, self.header):
            raise NoRegionError("The object names no ultrasound region.", "Send it with regions (0018,6011).")
        return frames_from_header(self.path, self.header)


@contextlib.contextmanager
def received_from_bytes(*parts: bytes | memoryview) -> Iterator[Received]:
    """Open a received object.

    Args:
        parts: of a DICOM file, its preamble included, in their order.

    Raises:
        ImageError: not DICOM, no image, no identifier, no study, or too large.
    """
    from edge.sources.dicom import header_from_file

    with _memory_path(parts) as path:
        header = header_from_file(path)
        _check_shape((int(header.Rows), int(header.Columns), int(header.get("SamplesPerPixel") or 1)))
        uids, key = _identity_from_file(path)
        yield Received(path, header, name_from_uid(uids[1]), key, uids)


@contextlib.contextmanager
def _memory_path(parts: tuple[bytes | memoryview, ...]) -> Iterator[Path]:
    descriptor = os.memfd_create("vmamba-edge-object")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            for part in parts:
                stream.write(part)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _identity_from_file(path: Path) -> tuple[tuple[str, str], ExamKey]:
    """SOP class and instance, patient and study. A Patient ID that cannot be read for certain is kept as its raw value:
    no other patient has it, and nobody takes it for a name.
    """
    from pydicom import dcmread

    found = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(IDENTITY))
    charsets = charsets_from_dataset(found)
    sop_class, instance, study = (
        text_from_bytes(bytes_from_element(found, name), ())
        for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")
    )
    patient = text_from_bytes(bytes_from_element(found, "PatientID"), charsets)
    key = key_from_texts(patient.text, study.text)
    if key is None or study.is_flagged or not (sop_class.text and instance.text):
        raise ImageError("The object names no study or no identifier.", "Send it as the standard says.")
    return (sop_class.text, instance.text), key


def _checked_times(times_ms: list[float]) -> tuple[float, ...]:
    """Of a clip's frames, growing and finite; empty for a still."""
    if len(times_ms) < 2:
        return ()
    if not all(0 <= now < then < math.inf for now, then in pairwise(times_ms)):
        times_ms = [index * STEP_MS for index in range(len(times_ms))]
    if times_ms[-1] > LONGEST_MS:
        raise ImageError(f"The clip lasts {times_ms[-1] / 1e3:.0f} s.", f"Send at most {LONGEST_MS / 1e3:.0f} s.")
    return tuple(times_ms)


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
        raise ImageError("The picture is larger than the plane check takes.", f"At most {MAX_SIDE_PX} px a side.")


def _plain(text: str) -> str:
    """Without control characters, and not too long for the plane check."""
    letters = (letter for letter in text if unicodedata.category(letter) not in UNSEEN)
    return "".join(letters)[:MAX_KEY_LENGTH]
