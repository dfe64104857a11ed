"""What programs on the socket are told of stored exams, while the service writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.errors import TrustError, UsageError
from edge.exam_vault import Vault
from edge.reports.schema_json import document_from_bytes
from edge.service import exam_reports
from edge.service.exam_reports import ExamReports
from edge.store import Store
from tests.edge.reports.exams import stored
from tests.edge.stored import opened


def listed(reports: ExamReports) -> list[tuple[str, int, bool]]:
    return [(one["exam"], one["events"], one["is_ended"]) for one in json.loads(reports.exams())["exams"]]


def test_exams_are_listed_newest_last_without_their_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "exams.db") as store:
        reports = ExamReports(store)
        assert listed(reports) == []
        ended, running = stored(store), stored(store, ended=False)
        assert listed(reports) == [(ended, 11, True), (running, 10, False)]
        assert "HN-2201" not in reports.exams().decode()
        monkeypatch.setattr(exam_reports, "NEWEST", 1)
        assert [exam for exam, _, _ in listed(reports)] == [running]


@pytest.mark.parametrize("vault", [None, Vault(b"k" * 32)], ids=["plain", "encrypted"])
def test_a_report_and_its_pictures_are_those_of_the_store(tmp_path: Path, vault: Vault | None) -> None:
    with opened(tmp_path / "exams.db", vault=vault) as store:
        reports, exam = ExamReports(store), stored(store)
        document = document_from_bytes(reports.report(exam))
        assert (document.exam, document.patient, document.phase) == (exam, "HN-2201", "ended")
        sequences = {picture.sequence for picture in document.pictures if picture.sequence is not None}
        assert len(sequences) == 5
        for sequence in sequences:
            assert reports.stored(exam, sequence) == store.jpeg(exam, sequence)


def test_what_is_not_there_is_told_and_a_deleted_exam_is_not_there(tmp_path: Path) -> None:
    with opened(tmp_path / "exams.db") as store:
        reports, exam = ExamReports(store), stored(store)
        with pytest.raises(UsageError):
            reports.stored(exam, 1)  # an event without a picture
        store.delete(exam, None)
        with pytest.raises(UsageError):
            reports.report(exam)


def test_an_exam_that_was_altered_is_not_reported(tmp_path: Path) -> None:
    with opened(tmp_path / "exams.db") as store:
        exam = stored(store)
        alter(store)
        with pytest.raises(TrustError):
            ExamReports(store).report(exam)


def alter(store: Store) -> None:
    store._connection.execute("UPDATE events SET wall = '2020-01-01T00:00:00Z' WHERE sequence = 2")
