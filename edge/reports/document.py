"""The report of an exam as one frozen value; JSON, paper and FHIR are three ways to write it.

::

    store --edge/exam_replay.py--> StoredExam --edge/reports/gather.py--> ExamDocument -> schema_json.py  .json
                                                                                      -> pdf.py          .pdf
                                                                                      -> fhir.py         .fhir.json

In: nothing; `gather.py` makes these values. Out: fields. No time of its own is in it, so that two exports of an exam
are equal; no probability either, only steps. It holds patient and study: whoever exports it keeps personal data.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.exam_marks import Marks
from edge.manifest import Notice

SCHEMA = 1  # raised when a field changes its meaning; edge/reports/exam.schema.json describes it
ADEQUATE, WEAK = "adequate", "weak"  # steps of the image's quality; the border is edge.exam_watch.LOW_QUALITY


@dataclass(frozen=True)
class Software:
    """What wrote the report."""

    name: str
    version: str


@dataclass(frozen=True)
class ProtocolFacts:
    """What was asked for; `sha256` is of the protocol's canonical JSON and serves as its version."""

    id: str
    en: str
    zh: str
    source: str
    sha256: str


@dataclass(frozen=True)
class ModelUse:
    """A bundle that answered in this exam.

    Attributes:
        bundle: its digest, hexadecimal.
        from_wall: since when, ISO 8601, UTC.
        has_threshold: without one the machine captures nothing.
        covered: planes of the protocol that it answers.
    """

    bundle: str
    from_wall: str
    has_threshold: bool
    covered: tuple[str, ...]


@dataclass(frozen=True)
class ReportRow:
    """One plane of one fetus; texts of the protocol, then what became of it.

    Attributes:
        region: id of the body region.
        region_en: its English name.
        region_zh: its Chinese name.
        plane: id.
        en: English name.
        zh: Chinese name.
        required: whether a complete examination has it.
        fetus: 1, 2, ...
        state: a value of `edge.exam_state.PlaneState`; never "candidate".
        is_left: required, and not captured at full quality, confirmed or not obtainable.
        answer: what the model said of the kept frame: a plane, "not_standard", "not_covered"; None without a frame.
        confidence: step of the kept frame: "low", "medium", "high"; None: no frame, or no measured threshold.
        quality: of its image: "adequate" or "weak"; None without a frame.
        low_quality: weak image, or fewer consistent frames than a capture asks for.
        source: how it was taken: "machine", "freeze", "store"; "" without a frame.
        frame: its name; see `ExamDocument.pictures`.
        captured_wall: when, ISO 8601, UTC, or None.
        bundle: digest of the bundle that answered, or None.
        reason: why it is not obtainable, in the user's words, or None.
        offered: name of a strong frame of a plane marked not obtainable, or None.
        word_by: who confirmed it or marked it not obtainable: an operator's id or "unauthenticated"; None: nobody.
        word_wall: when, or None.
    """

    region: str
    region_en: str
    region_zh: str
    plane: str
    en: str
    zh: str
    required: bool
    fetus: int
    state: str
    is_left: bool
    answer: str | None
    confidence: str | None
    quality: str | None
    low_quality: bool
    source: str
    frame: str | None
    captured_wall: str | None
    bundle: str | None
    reason: str | None
    offered: str | None
    word_by: str | None
    word_wall: str | None


@dataclass(frozen=True)
class Picture:
    """A stored frame that a row, an offer or the tray keeps.

    Attributes:
        frame: its name in the exam.
        sequence: of the event that holds its JPEG; None where none was stored.
        sha256: of the JPEG, or None.
        plane: that keeps it; None: the tray.
        fetus: 1, 2, ...
        wall: when it was taken, ISO 8601, UTC.
    """

    frame: str
    sequence: int | None
    sha256: str | None
    plane: str | None
    fetus: int
    wall: str


@dataclass(frozen=True)
class UserWord:
    """Something the user said that changed the exam.

    Attributes:
        kind: "confirmed", "not_obtainable", "taken_back", "reassigned" or "unassigned".
        by: operator's id, or "unauthenticated".
        wall: ISO 8601, UTC.
        plane: that it is about; None: no plane is named (unassigned).
        fetus: or None.
        frame: or None.
        reason: or None.
    """

    kind: str
    by: str
    wall: str
    plane: str | None
    fetus: int | None
    frame: str | None
    reason: str | None


@dataclass(frozen=True)
class AuditLink:
    """The newest entry of the audit chain that speaks of this exam; `edge exam verify` walks the whole chain."""

    number: int
    digest: str


@dataclass(frozen=True)
class ExamDocument:
    """The whole report.

    Attributes:
        schema: SCHEMA.
        software: what wrote it.
        research_use: the line that stands wherever a result is shown.
        exam: id.
        patient: id; personal.
        study: id; personal.
        operator: who was named last to examine, or "unauthenticated".
        operators: all who were named, in that order; empty: nobody was.
        phase: "running", "paused" or "ended".
        opened_wall: ISO 8601, UTC, as the machine's clock told it.
        ended_wall: or None.
        last_wall: of the last event.
        fetuses: how many.
        protocol: what was asked for.
        models: bundles that answered, first to last.
        marks: watermark, source and scanner; None where the exam was stored without.
        rows: a fetus at a time, regions in the protocol's order.
        left: rows that are left; 0 is a complete checklist.
        weak: rows of low quality.
        not_covered: rows that the model has no say in.
        pictures: that are kept, in the order of the rows, then the tray.
        tray: names of frames that no plane keeps.
        words: what the user said, first to last.
        state_sha256: of the exam's state, as `edge replay` tells it.
        audit: where it stands in the audit chain.
    """

    schema: int
    software: Software
    research_use: Notice
    exam: str
    patient: str
    study: str
    operator: str
    operators: tuple[str, ...]
    phase: str
    opened_wall: str
    ended_wall: str | None
    last_wall: str
    fetuses: int
    protocol: ProtocolFacts
    models: tuple[ModelUse, ...]
    marks: Marks | None
    rows: tuple[ReportRow, ...]
    left: int
    weak: int
    not_covered: int
    pictures: tuple[Picture, ...]
    tray: tuple[str, ...]
    words: tuple[UserWord, ...]
    state_sha256: str
    audit: AuditLink

    @property
    def unmarked(self) -> str:
        """What is not known of watermarks: "no_marks", "no_later_marks" (of a later bundle), or "": nothing is."""
        if self.marks is None:
            return "no_marks"
        return "no_later_marks" if len({model.bundle for model in self.models}) > 1 else ""
