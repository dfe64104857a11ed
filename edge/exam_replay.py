"""Stored events -> the exam again, and what a replay tells: the checklist as canonical JSON, the same bytes each time.

::

    store --events--> fold -----------.
    clip --edge/clip_replay.py--> fold -`-> Exam -> Checklist at its last event -> Replay -> bytes

In: a reader of the store, or an exam. Out: frozen values. A replay holds no patient, no probability and no time of its
own, so that two runs can be compared byte for byte; `state_sha256` is over all of the exam's state.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.checklist import Checklist, checklist_from_exam
from edge.errors import InputError
from edge.exam import Exam, exam_from_events, json_from_exam
from edge.exam_events import Event, event_from_json
from edge.files import sha256_from_bytes
from edge.manifest import RESEARCH_USE, Notice
from edge.protocol import Protocol
from edge.record import bytes_from_record
from edge.store_reader import ExamReader

SCHEMA = 1  # raised when a key changes its meaning


@dataclass(frozen=True)
class StoredExam:
    """An exam as it lies in the store.

    Attributes:
        events: in their sequence, the first one opens the exam.
        pictures: name of a frame -> sequence number of the event that holds its JPEG.
        exam: the fold of the events.
    """

    events: tuple[Event, ...]
    pictures: dict[str, int]
    exam: Exam


@dataclass(frozen=True)
class Replay:
    """What a replay tells.

    Attributes:
        schema: SCHEMA.
        exam: its id.
        events: how many were folded.
        bundle: digest of the bundle that answered last, hexadecimal.
        protocol: its id.
        protocol_sha256: of the protocol as the exam holds it: its version.
        state_sha256: of the exam's canonical JSON (`edge.exam.json_from_exam`).
        watermark: of the bundle, where it is known.
        checklist: at the last event that changed something.
        research_use: the line that stands wherever a result is shown.
    """

    schema: int
    exam: str
    events: int
    bundle: str
    protocol: str
    protocol_sha256: str
    state_sha256: str
    watermark: str | None
    checklist: Checklist
    research_use: Notice


def stored_exam(reader: ExamReader, exam: str) -> StoredExam:
    """Read and fold an exam.

    Args:
        reader: of the store; a service may write meanwhile.
        exam: its id.

    Raises:
        UsageError: there is no such exam.
        InputError: it has no events, or one that is not valid.
        TrustError: the key is lost, or a record was altered.
    """
    stored = reader.events(exam)
    if not stored:
        raise InputError(f"Exam {exam} has no events: its service ended before the first one.", "Delete it.")
    events = tuple(event_from_json(event.event) for event in stored)
    if (found := events[0].exam) != exam:
        raise InputError(f"The events of exam {exam} say that they are of {found}.", "Restore the store's backup.")
    names = (getattr(getattr(event, "capture", None), "frame", None) for event in events)
    pictures = {name: one.sequence for name, one in zip(names, stored, strict=True) if name and one.has_jpeg}
    return StoredExam(events, pictures, exam_from_events(events))


def replay_from_exam(exam: Exam, events: int, watermark: str | None) -> Replay:
    """What a replay tells of an exam.

    Args:
        exam: the fold.
        events: how many it is of.
        watermark: of the bundle, or None.
    """
    return Replay(
        SCHEMA, exam.id, events, exam.bundle, exam.protocol.id, version_from_protocol(exam.protocol),
        sha256_from_bytes(json_from_exam(exam)), watermark, checklist_from_exam(exam, exam.clock_s), RESEARCH_USE,
    )  # fmt: skip


def version_from_protocol(protocol: Protocol) -> str:
    """SHA-256 of the protocol's canonical JSON: what it asks for, whatever its file is called."""
    return sha256_from_bytes(bytes_from_record(protocol))
