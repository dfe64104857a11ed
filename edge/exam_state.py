"""What an exam holds: a record for every plane of every fetus, a tray, and its clock.

In: nothing; `edge/exam.py` makes and changes these values. Out: the state of each plane.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from edge.exam_events import BY_MACHINE, Capture
from edge.exam_keys import ExamKey
from edge.protocol import Protocol

MAX_FETUSES = 9  # the largest number born alive of one pregnancy (2021); keeps a wild number from filling memory
UPGRADE_RATIO = 1.05  # of the kept frame's score: below it is noise, and each change writes a picture to the disk
UPGRADE_REST = (
    0.8  # of what the kept frame's score lacks to 1: near 1 no ratio is reached; ten changes bring 0.95 to 0.995
)
RUNNING, PAUSED, ENDED = "running", "paused", "ended"


class PlaneState(str, Enum):
    """What a checklist row says; `str`, so that JSON and templates show the value."""

    MISSING = "missing"
    CANDIDATE = "candidate"
    CAPTURED = "captured"
    CAPTURED_LOW = "captured_low"
    CONFIRMED = "confirmed"
    NOT_OBTAINABLE = "not_obtainable"
    NOT_COVERED = "not_covered"


RANK = {PlaneState.CAPTURED_LOW: 1, PlaneState.CAPTURED: 2, PlaneState.NOT_OBTAINABLE: 3, PlaneState.CONFIRMED: 3}


@dataclass(frozen=True)
class PlaneRecord:
    """One plane of one fetus.

    Attributes:
        plane: id in the protocol.
        fetus: 1, 2, ...
        capture: the best frame so far.
        confirmed: by the user.
        reason: why it is not obtainable, in the user's word; None: not marked.
        offer: a strong capture of a plane that is marked not obtainable.
        rejected: digests of pictures that the user said do not show it.
    """

    plane: str
    fetus: int
    capture: Capture | None = None
    confirmed: bool = False
    reason: str | None = None
    offer: Capture | None = None
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exam:
    """State of an exam.

    Attributes:
        id: random, holds no name.
        key: patient and study.
        protocol: as it was when the exam was opened.
        covered: planes that the bundle answers; empty without a threshold.
        threshold: of the bundle, or None.
        bundle: its digest.
        operator: who examines: the one that was named last, or "unauthenticated".
        opened_wall: when, ISO 8601, UTC.
        fetuses: how many.
        fetus: that is being scanned, 1..fetuses.
        phase: "running", "paused" or "ended".
        records: a fetus at a time, each in the protocol's order.
        tray: frames that no plane keeps, oldest first.
        clock_s: newest time of an event that changed something, seconds.
        progress_s: time of the last progress, on the same clock; pauses are taken out.
        stopped_s: since when it is paused or ended, or None.
        corrections: how often the user moved or took back something; the frame window starts anew with each.
    """

    id: str
    key: ExamKey
    protocol: Protocol
    covered: tuple[str, ...]
    threshold: float | None
    bundle: str
    operator: str
    opened_wall: str
    fetuses: int
    fetus: int
    phase: str
    records: tuple[PlaneRecord, ...]
    tray: tuple[Capture, ...]
    clock_s: float
    progress_s: float
    stopped_s: float | None
    corrections: int

    def record(self, plane: str | None, fetus: int) -> PlaneRecord | None:
        """The record of a plane, or None where there is none."""
        return next((record for record in self.records if (record.plane, record.fetus) == (plane, fetus)), None)

    def state(self, record: PlaneRecord) -> PlaneState:
        """What a record amounts to; "candidate" is of the moment and stands in the checklist."""
        if record.reason is not None:
            return PlaneState.NOT_OBTAINABLE
        if record.confirmed:
            return PlaneState.CONFIRMED
        if record.capture is not None:
            return PlaneState.CAPTURED_LOW if record.capture.low_quality else PlaneState.CAPTURED
        return PlaneState.MISSING if record.plane in self.covered else PlaneState.NOT_COVERED

    def with_record(self, record: PlaneRecord) -> Exam:
        """The exam with one record exchanged."""
        place = (record.plane, record.fetus)
        return replace(self, records=tuple(record if (r.plane, r.fetus) == place else r for r in self.records))


def covered_planes(protocol: Protocol, covered: Iterable[str], threshold: float | None) -> tuple[str, ...]:
    """Planes that the machine can capture by itself, in the protocol's order: none without a measured threshold."""
    wanted = frozenset(covered) if threshold is not None else frozenset()
    return tuple(plane.id for plane in protocol.planes if plane.id in wanted)


def with_fetuses(exam: Exam, fetuses: int) -> Exam:
    """The exam with empty records for fetuses that were not counted yet."""
    added = range(exam.fetuses + 1, fetuses + 1)
    records = tuple(PlaneRecord(plane.id, fetus) for fetus in added for plane in exam.protocol.planes)
    return replace(exam, fetuses=max(fetuses, exam.fetuses), records=(*exam.records, *records))


def is_replaced(old: Capture | None, new: Capture) -> bool:
    """Whether a new capture takes the place of the one that is kept."""
    if old is None or old.low_quality != new.low_quality:
        return old is None or old.low_quality
    if new.source != BY_MACHINE:
        return True
    if old.source != BY_MACHINE and not old.low_quality:
        return False
    return new.score > old.score and (
        new.score >= UPGRADE_RATIO * old.score or 1.0 - new.score <= UPGRADE_REST * (1.0 - old.score)
    )
