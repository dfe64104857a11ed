"""ExamDocument -> Comprehensive SR: which planes were stored, by whom, with which model; nothing about what they show.

::

    Imaging Measurement Report (TID 1500)
      language, person who opened the exam, device observer, procedure
      comments: watermark, research use, what the report does not say
      Image Library (TID 1600)          every kept frame
      Imaging Measurements
        Measurement Group (TID 1501)    one a plane and fetus: observers, algorithm (TID 4019), state and steps as text

In: the document, whose it is, its images. Out: a dataset. highdicom builds the templates; by hand are added what its
classes have no argument for: the comments, the observers and the fetus of a group, the texts of a group. Decisions:

- TID 1500 and never TID 5030: that one asks for normal or abnormal, which is not known here.
- Confidence is a step as text, never a number: a number in a report is read as an error rate.
- Completion Flag PARTIAL, Verification Flag UNVERIFIED, Preliminary Flag PRELIMINARY: research software signs nothing.
- Codes of this project have the scheme 99VMEDGE: no SNOMED or LOINC code means "the machine took this frame for that
  plane", and a code that says more than was done would be a finding.

Source: DICOM PS3.3 A.35.3, C.17.1 to C.17.3; PS3.16 TID 1001, 1204, 1500, 1501, 1600, 4019.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from edge.reports.document import ExamDocument, ReportRow
from edge.reports.fhir import conclusion_from_document
from edge.reports.uids import uid_from_object
from edge.reports.words import CONFIDENCES, SOURCES, STATES, STEPS_NOTE, both, reason_text
from firmware_bridge.dicom.outbox_study import MAX_LO, Series, StudyFacts
from firmware_bridge.dicom.sr_context import algorithm, device_observer, fetus_subject, person_observer
from firmware_bridge.dicom.sr_object import object_from_document

if TYPE_CHECKING:
    from highdicom import sr
    from pydicom import Dataset
    from pydicom.sr.coding import Code

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"  # PS3.4 table B.5-1
SERIES = Series("series/sr", "SR", 9002, "Plane check: checklist (research)")
OWN = "99VMEDGE"  # private scheme: "99" and a name, PS3.16 section 8.2
OWN_NAME, OWN_KEEPER = "vmamba-edge: ids of its plane protocols and its own terms", "vmamba-edge (research software)"


def sr_from_document(document: ExamDocument, facts: StudyFacts, images: Mapping[str, Dataset]) -> Dataset:
    """The report.

    Args:
        document: of the exam.
        facts: whose it is.
        images: name of a kept frame -> its object (`images_from_report`).
    """
    from highdicom import sr
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    scheme = CodingSchemeIdentificationItem(OWN, name=OWN_NAME, responsible_organization=OWN_KEEPER)
    build = partial(sr.ComprehensiveSR, content=_report(document, images), coding_schemes=[scheme])
    made = object_from_document(document, facts, SERIES, COMPREHENSIVE_SR, tuple(images.values()), build)
    made.CompletionFlagDescription = "Research software; not verified by a person"
    return made


def _report(document: ExamDocument, images: Mapping[str, Dataset]) -> sr.MeasurementReport:
    from highdicom import sr
    from highdicom.sr.utils import find_content_items
    from pydicom.sr.codedict import codes

    english = sr.CodedConcept("en", "RFC5646", "English")  # the Chinese words stand beside the English ones
    observers = (person_observer(document.operator), device_observer(document, document.models[-1].bundle))
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(*observers),
        procedure_reported=codes.SCT.DiagnosticUltrasonography,
        imaging_measurements=[_group(document, row, images) for row in document.rows],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(english),
        referenced_images=tuple(images.values()),
    )
    for modality in find_content_items(report[0], codes.DCM.Modality, recursive=True):
        modality.ConceptCodeSequence = [sr.CodedConcept.from_code(codes.DCM.Ultrasound)]  # by its class it is "Other"
    content = report[0].ContentSequence
    place = next(number for number, item in enumerate(content) if item.RelationshipType == "CONTAINS")
    credit = document.marks.credit if document.marks else ""
    comments = [*conclusion_from_document(document), *STEPS_NOTE, *([credit] if credit else [])]
    for comment in reversed(comments):
        content.insert(place, _text(codes.DCM.Comment, comment))
    return report


def _group(
    document: ExamDocument, row: ReportRow, images: Mapping[str, Dataset]
) -> sr.MeasurementsAndQualitativeEvaluations:
    """One plane of one fetus."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    name, image = f"{row.fetus}/{row.plane}", images.get(row.frame or "")
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid_from_object(document.exam, f"row/{name}"), name),
        algorithm_id=algorithm(document, row.bundle) if row.bundle else None,
        qualitative_evaluations=[sr.QualitativeEvaluation(codes.DCM.ImageView, _own(row.plane, row.en))],
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(image)] if image is not None else None,
    )
    device = device_observer(document, row.bundle) if row.bundle else None
    context = sr.ObservationContext(person_observer(row.word_by), device, fetus_subject(row.fetus))  # TID 1001
    content = group[0].ContentSequence
    for item in reversed(context):
        content.insert(2, item)  # behind the tracking identifiers, which are context as well
    content.extend(_text(_own(*concept), value) for concept, value in _facts(row) if value)
    return group


def _own(value: str, meaning: str) -> sr.CodedConcept:
    """A concept of this project."""
    from highdicom import sr

    return sr.CodedConcept(value, OWN, meaning.replace("\\", "/")[:MAX_LO])


def _text(concept: Code | sr.CodedConcept, value: str) -> sr.TextContentItem:
    from highdicom import sr

    return sr.TextContentItem(concept, value, sr.RelationshipTypeValues.CONTAINS)


def _facts(row: ReportRow) -> list[tuple[tuple[str, str], str | None]]:
    """What is said of a plane: its state on the checklist, who said it, and steps in words."""
    taken = both(SOURCES[row.source]) if row.frame else None
    return [
        (("plane", "Plane of the protocol"), f"{row.en} / {row.zh}"),
        (("state", "State on the checklist"), both(STATES[row.state])),
        (("required", "Required by the protocol"), "yes / 是" if row.required else "no / 否"),
        (("taken_by", "How the frame was taken"), taken),
        (("taken_wall", "When the frame was taken (UTC)"), row.captured_wall),
        (("answer", "Answer of the algorithm"), row.answer),
        (("confidence", "Confidence step"), both(CONFIDENCES[row.confidence]) if row.frame else None),
        (("quality", "Quality step of the picture"), row.quality),
        (("word_by", "Confirmed or marked by"), row.word_by),
        (("word_wall", "When it was confirmed or marked (UTC)"), row.word_wall),
        (("reason", "Why it was not obtainable"), reason_text(row.reason) if row.reason else None),
    ]
