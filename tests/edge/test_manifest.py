from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.decision import Decision
from edge.errors import DeviceError, TrustError
from edge.manifest import Manifest, check_manifest, manifest_from_json
from edge.record import bytes_from_record, json_from_bytes, json_from_record


def test_json_and_back_is_the_same_manifest(manifest: Manifest) -> None:
    assert manifest_from_json(json_from_bytes(bytes_from_record(manifest))) == manifest


def test_planes_leave_out_reject_labels(manifest: Manifest) -> None:
    assert [plane.id for plane in manifest.planes] == ["abdomen", "femur"]


@pytest.mark.parametrize("field", ["name", "labels", "decision", "watermark", "parts"])
def test_a_missing_field_is_named(manifest: Manifest, field: str) -> None:
    document = json_from_record(manifest)
    del document[field]
    with pytest.raises(TrustError, match=f"{field} is missing"):
        manifest_from_json(document)


def test_an_unknown_field_is_refused(manifest: Manifest) -> None:
    document = json_from_record(manifest)
    document["gate"]["surprise"] = 1
    with pytest.raises(TrustError, match=r"gate\.surprise is not a known field"):
        manifest_from_json(document)


@pytest.mark.parametrize(("schema", "cure"), [(2, "Upgrade"), (0, "Compile")])
def test_another_schema_is_a_device_error(manifest: Manifest, schema: int, cure: str) -> None:
    with pytest.raises(DeviceError, match=cure):
        manifest_from_json({**json_from_record(manifest), "schema": schema})


@pytest.mark.parametrize("document", [None, [], {}, {"schema": "1"}])
def test_what_is_no_manifest_is_refused(document: Any) -> None:
    with pytest.raises(TrustError):
        manifest_from_json(document)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"reject_labels": ("unheard",)}, "unknown label"),
        ({"reject_labels": ("abdomen", "femur", "not_standard")}, "no label is a plane"),
        ({"reject_labels": ()}, "reserved name"),
        ({"release": -1}, "release is negative"),
        ({"decision": Decision(0.0, None, 0, None, "")}, "temperature"),
        ({"decision": Decision(1.0, 1.5, 0, None, "")}, "threshold"),
    ],
)
def test_a_contradiction_is_refused(manifest: Manifest, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TrustError, match=complaint):
        check_manifest(replace(manifest, **change))
