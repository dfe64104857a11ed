"""ExamDocument -> Comprehensive SR: which planes were stored, by whom, with which model; nothing about what they show.

::

    Imaging Measurement Report (TID 1500)
      language, device observer, person who opened the exam, procedure
      comments: watermark, research use, what the report does not say
      Image Library (TID 1600)          every kept frame
      Imaging Measurements
        Measurement Group (TID 1501)    one a plane and fetus: observers, algorithm (TID 4019), state and steps as text

In: the document, whose it is. Out: a dataset. Decisions:

- TID 1500 and never TID 5030: that one asks for normal or abnormal, which is not known here.
- Confidence is a step as text, never a number: a number in a report is read as an error rate.
- Completion Flag PARTIAL, Verification Flag UNVERIFIED, Preliminary Flag PRELIMINARY: research software signs nothing.
- Its UID is made of its content: a corrected exam is another object, and the same exam is the same object.

Source: DICOM PS3.3 A.35.3, C.17.1 to C.17.3; PS3.16 TID 1001, 1204, 1500, 1501, 1600, 4019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.reports.document import ExamDocument, ReportRow
from edge.reports.fhir import conclusion_from_document
from edge.reports.uids import uid_from_object
from edge.reports.words import CONFIDENCES, SOURCES, STATES, STEPS_NOTE, both, reason_text
from firmware_bridge.dicom.images import SECONDARY_CAPTURE, frame_uid
from firmware_bridge.dicom.images import SERIES as IMAGES
from firmware_bridge.dicom.outbox_study import (
    Series,
    StudyFacts,
    dataset_from_facts,
    moment_from_wall,
    version_from_document,
)
from firmware_bridge.dicom.sr_context import algorithm, device_observer, fetus_subject, language, person_observer
from firmware_bridge.dicom.sr_items import (
    ACQUISITION,
    CONTAINS,
    CONTEXT,
    MODIFIER,
    Concept,
    code_item,
    container,
    image_item,
    own,
    own_scheme,
    text_item,
    uid_item,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"  # PS3.4 table B.5-1
SERIES = Series("series/sr", "SR", 9002, "Plane check: checklist (research)")
TITLE = ("126000", "DCM", "Imaging Measurement Report")  # CID 7021
PROCEDURE, ULTRASONOGRAPHY = ("121058", "DCM", "Procedure reported"), ("16310003", "SCT", "Diagnostic ultrasonography")
COMMENT = ("121106", "DCM", "Comment")
LIBRARY, LIBRARY_GROUP = ("111028", "DCM", "Image Library"), ("126200", "DCM", "Image Library Group")
MODALITY, US = ("121139", "DCM", "Modality"), ("US", "DCM", "Ultrasound")  # CID 29
MEASUREMENTS, GROUP = ("126010", "DCM", "Imaging Measurements"), ("125007", "DCM", "Measurement Group")
TRACKING, TRACKING_UID = ("112039", "DCM", "Tracking Identifier"), ("112040", "DCM", "Tracking Unique Identifier")
VIEW = ("111031", "DCM", "Image View")
SOURCE, SOURCE_OF_GROUP = ("260753009", "SCT", "Source"), ("121112", "DCM", "Source of Measurement")


def sr_from_document(document: ExamDocument, facts: StudyFacts) -> Dataset:
    """The report.

    Args:
        document: of the exam.
        facts: whose it is.
    """
    uid = uid_from_object(document.exam, f"sr/{version_from_document(document, facts)}")
    data = dataset_from_facts(document, facts, SERIES, COMPREHENSIVE_SR, uid, 1)
    last = moment_from_wall(document.last_wall)
    data.ContentDate, data.ContentTime = last.strftime("%Y%m%d"), last.strftime("%H%M%S")
    data.CompletionFlag, data.VerificationFlag, data.PreliminaryFlag = "PARTIAL", "UNVERIFIED", "PRELIMINARY"
    data.CompletionFlagDescription = "Research software; not verified by a person"
    data.ReferencedPerformedProcedureStepSequence = []
    data.PerformedProcedureCodeSequence = []
    if frames := kept_frames(document):
        data.CurrentRequestedProcedureEvidenceSequence = evidence(document, facts, frames)
    data.CodingSchemeIdentificationSequence = [own_scheme()]
    data.update(_root(document))
    return data


def kept_frames(document: ExamDocument) -> tuple[str, ...]:
    """Names of the frames whose JPEG is stored, each once."""
    return tuple(dict.fromkeys(picture.frame for picture in document.pictures if picture.sha256 is not None))


def evidence(document: ExamDocument, facts: StudyFacts, frames: Sequence[str]) -> list[Dataset]:
    """Every object that a document refers to, by study and series.

    Source: DICOM PS3.3 table 10-4 (Hierarchical SOP Instance Reference macro).
    """
    from pydicom import Dataset

    study, series = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = uid_from_object(document.exam, IMAGES.what), []
    for frame in frames:
        reference = Dataset()
        reference.ReferencedSOPClassUID = SECONDARY_CAPTURE
        reference.ReferencedSOPInstanceUID = frame_uid(document, frame)
        series.ReferencedSOPSequence.append(reference)
    study.StudyInstanceUID, study.ReferencedSeriesSequence = facts.study_uid, [series]
    return [study]


def _root(document: ExamDocument) -> Dataset:
    frames = kept_frames(document)
    credit = document.marks.credit if document.marks else ""
    comments = [*conclusion_from_document(document), *STEPS_NOTE, *([credit] if credit else [])]
    content = [
        language(),
        *device_observer(document, document.models[-1].bundle),
        *person_observer(document.operator),
        code_item(MODIFIER, PROCEDURE, ULTRASONOGRAPHY),
        *(text_item(CONTAINS, COMMENT, comment) for comment in comments),
    ]
    if frames:
        content.append(container(CONTAINS, LIBRARY, [_library_group(document, frames)], "1600"))
    groups = [_group(document, row, frames) for row in document.rows]
    content.append(container(CONTAINS, MEASUREMENTS, groups))
    return container(None, TITLE, content, "1500")


def _library_group(document: ExamDocument, frames: Sequence[str]) -> Dataset:
    images = [image_item(CONTAINS, SOURCE, SECONDARY_CAPTURE, frame_uid(document, frame)) for frame in frames]
    return container(CONTAINS, LIBRARY_GROUP, [code_item(ACQUISITION, MODALITY, US), *images])


def _group(document: ExamDocument, row: ReportRow, frames: Sequence[str]) -> Dataset:
    """One plane of one fetus."""
    name = f"{row.fetus}/{row.plane}"
    content = [
        text_item(CONTEXT, TRACKING, name),
        uid_item(CONTEXT, TRACKING_UID, uid_from_object(document.exam, f"row/{name}")),
        *fetus_subject(row.fetus),
        *(device_observer(document, row.bundle) if row.bundle else []),
        *person_observer(row.word_by),
        *(algorithm(document, row.bundle) if row.bundle else []),
        code_item(CONTAINS, VIEW, own(row.plane, row.en)),
        *(text_item(CONTAINS, concept, value) for concept, value in _facts(row) if value),
    ]
    if row.frame is not None and row.frame in frames:
        content.append(image_item(CONTAINS, SOURCE_OF_GROUP, SECONDARY_CAPTURE, frame_uid(document, row.frame)))
    return container(CONTAINS, GROUP, content, "1501")


def _facts(row: ReportRow) -> list[tuple[Concept, str | None]]:
    """What is said of a plane: its state on the checklist, who said it, and steps in words."""
    taken = both(SOURCES[row.source]) if row.frame else None
    return [
        (own("plane", "Plane of the protocol"), f"{row.en} / {row.zh}"),
        (own("state", "State on the checklist"), both(STATES[row.state])),
        (own("required", "Required by the protocol"), "yes / 是" if row.required else "no / 否"),
        (own("taken_by", "How the frame was taken"), taken),
        (own("taken_wall", "When the frame was taken (UTC)"), row.captured_wall),
        (own("answer", "Answer of the algorithm"), row.answer),
        (own("confidence", "Confidence step"), both(CONFIDENCES[row.confidence]) if row.frame else None),
        (own("quality", "Quality step of the picture"), row.quality),
        (own("word_by", "Confirmed or marked by"), row.word_by),
        (own("word_wall", "When it was confirmed or marked (UTC)"), row.word_wall),
        (own("reason", "Why it was not obtainable"), reason_text(row.reason) if row.reason else None),
    ]
