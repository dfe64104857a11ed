"""Pictures of a file or folder -> the exam that they would have made, with clocks that the pictures themselves set.

::

    video, folder -> every frame in order -> Session.classify -> quality -> watch_after -> events -> Exam
                       `- its time in the file; stills and files STEP_S apart; the wall clock starts at 1970

In: pictures, and a function that answers them. Out: events, the same each time: no frame is dropped for a newer one, no
clock of the machine is read, the exam's id is a digest of what goes in. A still image counts as one that somebody sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from edge.errors import InputError
from edge.exam import exam_from_opened, state_after
from edge.exam_events import Ended, Event, Opened
from edge.exam_keys import ExamKey
from edge.exam_watch import JudgedFrame, Watch, watch_after
from edge.files import sha256_from_file
from edge.frame_quality import quality_from_gray
from edge.prediction import Prediction
from edge.preprocess import gray_from_frame
from edge.protocol import Protocol
from edge.record import bytes_from_record
from edge.service.roi import kept_from_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.manifest import Manifest

STEP_S = 1.0  # between two stills or files, seconds; as the folder source of the service waits
UNTIMED_HZ = 30.0  # rate of a video whose frames carry no time; as the service's video source
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
BY = "replay"  # who opens and ends the exam
KEY = ExamKey("", "replay")

Classify = Callable[["NDArray[np.uint8]"], Prediction]
Cut = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture on the replay's own clock.

    Attributes:
        pixels: (H,W) gray or (H,W,3) RGB, 0..255.
        at_s: since the first one, seconds.
        is_still: no frame of a clip.
    """

    pixels: NDArray[np.uint8]
    at_s: float
    is_still: bool


def opened_from_digests(manifest: Manifest, bundle: str, protocol: Protocol, files: Iterable[str]) -> Opened:
    """The event that opens the exam of a replay.

    Args:
        manifest: of the bundle that answers.
        bundle: its digest.
        protocol: what is asked for.
        files: digests of the files, in order.
    """
    text = "\n".join([bundle, hashlib.sha256(bytes_from_record(protocol)).hexdigest(), *files])
    identity = UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)
    covered = protocol.coverage_from_labels([plane.id for plane in manifest.planes]).covered
    threshold = manifest.decision.threshold
    return Opened(str(identity), 0.0, wall_from_s(0.0), BY, KEY, protocol, covered, threshold, bundle, 1)


def events_from_pictures(opened: Opened, pictures: Iterable[Picture], classify: Classify) -> Iterator[Event]:
    """All events of the exam, the first one `opened`, the last one its end.

    Args:
        opened: what the exam is of.
        pictures: in order.
        classify: answers one frame.

    Raises:
        ImageError: a picture cannot be classified.
    """
    exam, watch, reference, at_s = exam_from_opened(opened), Watch(), None, 0.0
    yield opened
    for number, picture in enumerate(pictures):
        at_s = max(at_s, picture.at_s)
        quality, reference = quality_from_gray(gray_from_frame(picture.pixels), reference)
        prediction = classify(picture.pixels)
        frame = JudgedFrame(
            f"{number:06d}", opened.key, picture.at_s, wall_from_s(picture.at_s), prediction, quality, picture.is_still
        )
        watch, events = watch_after(exam, watch, frame)
        for event in events:
            exam = state_after(exam, event)
            yield event
    yield Ended(opened.exam, at_s, wall_from_s(at_s), BY)


def pictures_from_files(
    files: Iterable[Path], cut: Cut | None = None, read: Callable[[int], None] = lambda count: None
) -> Iterator[Picture]:
    """Every picture of every file, clips at their own rate.

    Args:
        files: in order.
        cut: leaves of a picture what may be looked at; None: of a screen the fan, as the service does.
        read: told after each file how many were read.

    Raises:
        ImageError: a file is damaged or no picture: a replay leaves nothing out silently.
        InputError: the DICOM files are of two patients or studies, or a screen shows no fan.
        DeviceError: the decoder of a video is not installed.
    """
    from edge.sources.images import frames_from_file, kind_from_file

    start_s, keys = 0.0, dict[ExamKey, Path]()
    for count, file in enumerate(files, 1):
        _check_key(file, keys)
        at_s, is_video = start_s, kind_from_file(file) == "video"
        step_s = 1 / UNTIMED_HZ if is_video else STEP_S  # where the file tells no time
        for frame in kept_from_file(file) if cut is None else frames_from_file(file):
            since_s = frame.index * step_s if frame.time_ms is None else frame.time_ms / 1e3
            at_s = max(at_s, round(start_s + since_s, 6))
            pixels = frame.pixels if cut is None else cut(frame.pixels)
            yield Picture(pixels, at_s, frame.time_ms is None and not is_video)
        start_s = at_s + STEP_S
        read(count)


def digests_from_files(files: Iterable[Path]) -> list[str]:
    """SHA-256 of each file."""
    return [sha256_from_file(file) for file in files]


def wall_from_s(at_s: float) -> str:
    """The replay's wall clock, ISO 8601: it starts at 1970 so that nobody takes it for the time of an examination."""
    return (EPOCH + timedelta(seconds=at_s)).isoformat(timespec="milliseconds")


def _check_key(file: Path, keys: dict[ExamKey, Path]) -> None:
    """Refuse the file of a second patient or study."""
    from edge.sources.dicom_key import key_from_dicom
    from edge.sources.images import kind_from_file

    key = key_from_dicom(file) if kind_from_file(file) == "dicom" else None
    if key is None:
        return
    keys.setdefault(key, file)
    if len(keys) > 1:
        raise InputError(
            f"{file.name} is of another patient or study than {next(iter(keys.values())).name}.",
            "Replay each study's folder by itself.",
        )
