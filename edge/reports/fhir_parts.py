"""The smaller FHIR resources of a report, and what FHIR wants of texts and times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from html import escape
from typing import Any

from edge.audit import UNAUTHENTICATED
from edge.reports.document import ExamDocument, ModelUse, ReportRow
from edge.reports.uids import uid_from_object
from edge.reports.words import CONFIDENCES, SOURCES, STATES, both, reason_text

Reference = Callable[[str], dict[str, str]]


def without_empty(value: Any) -> Any:
    """The value without None, empty texts, lists and objects, which FHIR's JSON does not allow.

    Source: HL7 FHIR R4, JSON: "Properties can never be empty".
    """
    if isinstance(value, dict):
        kept = {name: without_empty(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [item for item in map(without_empty, value) if item not in (None, "", [], {})]
    return value


def instant_from_wall(wall: str | None) -> str | None:
    """A time as FHIR's instant; None where the clock told none that can be one: UTC, years 1000 to 9999.

    Args:
        wall: ISO 8601.
    """
    if wall is None:
        return None
    try:
        told = datetime.fromisoformat(wall.replace("Z", "+00:00"))
        utc = told.replace(tzinfo=told.tzinfo or timezone.utc).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return utc.isoformat(timespec="milliseconds") if utc.year >= 1000 else None


def concept(text: str, system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def narrative_from_lines(lines: Sequence[str]) -> dict[str, str]:
    """Text for people, a paragraph a line.

    Source: HL7 FHIR R4, Narrative: limited XHTML.
    """
    paragraphs = "".join(f"<p>{escape(line, quote=False)}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'}


def practitioner_from_operator(operator: str) -> dict[str, Any]:
    """Who was picked at the device: an id of the clinic's list, no name."""
    return {"resourceType": "Practitioner", "identifier": [{"value": operator}]}


def performers(operator: str | None, reference: Reference) -> list[dict[str, Any]]:
    """Who did something; where nobody was picked, only the word for it: a resource would stand for a person."""
    if operator is None:
        return []
    return [{"display": UNAUTHENTICATED}] if operator == UNAUTHENTICATED else [reference(f"practitioner/{operator}")]


def device_from_model(document: ExamDocument, model: ModelUse) -> dict[str, Any]:
    """The software with its model bundle."""
    marks = document.marks
    is_first = model.bundle == document.models[0].bundle  # the marks are of the bundle that opened the exam
    name = marks.model if marks is not None and is_first else document.software.name
    watermark = marks.watermark if marks is not None and is_first else None
    return {
        "resourceType": "Device",
        "identifier": [{"type": {"text": "model bundle, SHA-256"}, "value": model.bundle}],
        "deviceName": [{"name": name, "type": "model-name"}],
        "version": [
            {"type": {"text": "model bundle, SHA-256"}, "value": model.bundle},
            {"type": {"text": document.software.name}, "value": document.software.version},
        ],
        "note": [
            {"text": document.research_use.en},
            {"text": document.research_use.zh},
            *([{"text": watermark}] if watermark else []),
        ],
    }


def observation_from_row(document: ExamDocument, row: ReportRow, reference: Reference) -> dict[str, Any]:
    """One plane of one fetus: its state on the checklist, and nothing about what the picture shows.

    Args:
        document: that the row is of.
        row: the plane.
        reference: name of a resource -> reference to it.
    """
    protocol, offered = document.protocol, row.offered
    frame_uid = uid_from_object(document.exam, f"frame/{row.frame}") if row.frame else None
    return {
        "resourceType": "Observation",
        "identifier": [{"value": f"{protocol.id}/{row.plane}/{row.fetus}"}],
        "status": "preliminary",
        "code": {"text": f"{row.en} / {row.zh}"},
        "subject": reference("patient"),
        "effectiveDateTime": instant_from_wall(row.word_wall or row.captured_wall),
        "performer": performers(row.word_by, reference),
        "valueCodeableConcept": {"text": both(STATES[row.state])},
        "note": [{"text": reason_text(row.reason)}] if row.reason else [],
        "method": {"text": f"Protocol {protocol.id}, version sha256:{protocol.sha256}"},
        "device": reference(f"device/{row.bundle or document.models[-1].bundle}"),
        "derivedFrom": [reference("study")] if row.frame else [],
        "component": [
            {"code": {"text": "fetus"}, "valueInteger": row.fetus},
            {"code": {"text": "required plane"}, "valueBoolean": row.required},
            _component("answer of the model", row.answer),
            _component("confidence step", both(CONFIDENCES[row.confidence]) if row.frame else None),
            _component("quality of the picture", row.quality),
            _component("source", both(SOURCES[row.source]) if row.frame else None),
            _component("frame", row.frame),
            _component("DICOM UID of the frame", frame_uid),
            _component("offered frame", offered),
        ],
    }


def _component(name: str, value: str | None) -> dict[str, Any]:
    return {"code": {"text": name}, "valueString": value} if value else {}
