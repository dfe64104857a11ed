"""Who examines: named at the start, at the acknowledgement of a change, or later; in events, audit and reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.audit import UNAUTHENTICATED
from edge.errors import MachineError, UsageError
from edge.exam_events import OperatorNamed
from edge.exam_keys import ExamKey
from edge.reports.fhir import bundle_from_document
from edge.reports.gather import report_from_store
from edge.store_check import check_store
from tests.edge.desk_bench import Bench, Disk, bench

A = ExamKey("PA", "1.2")
FEMUR = {"plane": "femur", "fetus": 1}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def audited(desk: Bench, exam: str) -> list[str]:
    """Who did what, as the audit log says it."""
    return [f"{entry.kind} {entry.operator}" for entry in desk.store.audit() if entry.exam == exam]


def test_who_acknowledges_an_exam_that_a_frame_opened_may_say_who_examines(desk: Bench) -> None:
    desk.scan("femur", key=A)
    exam = desk.shown.exam.id
    assert desk.shown.exam.operator == UNAUTHENTICATED
    desk.order("acknowledge", by="op3")
    assert (desk.shown.exam.operator, desk.shown.is_changed) == ("op3", False)
    desk.scan("abdomen", key=A)
    desk.order("confirm", **FEMUR)
    assert audited(desk, exam) == [
        "exam.opened unauthenticated", "opened unauthenticated", "captured unauthenticated",
        "operator_named op3", "captured op3", "confirmed op3",
    ]  # fmt: skip
    assert desk.is_as_stored(desk.shown.exam)
    assert check_store(desk.store).records == 6
    assert desk.store.exam(exam).operator == "op3"


def test_a_report_names_who_examined(desk: Bench) -> None:
    desk.scan("femur", key=A)
    desk.order("acknowledge", by="op3")
    desk.order("operator", by="op5")
    desk.order("operator", by="op3")
    document = report_from_store(desk.store, desk.shown.exam.id).document
    assert (document.operator, document.operators) == ("op3", ("op3", "op5"))
    resources = [entry["resource"] for entry in bundle_from_document(document)["entry"]]
    people = {one["identifier"][0]["value"] for one in resources if one["resourceType"] == "Practitioner"}
    (report,) = (one for one in resources if one["resourceType"] == "DiagnosticReport")
    assert (people, len(report["performer"])) == ({"op3", "op5"}, 2)


def test_the_name_may_be_left_out_and_the_one_that_is_there_stays(desk: Bench) -> None:
    desk.scan("femur", key=A)
    desk.order("acknowledge")
    exam = desk.shown.exam.id
    assert desk.shown.exam.operator == UNAUTHENTICATED
    desk.order("operator", by="op3")
    desk.order("operator", by="op3")
    desk.order("acknowledge")
    assert desk.shown.exam.operator == "op3"
    assert [type(event) for event in desk.events(exam)].count(OperatorNamed) == 1
    with pytest.raises(UsageError, match="Nobody"):
        desk.order("operator")


def test_who_types_in_an_exam_that_frames_had_opened_is_named(desk: Bench) -> None:
    desk.scan("femur", key=A)
    exam = desk.shown.exam.id
    assert desk.open("PA", "1.2", by="op4") == exam
    assert desk.shown.exam.operator == "op4"


def test_the_operator_outlives_the_service(tmp_path: Path) -> None:
    with bench(tmp_path) as desk:
        desk.scan("femur", key=A)
        desk.order("acknowledge", by="op3")
    with bench(tmp_path) as desk:
        assert (desk.shown.exam.operator, desk.shown.is_changed) == ("op3", True)
        assert audited(desk, desk.shown.exam.id)[-1] == "clock_restarted op3"


def test_who_says_something_stands_in_the_audit_though_nobody_was_named(desk: Bench) -> None:
    exam = desk.open()
    desk.order("confirm", by="op2", **FEMUR)
    desk.order("take_back", **FEMUR)
    assert audited(desk, exam)[-2:] == ["confirmed op2", "taken_back unauthenticated"]


def test_a_store_that_fails_leaves_the_change_to_be_acknowledged_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(tmp_path, Disk()) as desk:
        desk.scan("femur", key=A)

        def fails(*args: object, **options: object) -> int:
            raise MachineError("The disk fails.", "Look at it.")

        monkeypatch.setattr(desk.store, "append", fails)
        with pytest.raises(MachineError):
            desk.order("acknowledge", by="op3")
        assert (desk.shown.exam.operator, desk.shown.is_changed) == (UNAUTHENTICATED, True)
        desk.order("acknowledge")
        assert not desk.shown.is_changed
