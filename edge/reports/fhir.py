"""ExamDocument -> FHIR R4 (4.0.1) as one Bundle file: a DiagnosticReport, its Observations and an ImagingStudy.

::

    Bundle "collection"
      DiagnosticReport --subject--> Patient          --result--> Observation, one a plane and fetus
                       --imagingStudy--> ImagingStudy            --device--> Device, one a bundle (its digest)
                                                                 --performer--> Practitioner, who said it

In: the document. Out: the file's bytes; the same document gives the same bytes. Decisions:

- A collection, not a document: a document is an attested clinical composition (R4, Documents), which research software
  must not pretend to have made.
- DiagnosticReport.status "partial": "data in the report may be incomplete or unverified"; "preliminary" would claim
  verified results (R4 value set diagnostic-report-status). Observations are "preliminary": there it means unverified.
- No diagnosis, no LOINC or SNOMED code: a plane of a protocol is not the procedure or finding that such a code names.
- ImagingStudy.status "registered": its pictures lie in the store of this device and no DICOM server has them yet. UIDs
  are made of the exam's id (edge/reports/uids.py); a study UID that came with the exam is kept.
- Pictures are not in the file: export the PDF or the JPEGs beside it.
"""

from __future__ import annotations

from typing import Any

from edge.audit import UNAUTHENTICATED
from edge.reports.document import ExamDocument, Picture
from edge.reports.fhir_parts import (
    concept,
    device_from_model,
    instant_from_wall,
    narrative_from_lines,
    observation_from_row,
    performers,
    practitioner_from_operator,
    without_empty,
)
from edge.reports.schema_json import bytes_from_json
from edge.reports.uids import is_uid, uid_from_object, uuid_from_object
from edge.reports.words import LABELS, SUBTITLE, TITLE, both

DICOM_CODES = "http://dicom.nlm.nih.gov/resources/ontology/DCM"
ULTRASOUND = {"system": DICOM_CODES, "code": "US"}  # PS3.16 CID 33
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # PS3.4 table B.5-1: a picture that was captured from another device
SERVICE_SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"
ACT_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def bytes_from_document(document: ExamDocument) -> bytes:
    """The file."""
    return bytes_from_json(bundle_from_document(document))


def bundle_from_document(document: ExamDocument) -> dict[str, Any]:
    """The Bundle as parsed JSON.

    Source: HL7 FHIR R4 (4.0.1): Bundle, DiagnosticReport, Observation, ImagingStudy, Patient, Practitioner, Device.
    """
    names = _Names(document.exam)
    resources = [("report", _report(document, names)), ("patient", _patient(document))]
    people = sorted({*document.operators, *(row.word_by for row in document.rows if row.word_by)} - {UNAUTHENTICATED})
    resources += [(f"practitioner/{who}", practitioner_from_operator(who)) for who in people]
    resources += [(f"device/{model.bundle}", device_from_model(document, model)) for model in _unique_models(document)]
    if document.pictures:
        resources.append(("study", _imaging_study(document, names)))
    resources += [
        (f"row/{row.fetus}/{row.plane}", observation_from_row(document, row, names.reference)) for row in document.rows
    ]
    bundle: dict[str, Any] = without_empty(
        {
            "resourceType": "Bundle",
            "id": str(uuid_from_object(document.exam, "bundle")),
            "meta": {"tag": _tags(document)},
            "identifier": {"system": "urn:ietf:rfc:3986", "value": names.url("bundle")},
            "type": "collection",
            "timestamp": instant_from_wall(document.last_wall),
            "entry": [
                {"fullUrl": names.url(what), "resource": {**resource, "id": names.id(what)}}
                for what, resource in resources
            ],
        }
    )
    return bundle


def conclusion_from_document(document: ExamDocument) -> list[str]:
    """What the checklist amounts to, and what it does not say, a sentence a line."""
    rows, marks = document.rows, document.marks
    done = sum(row.state in ("captured", "confirmed") for row in rows)
    facts = [
        f"{done} of {len(rows)} planes captured or confirmed by the user; {document.weak} captured with low quality; "
        f"{sum(row.state == 'missing' for row in rows)} missing; "
        f"{sum(row.state == 'not_obtainable' for row in rows)} not obtainable; "
        f"{document.not_covered} not covered by the model.",
        SUBTITLE[0],
        f"Protocol {document.protocol.id}, version sha256:{document.protocol.sha256}.",
        *(f"Model bundle sha256:{model.bundle}." for model in _unique_models(document)),
        *([LABELS[document.unmarked][0]] if document.unmarked else []),
        document.research_use.en,
        document.research_use.zh,
    ]
    if marks is not None and marks.is_demo:
        facts.insert(0, "DEMONSTRATION: not a patient's examination.")
    if marks is not None and marks.watermark:
        facts.insert(0, marks.watermark)
    return facts


class _Names:
    """Ids and references of the bundle's resources."""

    def __init__(self, exam: str) -> None:
        self._exam = exam

    def id(self, what: str) -> str:
        return str(uuid_from_object(self._exam, what))

    def url(self, what: str) -> str:
        return f"urn:uuid:{self.id(what)}"

    def reference(self, what: str) -> dict[str, str]:
        return {"reference": self.url(what)}


def _unique_models(document: ExamDocument) -> list[Any]:
    """Each bundle once."""
    return list({model.bundle: model for model in document.models}.values())


def _tags(document: ExamDocument) -> list[dict[str, str]]:
    """Research use, and "test health data" for a demonstration or a model with a watermark."""
    tags = [{"display": document.research_use.en}]
    marks = document.marks
    if marks is not None and (marks.is_demo or marks.watermark):
        tags.append({"system": ACT_REASONS, "code": "HTEST", "display": "test health data"})
    return tags


def _report(document: ExamDocument, names: _Names) -> dict[str, Any]:
    conclusion = conclusion_from_document(document)
    return {
        "resourceType": "DiagnosticReport",
        "text": narrative_from_lines([both(TITLE), *conclusion]),
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{document.exam}"}],
        "status": "partial",
        "category": [concept("OB Ultrasound", SERVICE_SECTIONS, "OUS")],
        "code": {"text": "Prenatal ultrasound standard-plane checklist (research software)"},
        "subject": names.reference("patient"),
        "effectivePeriod": {
            "start": instant_from_wall(document.opened_wall),
            "end": instant_from_wall(document.ended_wall),
        },
        "issued": instant_from_wall(document.last_wall),
        "performer": [
            one for who in document.operators or (UNAUTHENTICATED,) for one in performers(who, names.reference)
        ],
        "result": [names.reference(f"row/{row.fetus}/{row.plane}") for row in document.rows],
        "imagingStudy": [names.reference("study")] if document.pictures else [],
        "conclusion": "\n".join(conclusion),
    }


def _patient(document: ExamDocument) -> dict[str, Any]:
    """Only the id that the exam was opened with: no name is known here."""
    return {"resourceType": "Patient", "identifier": [{"value": document.patient}] if document.patient else []}


def _imaging_study(document: ExamDocument, names: _Names) -> dict[str, Any]:
    study = document.study if is_uid(document.study) else uid_from_object(document.exam, "study")
    identifiers = [{"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}]
    if document.study and study != document.study:
        identifiers.append({"value": document.study})
    instances = [_instance(document, picture, number) for number, picture in enumerate(document.pictures, 1)]
    return {
        "resourceType": "ImagingStudy",
        "identifier": identifiers,
        "status": "registered",
        "modality": [ULTRASOUND],
        "subject": names.reference("patient"),
        "started": instant_from_wall(document.opened_wall),
        "numberOfSeries": 1,
        "numberOfInstances": len(instances),
        "description": "Frames that the plane check kept; stored on the device as JPEG.",
        "note": [{"text": document.research_use.en}, {"text": document.research_use.zh}],
        "series": [
            {
                "uid": uid_from_object(document.exam, "series"),
                "number": 1,
                "modality": ULTRASOUND,
                "numberOfInstances": len(instances),
                "instance": instances,
            }
        ],
    }


def _instance(document: ExamDocument, picture: Picture, number: int) -> dict[str, Any]:
    plane = picture.plane or "no plane"
    return {
        "uid": uid_from_object(document.exam, f"frame/{picture.frame}"),
        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{SECONDARY_CAPTURE}"},
        "number": number,
        "title": f"{plane}, fetus {picture.fetus}, frame {picture.frame}",
    }
