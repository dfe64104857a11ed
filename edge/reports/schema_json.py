"""ExamDocument <-> JSON of a versioned form, described by `exam.schema.json` beside this file (JSON Schema 2020-12).

In: the document. Out: UTF-8 with sorted keys and a line end, so that equal documents are equal files.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from edge.errors import InputError
from edge.record import RecordError, json_from_bytes, json_from_record, record_from_json
from edge.reports.document import SCHEMA, ExamDocument


def bytes_from_document(document: ExamDocument) -> bytes:
    """The file."""
    return bytes_from_json(json_from_record(document))


def bytes_from_json(document: Any) -> bytes:
    """Parsed JSON as the files of a report are written: keys sorted, one space of indent, Chinese as it is."""
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def document_from_bytes(data: bytes) -> ExamDocument:
    """Read a file back, strictly.

    Raises:
        InputError: it is no report, or of another version.
    """
    cure = "Export the exam again with this version."
    try:
        plain = json_from_bytes(data)
        found = plain.get("schema") if isinstance(plain, dict) else None
        if found != SCHEMA:
            raise InputError(f"The report has schema {found!r}; this program reads {SCHEMA}.", cure)
        return record_from_json(ExamDocument, plain)
    except RecordError as error:
        raise InputError(f"The report is not valid: {error}.", cure) from error


def json_schema() -> Any:
    """The JSON Schema of the file."""
    return json.loads(resources.files("edge.reports").joinpath("exam.schema.json").read_text("utf-8"))
