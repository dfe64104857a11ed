"""Events to JSON and back, strictly."""

from __future__ import annotations

import json

import pytest

from edge.errors import InputError
from edge.exam_events import KINDS, Ended, event_from_json, json_from_event
from tests.edge.exam_simulator import captured, event, opened


@pytest.mark.parametrize("one", [opened(), opened(threshold=None), captured(), captured(plane=None), event(Ended)])
def test_an_event_survives_its_json(one: object) -> None:
    assert event_from_json(json.loads(json.dumps(json_from_event(one)))) == one  # type: ignore[arg-type]


def test_every_kind_is_a_class_of_its_own() -> None:
    assert len(set(KINDS.values())) == len(KINDS)


@pytest.mark.parametrize(
    "change",
    [{"kind": "captcha"}, {"kind": None}, {"at_s": "1"}, {"at_s": float("nan")}, {"plain": 1}, {"capture": None}],
)
def test_what_is_no_event_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        event_from_json({**json_from_event(captured()), **change})


def test_a_missing_field_is_named() -> None:
    data = json_from_event(captured())
    del data["plane"]
    with pytest.raises(InputError, match="plane is missing"):
        event_from_json(data)


def test_a_stored_event_that_is_no_object_is_no_event() -> None:
    """Bug: it was a TypeError, and `edge exam export` an internal error."""
    with pytest.raises(InputError, match="unknown kind"):
        event_from_json([1])  # type: ignore[arg-type]  # what a damaged store may hold
