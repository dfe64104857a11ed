"""Store -> ExamDocument and the JPEGs it names, after every record of the exam was compared with the audit chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from edge import __version__
from edge.audit import UNAUTHENTICATED
from edge.checklist import Checklist, Row, checklist_from_exam
from edge.exam import Exam, exam_from_events, json_from_exam, state_after
from edge.exam_events import (
    Capture,
    Confirmed,
    Ended,
    Event,
    ModelChanged,
    NotObtainable,
    Opened,
    OperatorNamed,
    Reassigned,
    TakenBack,
    Unassigned,
    kind_from_event,
)
from edge.exam_marks import Marks, marks_from_about
from edge.exam_replay import stored_exam, version_from_protocol
from edge.exam_state import PlaneRecord, PlaneState
from edge.exam_watch import LOW_QUALITY
from edge.files import sha256_from_bytes
from edge.manifest import RESEARCH_USE
from edge.reports.document import (
    ADEQUATE,
    SCHEMA,
    WEAK,
    AuditLink,
    ExamDocument,
    ModelUse,
    Picture,
    ProtocolFacts,
    ReportRow,
    Software,
    UserWord,
)
from edge.store_check import check_exam
from edge.store_reader import ExamReader

WORDS = (Confirmed, NotObtainable, TakenBack, Reassigned, Unassigned)
STANDING = {PlaneState.CONFIRMED: ("confirmed", "reassigned"), PlaneState.NOT_OBTAINABLE: ("not_obtainable",)}


@dataclass(frozen=True)
class Report:
    """A document and its pictures.

    Attributes:
        document: everything but pixels.
        jpegs: name of a frame -> JPEG.
    """

    document: ExamDocument
    jpegs: Mapping[str, bytes] = field(repr=False)


def report_from_store(reader: ExamReader, exam: str) -> Report:
    """Read an exam for a report.

    Args:
        reader: of the store; a service may write meanwhile.
        exam: its id.

    Raises:
        UsageError: there is no such exam.
        InputError: an event is not valid, or there is none.
        TrustError: the key is lost, or a record is not what the audit chain says.
        MachineError: the store cannot be read.
    """
    with reader.snapshot():
        head = check_exam(reader, exam)
        stored, marks = stored_exam(reader, exam), marks_from_about(reader.about(exam))
        kept = {capture.frame for capture in _kept(stored.exam)}
        jpegs = {frame: reader.jpeg(exam, number) for frame, number in stored.pictures.items() if frame in kept}
    audit = AuditLink(head.number, head.digest)
    document = document_from_events(stored.events, marks, stored.pictures, jpegs, audit)
    return Report(document, jpegs)


def document_from_events(
    events: Sequence[Event],
    marks: Marks | None,
    sequences: Mapping[str, int],
    jpegs: Mapping[str, bytes],
    audit: AuditLink,
) -> ExamDocument:
    """The document of an exam.

    Args:
        events: all of it, the first one an Opened.
        marks: that the exam was stored with.
        sequences: name of a frame -> sequence number of the event that holds its JPEG.
        jpegs: name of a frame -> JPEG.
        audit: the newest entry of this exam.
    """
    exam, words, ended = _folded(events)
    checklist = checklist_from_exam(exam, exam.clock_s)
    pictures = tuple(
        replace(picture, sequence=sequences.get(picture.frame), sha256=sha256_from_bytes(jpegs[picture.frame]))
        if picture.frame in jpegs
        else picture
        for picture in _pictures(exam)
    )
    protocol = exam.protocol
    return ExamDocument(
        SCHEMA, Software("vmamba-edge", __version__), RESEARCH_USE,
        exam.id, exam.key.patient, exam.key.study, exam.operator, _operators(events), exam.phase,
        exam.opened_wall, ended, events[-1].wall, exam.fetuses,
        ProtocolFacts(protocol.id, protocol.en, protocol.zh, protocol.source, version_from_protocol(protocol)),
        _models(events), marks, _rows(exam, checklist, words), checklist.left, checklist.weak, checklist.not_covered,
        pictures, checklist.tray, words, sha256_from_bytes(json_from_exam(exam)), audit,
    )  # fmt: skip


def _folded(events: Sequence[Event]) -> tuple[Exam, tuple[UserWord, ...], str | None]:
    """The exam, the user's words that changed it, and when it was ended."""
    exam = exam_from_events(events[:1])
    words: list[UserWord] = []
    ended: str | None = None
    for event in events[1:]:
        after = state_after(exam, event)
        if after != exam and isinstance(event, WORDS):
            words.append(_word_from_event(event))
        if after != exam and isinstance(event, Ended):
            ended = event.wall
        exam = after
    return exam, tuple(words), ended


def _operators(events: Sequence[Event]) -> tuple[str, ...]:
    """Each person once, in the order in which they were named to examine."""
    named = [event.by for event in events if isinstance(event, (Opened, OperatorNamed))]
    return tuple(who for who in dict.fromkeys(named) if who != UNAUTHENTICATED)


def _word_from_event(event: Event) -> UserWord:
    about = [getattr(event, name, None) for name in ("plane", "fetus", "frame", "reason")]
    return UserWord(kind_from_event(event), event.by, event.wall, *about)


def _models(events: Sequence[Event]) -> tuple[ModelUse, ...]:
    """Each bundle once in a row: a service that starts again with the same one changes nothing."""
    uses: list[ModelUse] = []
    for event in events:
        if isinstance(event, (Opened, ModelChanged)) and not (uses and uses[-1].bundle == event.bundle):
            uses.append(ModelUse(event.bundle, event.wall, event.threshold is not None, event.covered))
    return tuple(uses)


def _kept(exam: Exam) -> list[Capture]:
    """Captures that rows, offers and the tray keep."""
    return [capture for _, capture in _placed(exam)]


def _placed(exam: Exam) -> list[tuple[str | None, Capture]]:
    of_rows = [(r.plane, capture) for r in exam.records for capture in (r.capture, r.offer) if capture is not None]
    return [*of_rows, *((None, capture) for capture in exam.tray)]


def _pictures(exam: Exam) -> tuple[Picture, ...]:
    return tuple(Picture(c.frame, None, None, plane, c.fetus, c.wall) for plane, c in _placed(exam))


def _rows(exam: Exam, checklist: Checklist, words: Sequence[UserWord]) -> tuple[ReportRow, ...]:
    return tuple(_row(row, exam.record(row.plane, row.fetus), words) for row in checklist.rows)


def _row(row: Row, record: PlaneRecord | None, words: Sequence[UserWord]) -> ReportRow:
    capture = record.capture if record else None
    kinds = STANDING.get(row.state, ())
    said = [word for word in words if (word.plane, word.fetus) == (row.plane, row.fetus) and word.kind in kinds]
    word = said[-1] if said else None
    quality = None if capture is None else (WEAK if capture.quality < LOW_QUALITY else ADEQUATE)
    return ReportRow(
        row.region, row.region_en, row.region_zh, row.plane, row.en, row.zh, row.required, row.fetus,
        row.state.value, row.is_left, capture.answer if capture else None, row.confidence, quality, row.low_quality,
        row.source, row.frame, capture.wall if capture else None, capture.bundle if capture else None,
        row.reason, row.offered, word.by if word else None, word.wall if word else None,
    )  # fmt: skip
