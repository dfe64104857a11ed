"""The outbox: what it takes, what it keeps, and what it forgets."""

from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import InputError, MachineError
from firmware_bridge.dicom.outbox import Outbox, open_outbox
from firmware_bridge.dicom.outbox_exam import outbox_from_exam, parcels_from_report
from firmware_bridge.dicom.outbox_schema import Counts, Parcel, State
from firmware_bridge.dicom.outbox_study import StudyFacts, check_facts, facts_from_document
from tests.firmware_bridge.dicom.finished import finished, made_up, named


def bytes_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def delivered(outbox: Outbox, destination: str) -> None:
    for one in outbox.waiting(destination, 100):
        outbox.settle(one.number, destination, State.DELIVERED, 0)
    outbox.tidy()


def test_an_exam_is_taken_once(tmp_path: Path) -> None:
    report = finished(tmp_path)
    with open_outbox(tmp_path / "out" / "outbox.db") as outbox:
        assert outbox_from_exam(outbox, report, ["a", "b"]) == 7  # 5 frames, SR, key objects
        assert outbox_from_exam(outbox, report, ["a", "b"]) == 0
        assert outbox.counts("a") == outbox.counts("b") == Counts(7, 0, 0)


def test_a_corrected_exam_sends_its_documents_again_and_no_frame(tmp_path: Path) -> None:
    report = finished(tmp_path)
    with open_outbox(tmp_path / "outbox.db") as outbox:
        outbox_from_exam(outbox, report, ["a"])
        corrected = replace(report, document=replace(report.document, last_wall="2026-11-21T10:30:00Z"))
        assert outbox_from_exam(outbox, corrected, ["a"]) == 2


def test_frames_are_never_sent_as_two_patients(tmp_path: Path) -> None:
    report = finished(tmp_path)
    with open_outbox(tmp_path / "outbox.db") as outbox:
        outbox_from_exam(outbox, report, ["a"])
        with pytest.raises(InputError, match="another patient"):
            outbox_from_exam(outbox, report, ["a"], named(report, patient="HN-9"))
        assert outbox.counts("a") == Counts(7, 0, 0)


def test_a_delivered_object_leaves_no_byte_of_its_patient(tmp_path: Path) -> None:
    report, path = finished(tmp_path / "exam"), tmp_path / "outbox.db"
    with open_outbox(path) as outbox:
        outbox_from_exam(outbox, report, ["a", "b"], named(report))
        delivered(outbox, "a")
        assert b"HN-2201" in bytes_on_disk(path)
        delivered(outbox, "b")
        left = bytes_on_disk(path)
    assert b"HN-2201" not in left
    assert "王".encode() not in left
    assert not any(jpeg[600:700] in left for jpeg in report.jpegs.values())


def test_what_was_put_is_there_after_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with open_outbox(path) as outbox:
        outbox.put([made_up(1), made_up(2)], ["a"], ("exam", 12))
        first = outbox.waiting("a", 1)[0].number
        outbox.settle(first, "a", State.DELIVERED, 0)
    with open_outbox(path) as outbox:
        assert [outbox.body(one.number) for one in outbox.waiting("a", 9)] == [made_up(2).body]
        assert outbox.events_of("exam") == 12
        assert outbox.events_of("another") == 0
        assert outbox.put([made_up(1)], ["a"]) == 0


def test_only_its_owner_can_read_it_and_one_process_has_it(tmp_path: Path) -> None:
    path = tmp_path / "out" / "outbox.db"
    with open_outbox(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(MachineError, match="holds"), open_outbox(path):
            pass


def test_all_of_an_exam_is_taken_or_nothing(tmp_path: Path) -> None:
    with open_outbox(tmp_path / "outbox.db", room_bytes=5000) as outbox:
        outbox.put([made_up(1)], ["a"])
        with pytest.raises(MachineError, match="full"):
            outbox.put([made_up(2), made_up(3)], ["a"], ("exam", 3))
        wrong = replace(made_up(1), whose="P2\0001.2.3")
        with pytest.raises(InputError):
            outbox.put([made_up(4, 100), wrong], ["a"])
        assert outbox.counts("a") == Counts(1, 0, 0)
        assert outbox.events_of("exam") == 0


def test_what_failed_most_comes_last(tmp_path: Path) -> None:
    with open_outbox(tmp_path / "outbox.db") as outbox:
        outbox.put([made_up(number) for number in range(3)], ["a"])
        first, second, third = (one.number for one in outbox.waiting("a", 9))
        outbox.settle(first, "a", State.WAITING, None)
        assert [one.number for one in outbox.waiting("a", 9)] == [second, third, first]


def test_dead_letters_are_told_kept_and_revived(tmp_path: Path) -> None:
    with open_outbox(tmp_path / "outbox.db") as outbox:
        outbox.put([made_up(1)], ["a"])
        (one,) = outbox.waiting("a", 9)
        outbox.settle(one.number, "a", State.DEAD, 0xA900)
        assert [(letter.uid, letter.attempts, letter.status) for letter in outbox.dead("a")] == [("2.25.2", 1, 0xA900)]
        assert outbox.revive("a") == 1
        assert outbox.body(outbox.waiting("a", 9)[0].number) == made_up(1).body


def test_a_destination_that_is_no_more_is_forgotten_with_its_files(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with open_outbox(path) as outbox:
        outbox.put([Parcel("2.25.9", "1.2", "P", b"SECRET" * 900)], ["a"])
        outbox.forget("a")
        assert outbox.counts("a") == Counts(0, 0, 0)
        assert b"SECRET" not in bytes_on_disk(path)


def test_another_file_is_no_outbox(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(InputError, match="no outbox"), open_outbox(path):
        pass


def test_a_study_uid_of_the_scanner_is_kept_and_its_date_left_to_it(tmp_path: Path) -> None:
    document = replace(finished(tmp_path).document, study="1.2.840.99.7")
    facts = facts_from_document(document)
    assert (facts.study_uid, facts.study_date, facts.accession) == ("1.2.840.99.7", "", "")


def test_a_typed_study_becomes_an_accession_number_or_a_description(tmp_path: Path) -> None:
    document = finished(tmp_path).document
    assert facts_from_document(document).accession == "ACC-77"
    assert facts_from_document(document).study_date == "20261121"
    long = facts_from_document(replace(document, study="a study with a long name"))
    assert (long.accession, long.description) == ("", "a study with a long name")


@pytest.mark.parametrize("changes", [{"patient": "A\\B"}, {"name": "Wang\n"}, {"study_uid": "1.02"}])
def test_what_dicom_cannot_say_is_refused_and_not_changed(tmp_path: Path, changes: dict[str, str]) -> None:
    report = finished(tmp_path)
    facts: StudyFacts = named(report, **changes)
    with pytest.raises(InputError):
        check_facts(facts)
    with pytest.raises(InputError):
        parcels_from_report(report, facts)
