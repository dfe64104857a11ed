from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from edge.errors import InputError
from edge.protocol import load_protocol
from edge.reports.document import ExamDocument
from edge.reports.schema_json import bytes_from_document, document_from_bytes, json_schema
from tests.edge.reports.conftest import MakeReport
from tests.edge.reports.exams import DEMO_MARKS

TYPES: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "null": type(None), "array": list}
KEYWORDS = {"$schema", "$defs", "$ref", "title", "description", "type", "const", "enum", "pattern", "minimum", "anyOf"}
KEYWORDS |= {"items", "properties", "required", "additionalProperties"}


def complaints(value: Any, schema: Any, root: Any, where: str = "$") -> list[str]:
    """What a value has against a schema; only the keywords that ours uses, any other one fails the test."""
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    if "$ref" in schema:
        return complaints(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, where)
    if "anyOf" in schema:
        tried = [complaints(value, one, root, where) for one in schema["anyOf"]]
        return [] if [] in tried else tried[0]
    if "const" in schema or "enum" in schema:
        return [] if value in schema.get("enum", [schema.get("const")]) else [f"{where}: {value!r}"]
    if schema.get("type") == "object":
        return object_complaints(value, schema, root, where)
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if not any(isinstance(value, TYPES[kind]) and isinstance(value, bool) == (kind == "boolean") for kind in kinds):
        return [f"{where}: {value!r} is not {kinds}"]
    if isinstance(value, list):
        return [one for n, item in enumerate(value) for one in complaints(item, schema["items"], root, f"{where}[{n}]")]
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{where}: {value!r} is not {schema['pattern']}"]
    if isinstance(value, int) and value < schema.get("minimum", value):
        return [f"{where}: {value} is too small"]
    return []


def object_complaints(value: Any, schema: Any, root: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is no object"]
    assert schema["additionalProperties"] is False
    known = schema["properties"]
    wrong = [f"{where}.{name} is missing" for name in schema["required"] if name not in value]
    wrong += [f"{where}.{name} is not known" for name in value if name not in known]
    inner = [complaints(item, known[name], root, f"{where}.{name}") for name, item in value.items() if name in known]
    return wrong + [one for found in inner for one in found]


@pytest.mark.parametrize("options", [{}, {"marks": None, "ended": False}, {"marks": DEMO_MARKS, "fetuses": 2}])
def test_the_file_is_what_its_schema_says(made: MakeReport, options: dict[str, Any]) -> None:
    document = made(protocol=load_protocol("prenatal21"), **options).document
    assert complaints(json.loads(bytes_from_document(document)), json_schema(), json_schema()) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patient": 5}, "$.patient"),
        ({"phase": "over"}, "$.phase"),
        ({"left": True}, "$.left"),
        ({"state_sha256": "abc"}, "$.state_sha256"),
        ({"extra": 1}, "$.extra"),
        ({"rows": [{}]}, "$.rows[0].region"),
    ],
)
def test_the_schema_refuses_what_no_report_holds(made: MakeReport, change: dict[str, Any], told: str) -> None:
    plain = {**json.loads(bytes_from_document(made().document)), **change}
    assert complaints(plain, json_schema(), json_schema())[0].startswith(told)


def test_the_schema_knows_every_field_and_no_other() -> None:
    schema = json_schema()
    described = {"ExamDocument": schema, **schema["$defs"]}
    seen, waiting = set(), [ExamDocument]
    while waiting:
        kind = waiting.pop()
        names = [field.name for field in dataclasses.fields(kind)]
        assert list(described[kind.__name__]["properties"]) == described[kind.__name__]["required"] == names
        seen.add(kind.__name__)
        hints = re.findall(r"\w+", " ".join(str(field.type) for field in dataclasses.fields(kind)))
        module = __import__(kind.__module__, fromlist=hints)
        waiting += [getattr(module, hint) for hint in hints if dataclasses.is_dataclass(getattr(module, hint, None))]
    assert seen == set(described)


def test_a_report_is_read_back_strictly(made: MakeReport) -> None:
    document = made(marks=DEMO_MARKS).document
    data = bytes_from_document(document)
    assert document_from_bytes(data) == document
    assert bytes_from_document(document) == data
    for wrong in (b"", b"{}", b"[]", data.replace(b'"schema": 1', b'"schema": 2'), data.replace(b'"left"', b'"over"')):
        with pytest.raises(InputError):
            document_from_bytes(wrong)


def test_the_file_carries_bundle_protocol_and_the_research_line(made: MakeReport) -> None:
    plain = json.loads(bytes_from_document(made().document))
    assert plain["research_use"]["zh"] == "仅供科研，不用于临床诊断。"
    assert plain["models"][0]["bundle"] == plain["rows"][0]["bundle"]
    assert len(plain["protocol"]["sha256"]) == 64
    assert "probability" not in json.dumps(plain)
