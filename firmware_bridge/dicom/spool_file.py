"""A file of the spool: what is kept of a received object until the plane check has it.

::

    mark, 8 bytes | pixels of every frame | head as canonical JSON | its length, 4 bytes, big-endian | SHA-256, 32 bytes

The mark is written last: a file without it is not finished. The digest is of all that stands between the two. The head
stands behind the pixels, so that a clip is written frame by frame. No clock is in it: the same object makes the same
bytes, so its digest tells a repetition from another picture under the same identifier.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from edge.errors import ImageError
from edge.exam_keys import ExamKey, key_from_texts
from edge.page.frames import MAX_FRAME_BYTES, MAX_SIDE_PX
from edge.record import RecordError, bytes_from_record, json_from_bytes, record_from_json

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SCHEMA = 1
MARK = b"edgespl\n"
LENGTH = struct.Struct(">I")
DIGEST_BYTES = 32
MAX_HEAD_BYTES = 8 << 20  # 100,000 times of a clip, some 20 characters each
CHUNK_BYTES = 1 << 20
NAME = re.compile(r"dicom-[0-9a-f]{40}")
CLOCK_SET_S = 1577836800.0  # 2020-01-01: a clock that tells less stands at its beginning, for want of a battery


@dataclass(frozen=True)
class SpoolHead:
    """What is kept beside the pixels; nothing else of the object is.

    Attributes:
        schema: SCHEMA.
        name: "dicom-" and the beginning of the SOP Instance UID's SHA-256.
        patient: Patient ID; may be empty.
        study: Study Instance UID; may be empty.
        machine: scanner model; may be empty.
        height: of every frame, pixels.
        width: of every frame, pixels.
        channels: 1 gray, 3 RGB.
        times_ms: of a clip's frames since its first; empty for a still.
    """

    schema: int
    name: str
    patient: str
    study: str
    machine: str
    height: int
    width: int
    channels: int
    times_ms: tuple[float, ...]

    @property
    def is_still(self) -> bool:
        """Whether it is a single picture."""
        return not self.times_ms

    @property
    def frames(self) -> int:
        """How many."""
        return len(self.times_ms) or 1

    @property
    def frame_bytes(self) -> int:
        """Of one frame."""
        return self.height * self.width * self.channels

    @property
    def key(self) -> ExamKey | None:
        """Whose exam it belongs to."""
        return key_from_texts(self.patient, self.study)


class SpoolWriter:
    """Writes frames, then the head, and counts the digest on the way."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Begin at the stream's start."""
        self._stream, self._hash = stream, hashlib.sha256()
        stream.write(bytes(len(MARK)))

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Write one frame.

        Args:
            pixels: (H,W) or (H,W,3), cut to what may be kept.
        """
        self._write(np.ascontiguousarray(pixels).data.cast("B"))

    def finish(self, head: SpoolHead) -> str:
        """Write the head; the digest, hexadecimal."""
        data = bytes_from_record(head)
        self._write(data)
        self._write(LENGTH.pack(len(data)))
        self._stream.write(self._hash.digest())
        return self._hash.hexdigest()

    def _write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._stream.write(data)


def mark(stream: IO[bytes]) -> None:
    """Say that a file is finished; it stands at its end again, and nothing is left in a buffer."""
    stream.flush()
    stream.seek(0)
    stream.write(MARK)
    stream.seek(0, 2)


def is_unfinished(path: Path) -> bool:
    """Whether nobody marked a file."""
    with path.open("rb") as stream:
        return not any(stream.read(len(MARK)))


def head_from_file(path: Path) -> tuple[SpoolHead, str]:
    """Head and digest of a file, all of it checked.

    Raises:
        ImageError: it is damaged, or of another version.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        body = size - DIGEST_BYTES
        stream.seek(max(0, body - LENGTH.size))
        tail = stream.read()
        if body < len(MARK) + LENGTH.size or len(tail) != LENGTH.size + DIGEST_BYTES:
            raise _damaged("it is too short")
        (length,) = LENGTH.unpack(tail[: LENGTH.size])
        start = body - LENGTH.size - length
        if length > MAX_HEAD_BYTES or start < len(MARK):
            raise _damaged("its head is too long")
        stream.seek(start)
        head = _head_from_bytes(stream.read(length))
        if start != len(MARK) + head.frame_bytes * head.frames:
            raise _damaged("its pixels are not as many as its head says")
        stream.seek(0)
        if stream.read(len(MARK)) != MARK:
            raise _damaged("it is not marked as finished")
        if _digest(stream, body - len(MARK)) != tail[LENGTH.size :]:
            raise _damaged("its digest is another one")
    return head, tail[LENGTH.size :].hex()


def frames_from_file(path: Path, head: SpoolHead) -> Iterator[NDArray[np.uint8]]:
    """The frames of a checked file.

    Args:
        path: of the file.
        head: of `head_from_file`.

    Raises:
        ImageError: it is shorter than it was.
        OSError: it cannot be read.
    """
    shape = (head.height, head.width) if head.channels == 1 else (head.height, head.width, 3)
    with path.open("rb") as stream:
        stream.seek(len(MARK))
        for _ in range(head.frames):
            data = stream.read(head.frame_bytes)
            if len(data) != head.frame_bytes:
                raise _damaged("it is too short")
            yield np.frombuffer(data, np.uint8).reshape(shape)


def _head_from_bytes(data: bytes) -> SpoolHead:
    try:
        head = record_from_json(SpoolHead, json_from_bytes(data))
    except RecordError as error:
        raise _damaged("its head is no head") from error
    sides = 1 <= head.height <= MAX_SIDE_PX and 1 <= head.width <= MAX_SIDE_PX and head.channels in (1, 3)
    if head.schema != SCHEMA or NAME.fullmatch(head.name) is None or not sides or head.frame_bytes > MAX_FRAME_BYTES:
        raise _damaged("its head is not valid")
    return head


def _digest(stream: IO[bytes], length: int) -> bytes:
    found = hashlib.sha256()
    while length and (chunk := stream.read(min(length, CHUNK_BYTES))):
        found.update(chunk)
        length -= len(chunk)
    return found.digest()


def _damaged(why: str) -> ImageError:
    return ImageError(f"A file of the spool is damaged: {why}.", "Send the picture again from the scanner.")


def age_of_file(path: Path, now_s: float) -> float:
    """Seconds since a file was written, by the wall clock; one written before the box knew the time is new from now on.

    Args:
        path: of the file.
        now_s: since 1970.
    """
    if path.stat().st_mtime < CLOCK_SET_S <= now_s:
        os.utime(path, (now_s, now_s))
    return now_s - path.stat().st_mtime
