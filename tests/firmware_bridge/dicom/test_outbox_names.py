"""Names that scanners tell: read as a stranger's, kept sealed for a week, given to the reports of their exam."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmwrite

from edge.exam_keys import ExamKey
from firmware_bridge.dicom.outbox_names import MAX_STUDIES, NAMES_S, facts_from_object
from firmware_bridge.dicom.outbox_study import StudyFacts, check_facts
from firmware_bridge.dicom.scanner import Pretended
from tests.firmware_bridge.dicom.finished import CHINESE, finished, outbox_at
from tests.firmware_bridge.dicom.receiving import bytes_from_object, planted
from tests.firmware_bridge.dicom.test_texts import CASES, NAME

KEY = ExamKey("P7", "1.2.3.4")
FACTS = StudyFacts("P7", CHINESE, "19900101", "F", "1.2.3.4", "ACC-9", "S1", "20261121", "101500", "Li^Wei", "OB")


class Clock:
    """Wall time that a test sets."""

    now_s = 1e9

    def __call__(self) -> float:
        return self.now_s


def told(folder: Path, made: Dataset) -> StudyFacts:
    """What is read of an object whose texts were not decoded."""
    path, stream = folder / "one.dcm", BytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    path.write_bytes(stream.getvalue())
    return facts_from_object(path, KEY)


def object_of(facts: StudyFacts, charset: str = "ISO_IR 192") -> Dataset:
    made = planted(1, Pretended(patient=facts.patient, name=""))
    made.SpecificCharacterSet = charset
    made.PatientName, made.PatientBirthDate, made.PatientSex = facts.name, facts.birth_date, facts.sex
    made.AccessionNumber, made.StudyID, made.StudyDescription = facts.accession, facts.study_id, facts.description
    made.StudyDate, made.StudyTime, made.ReferringPhysicianName = facts.study_date, facts.study_time, facts.referring
    assert isinstance(made, Dataset)
    return made


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030"])
def test_patient_and_study_are_read_as_the_scanner_wrote_them(tmp_path: Path, charset: str) -> None:
    assert told(tmp_path, object_of(FACTS, charset)) == FACTS


@pytest.mark.parametrize("case", CASES)
def test_a_name_in_each_character_set_is_right(tmp_path: Path, case: str) -> None:
    raw, charsets = CASES[case]
    made = object_of(replace(FACTS, name="N" * (len(raw) + len(raw) % 2)))
    made.SpecificCharacterSet = charsets
    mark = str(made.PatientName).encode()
    (tmp_path / "one.dcm").write_bytes(bytes_from_object(made).replace(mark, raw.ljust(len(mark))))
    assert facts_from_object(tmp_path / "one.dcm", KEY).name == NAME


def test_a_name_whose_character_set_is_not_told_is_none(tmp_path: Path) -> None:
    made = object_of(FACTS)
    del made.SpecificCharacterSet
    made.PatientName = CHINESE.encode("gb18030")
    found = told(tmp_path, made)
    assert (found.name, found.birth_date) == ("", "19900101")


@pytest.mark.parametrize(
    ("element", "value", "field"),
    [
        ("StudyTime", "2561", "study_time"), ("StudyDate", "2026-11-21", "study_date"),
        ("PatientSex", "X", "sex"), ("AccessionNumber", "A\\B", "accession"),
        ("PatientBirthDate", "0000", "birth_date"), ("PatientBirthDate", "19900231", "birth_date"),
        ("StudyDate", "20260931", "study_date"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_said_again_is_left_out(tmp_path: Path, element: str, value: str, field: str) -> None:
    made = object_of(FACTS)
    made.add_new(element, "LO", value.split("\\"))
    found = told(tmp_path, made)
    check_facts(found)
    assert found == replace(FACTS, **{field: ""})


def test_an_exam_gets_what_was_told_of_its_study_and_no_other(tmp_path: Path) -> None:
    document = finished(tmp_path).document
    with outbox_at(tmp_path / "outbox.db") as outbox:
        outbox.names.learn(replace(FACTS, name="Old^Name"))
        outbox.names.learn(FACTS)
        assert outbox.names.facts_of(replace(document, patient="P7", study="1.2.3.4")) == FACTS
        assert outbox.names.facts_of(document).name == ""


def test_an_object_that_tells_less_of_its_study_takes_no_name_away(tmp_path: Path) -> None:
    document = replace(finished(tmp_path).document, patient="P7", study="1.2.3.4")
    with outbox_at(tmp_path / "outbox.db") as outbox:
        outbox.names.learn(FACTS)
        outbox.names.learn(replace(FACTS, name="", accession="", description="OB 2"))
        assert outbox.names.facts_of(document) == replace(FACTS, description="OB 2")


def test_names_go_after_a_week_or_for_newer_ones(tmp_path: Path) -> None:
    document, clock = replace(finished(tmp_path).document, patient="P7", study="1.2.3.4"), Clock()
    with outbox_at(tmp_path / "outbox.db", wall_s=clock) as outbox:
        outbox.names.learn(FACTS)
        clock.now_s += NAMES_S - 1
        outbox.names.forget_old()
        assert outbox.names.facts_of(document).name == CHINESE
        clock.now_s += 2
        outbox.names.forget_old()
        assert outbox.names.facts_of(document).name == ""
        outbox.names.learn(FACTS)
        for number in range(MAX_STUDIES):
            outbox.names.learn(replace(FACTS, patient=f"other {number}"))
        assert outbox.names.facts_of(document).name == ""
