"""The outbox: what it takes, what it keeps, and what it forgets."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import InputError, MachineError, TrustError
from edge.exam_vault import Vault
from edge.reports.gather import Report
from firmware_bridge.dicom.outbox import Outbox, open_outbox
from firmware_bridge.dicom.outbox_exam import outbox_from_exam, parcels_from_report
from firmware_bridge.dicom.outbox_schema import Counts, Parcel, State
from firmware_bridge.dicom.outbox_study import StudyFacts, check_facts, facts_from_document
from tests.firmware_bridge.dicom.finished import CHINESE, finished, made_up, named, outbox_at


def bytes_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return finished(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def parcels(report: Report) -> tuple[Parcel, ...]:
    """5 frames, SR, key objects."""
    return parcels_from_report(report, named(report))


def delivered(outbox: Outbox, destination: str) -> None:
    for one in outbox.waiting(destination, 100):
        outbox.settle(one.number, destination, State.DELIVERED, 0)
    outbox.tidy()


def test_an_exam_is_taken_once_and_a_corrected_one_sends_its_documents_again_and_no_frame(
    report: Report, tmp_path: Path
) -> None:
    with outbox_at(tmp_path / "out" / "outbox.db") as outbox:
        assert outbox_from_exam(outbox, report, ["a", "b"]) == 7
        assert outbox_from_exam(outbox, report, ["a", "b"]) == 0
        assert outbox.counts("a") == outbox.counts("b") == Counts(7, 0, 0)
        corrected = replace(report, document=replace(report.document, last_wall="2026-11-21T10:30:00Z"))
        assert outbox_from_exam(outbox, corrected, ["a", "b"]) == 2


def test_frames_are_never_sent_as_two_patients(parcels: tuple[Parcel, ...], tmp_path: Path) -> None:
    with outbox_at(tmp_path / "outbox.db") as outbox:
        outbox.put(parcels, ["a"])
        with pytest.raises(InputError, match="another patient"):
            outbox.put([replace(parcel, whose="HN-9\0001.2.3") for parcel in parcels], ["a"])
        assert outbox.counts("a") == Counts(7, 0, 0)


def test_no_byte_of_a_patient_is_on_the_disk_in_the_clear(
    report: Report, parcels: tuple[Parcel, ...], tmp_path: Path
) -> None:
    path = tmp_path / "outbox.db"
    with outbox_at(path) as outbox:
        outbox.names.learn(named(report))
        outbox.put(parcels, ["a"])
        assert sorted(outbox.body(one.number) or b"" for one in outbox.waiting("a", 9)) == sorted(
            parcel.body for parcel in parcels
        )
        left = bytes_on_disk(path)
    assert len(left) > sum(len(parcel.body) for parcel in parcels)
    for secret in (b"HN-2201", CHINESE.encode(), *(jpeg[600:700] for jpeg in report.jpegs.values())):
        assert secret not in left


def sealed_bodies(path: Path) -> list[bytes]:
    with contextlib.closing(sqlite3.connect(path)) as other:
        return [body for (body,) in other.execute("SELECT body FROM bodies")]


def test_a_delivered_file_leaves_the_disk_even_in_its_sealed_form(parcels: tuple[Parcel, ...], tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with outbox_at(path) as outbox:
        outbox.put(parcels, ["a", "b"])
        sealed = sealed_bodies(path)
        delivered(outbox, "a")
        assert all(body[-40:] in bytes_on_disk(path) for body in sealed)
        delivered(outbox, "b")
        left = bytes_on_disk(path)
    assert len(sealed) == 7
    assert not any(body[-40:] in left for body in sealed)


def test_a_deleted_exam_is_withdrawn_and_put_again_should_it_come_back(
    parcels: tuple[Parcel, ...], tmp_path: Path
) -> None:
    path = tmp_path / "outbox.db"
    with outbox_at(path) as outbox:
        outbox.put(parcels, ["a", "b"], "exam", 9)
        outbox.put([made_up(1)], ["a"], "another", 2)
        delivered(outbox, "a")
        first = outbox.waiting("b", 1)[0].number
        sealed = sealed_bodies(path)
        assert outbox.exams_held() == {"exam"}
        outbox.withdraw("exam")
        assert (outbox.exams_held(), outbox.events_of("exam"), outbox.events_of("another")) == (frozenset(), 0, 2)
        assert outbox.body(first) is None
        assert not any(body[-40:] in bytes_on_disk(path) for body in sealed)
        assert outbox.put(parcels, ["a", "b"], "exam", 9) == 7
        assert (outbox.counts("a"), outbox.counts("b")) == (Counts(0, 8, 0), Counts(7, 0, 0))


def test_another_key_opens_nothing_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with outbox_at(path):
        pass
    with pytest.raises(TrustError, match="sealed with the key"), open_outbox(path, Vault(b"x" * 32)):
        pass


def test_what_was_put_is_there_after_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with outbox_at(path) as outbox:
        outbox.put([made_up(1), made_up(2)], ["a"], "exam", 12)
        first = outbox.waiting("a", 1)[0].number
        outbox.settle(first, "a", State.DELIVERED, 0)
    with outbox_at(path) as outbox:
        assert [outbox.body(one.number) for one in outbox.waiting("a", 9)] == [made_up(2).body]
        assert outbox.events_of("exam") == 12
        assert outbox.events_of("another") == 0
        assert outbox.put([made_up(1)], ["a"]) == 0


def test_only_its_owner_can_read_it_and_one_process_has_it(tmp_path: Path) -> None:
    path = tmp_path / "out" / "outbox.db"
    with outbox_at(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(MachineError, match="holds the DICOM outbox"), outbox_at(path):
            pass


def test_all_of_an_exam_is_taken_or_nothing(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "outbox.db", room_bytes=5000) as outbox:
        outbox.put([made_up(1)], ["a"])
        with pytest.raises(MachineError, match="full"):
            outbox.put([made_up(2), made_up(3)], ["a"], "exam", 3)
        wrong = replace(made_up(1), whose="P2\0001.2.3")
        with pytest.raises(InputError):
            outbox.put([made_up(4, 100), wrong], ["a"])
        assert outbox.counts("a") == Counts(1, 0, 0)
        assert outbox.events_of("exam") == 0


def test_what_failed_most_comes_last(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "outbox.db") as outbox:
        outbox.put([made_up(number) for number in range(3)], ["a"])
        first, second, third = (one.number for one in outbox.waiting("a", 9))
        outbox.settle(first, "a", State.WAITING, None)
        assert [one.number for one in outbox.waiting("a", 9)] == [second, third, first]


def test_dead_letters_are_told_kept_and_revived(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "outbox.db") as outbox:
        outbox.put([made_up(1)], ["a"])
        (one,) = outbox.waiting("a", 9)
        outbox.settle(one.number, "a", State.DEAD, 0xA900)
        assert [(letter.uid, letter.attempts, letter.status) for letter in outbox.dead("a")] == [("2.25.2", 1, 0xA900)]
        assert outbox.revive("a") == 1
        assert outbox.body(outbox.waiting("a", 9)[0].number) == made_up(1).body


def test_what_waits_for_a_destination_of_an_earlier_run_is_counted(tmp_path: Path) -> None:
    with outbox_at(tmp_path / "outbox.db") as outbox:
        outbox.put([made_up(1), made_up(2)], ["a", "b"])
        delivered(outbox, "b")
        assert (outbox.waiting_elsewhere(["a", "b"]), outbox.waiting_elsewhere(["b"])) == (0, 2)


def test_another_file_is_no_outbox(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(InputError, match="no outbox"), outbox_at(path):
        pass


def test_a_study_uid_of_the_scanner_is_kept_and_its_date_left_to_it(report: Report) -> None:
    facts = facts_from_document(replace(report.document, study="1.2.840.99.7"))
    assert (facts.study_uid, facts.study_date, facts.accession) == ("1.2.840.99.7", "", "")


def test_a_typed_study_becomes_an_accession_number_or_a_description(report: Report) -> None:
    document = report.document
    assert facts_from_document(document).accession == "ACC-77"
    assert facts_from_document(document).study_date == "20261121"
    long = facts_from_document(replace(document, study="a study with a long name"))
    assert (long.accession, long.description) == ("", "a study with a long name")


@pytest.mark.parametrize("changes", [{"patient": "A\\B"}, {"name": "Wang\n"}, {"study_uid": "1.02"}])
def test_what_dicom_cannot_say_is_refused_and_not_changed(report: Report, changes: dict[str, str]) -> None:
    facts: StudyFacts = named(report, **changes)
    with pytest.raises(InputError):
        check_facts(facts)
    with pytest.raises(InputError):
        parcels_from_report(report, facts)
