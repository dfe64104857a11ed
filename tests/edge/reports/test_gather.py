from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import InputError, TrustError, UsageError
from edge.exam_marks import Marks, about_from_marks, marks_from_about
from edge.exam_replay import version_from_protocol
from edge.files import sha256_from_bytes
from edge.protocol import load_protocol
from edge.reports.gather import report_from_store
from edge.store_reader import open_reader
from tests.edge.exam_simulator import WALL
from tests.edge.reports.conftest import MakeReport
from tests.edge.reports.exams import DEMO_MARKS, MARKS, stored
from tests.edge.stored import BUNDLE, filled, opened


def test_every_state_stands_in_its_row_with_who_said_it(made: MakeReport) -> None:
    document = made().document
    rows = {row.plane: row for row in document.rows}
    planes = [plane.id for plane in load_protocol("demo").planes]
    states = [rows[plane].state for plane in planes]
    assert states == [
        "captured", "captured_low", "confirmed", "not_obtainable", "confirmed", "missing", "not_covered"
    ]  # fmt: skip
    assert [rows[plane].word_by for plane in planes] == [None, None, "op7", "op9", "op9", None, None]
    assert (rows[planes[0]].source, rows[planes[0]].confidence, rows[planes[0]].quality) == (
        "freeze",
        "high",
        "adequate",
    )
    assert (rows[planes[1]].quality, rows[planes[1]].low_quality) == ("weak", True)
    assert rows[planes[3]].reason == "fetal position 胎位"
    assert rows[planes[4]].answer == "not_standard"
    assert (document.left, document.weak, document.not_covered) == (3, 1, 1)


def test_the_report_names_protocol_bundle_times_and_words(made: MakeReport) -> None:
    document = made().document
    assert document.protocol.sha256 == version_from_protocol(load_protocol("demo"))
    assert [model.bundle for model in document.models] == [BUNDLE]
    assert (document.patient, document.study, document.operator) == ("HN-2201", "ACC-77", "op7")
    assert (document.phase, document.ended_wall) == ("ended", "2026-11-21T10:09:00Z")
    assert [word.kind for word in document.words] == ["confirmed", "not_obtainable", "reassigned"]
    assert document.marks == MARKS


def test_a_later_bundle_is_named_with_its_time(made: MakeReport) -> None:
    document = made(later_bundle="c" * 64).document
    assert [(model.bundle[0], model.from_wall) for model in document.models] == [("b", WALL), ("c", WALL)]
    assert document.rows[-1].state == "missing"


def test_kept_pictures_are_named_with_their_digest(made: MakeReport) -> None:
    report = made()
    pictures = {picture.frame: picture for picture in report.document.pictures}
    assert set(pictures) == {"1-7", "1-2", "1-3", "1-5", "1-8"}
    assert pictures["1-5"].plane is None
    assert report.document.tray == ("1-5",)
    assert all(picture.sha256 == sha256_from_bytes(report.jpegs[name]) for name, picture in pictures.items())


def test_two_reports_of_an_exam_are_equal(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = stored(store)
        first = report_from_store(store, exam)
        filled(store, "another", events=1)
    with open_reader(tmp_path / "x.db") as reader:
        assert report_from_store(reader, exam) == first


def test_an_exam_without_marks_has_none_and_wrong_ones_are_refused(made: MakeReport) -> None:
    assert made(marks=None).document.marks is None
    assert marks_from_about(about_from_marks(DEMO_MARKS)) == DEMO_MARKS
    with pytest.raises(InputError, match=r"marks\.watermark is missing"):
        marks_from_about({"marks": {name: "" for name in Marks.__dataclass_fields__ if name != "watermark"}})


TAMPERED = {
    "event": "UPDATE events SET body = CAST(substr(body, 1, 60) AS BLOB) WHERE sequence = 2",
    "picture": "UPDATE jpegs SET jpeg = zeroblob(9) WHERE event = 3",
    "time": "UPDATE events SET wall = '2027-01-01' WHERE sequence = 3",
    "row": "DELETE FROM events WHERE sequence = 5",
    "newest row": "DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)",
    "operator": "UPDATE exams SET operator = 'op8'",
    "entry": "DELETE FROM audit WHERE number = 4",
}


@pytest.mark.parametrize("statement", TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_record_is_never_reported(tmp_path: Path, statement: str) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = stored(store)
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute(statement)
    with open_reader(tmp_path / "x.db") as reader, pytest.raises(TrustError, match="audit chain"):
        report_from_store(reader, exam)


def test_a_record_that_became_text_is_told_without_what_it_holds(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        exam = stored(store)
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute("UPDATE events SET body = CAST(x'ff' || body AS TEXT) WHERE sequence = 1")
    with open_reader(tmp_path / "x.db") as reader, pytest.raises(InputError, match="damaged") as caught:
        report_from_store(reader, exam)
    assert "HN-2201" not in str(caught.value)


def test_an_unknown_and_an_empty_exam_are_told(tmp_path: Path) -> None:
    with opened(tmp_path / "x.db") as store:
        stored(store)
        with pytest.raises(UsageError, match="There is no exam nobody"):
            report_from_store(store, "nobody")
        with pytest.raises(InputError, match="has no events"):
            report_from_store(store, store.new_exam({}, BUNDLE))
        with pytest.raises(InputError, match="unknown kind"):
            report_from_store(store, filled(store, "Li"))
