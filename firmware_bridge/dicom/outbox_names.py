"""Whose study a received object says it is of: its header, read as a stranger's, kept for the reports that go back.

::

    object --header, as bytes--> StudyFacts, empty where something is not certain --> Names, sealed, a week

The plane check never hears of a name. In: DICOM files and their keys. Out: patient and study of an exam.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.exam_keys import ExamKey
from edge.exam_vault import Place
from edge.record import bytes_from_record, json_from_bytes, record_from_json
from edge.reports.document import ExamDocument
from edge.store_schema import LEAD_BYTES
from firmware_bridge.dicom.outbox_file import OutboxFile
from firmware_bridge.dicom.outbox_study import MAX_LO, MAX_SH, UNFIT, StudyFacts, facts_from_document, is_date
from firmware_bridge.dicom.texts import bytes_from_element, charsets_from_dataset, text_from_bytes

if TYPE_CHECKING:
    from pydicom import Dataset

ELEMENTS = (
    "SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription",
    "PatientName", "PatientBirthDate", "PatientSex", "StudyID",
)  # fmt: skip
MAX_STUDIES = 200  # some days of a busy room; whoever is older was sent, or goes without a name
NAMES_S = 7 * 24 * 3600.0  # a week: as long as the spool holds a picture that nobody took
MAX_PN = 324  # characters: three groups of 64 and their marks, PS3.5 section 6.2, with room for the components'
TIME = r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?"  # TM
SEX = r"[FMO]"  # PS3.3 C.7.1.1


class Names:
    """What scanners told of studies, in the outbox's file."""

    def __init__(self, file: OutboxFile, wall_s: Callable[[], float]) -> None:
        """Nothing is read yet.

        Args:
            file: open.
            wall_s: seconds since 1970; decides nothing but when a name is forgotten.
        """
        self._file, self._wall_s = file, wall_s

    def learn(self, facts: StudyFacts) -> None:
        """Remember what a scanner told of a study, for NAMES_S; of MAX_STUDIES studies, the newest.

        Args:
            facts: with an empty name where it is not certain: what another object of the study told then stands.
        """
        file, whose = self._file, self._file.digest(facts.patient, facts.study_uid)
        told = self._told(whose)
        if told is not None:
            stands = {name: text for name, text in vars(told).items() if not getattr(facts, name)}
            facts = replace(facts, **stands)
        if told == facts:
            return
        sealed = file.vault.seal(bytes_from_record(facts), Place("studies", whose, 0))
        with file.transaction():
            file.rows("DELETE FROM studies WHERE whose = ?", whose)
            values = (whose, self._wall_s(), LEAD_BYTES, sealed)
            file.rows("INSERT INTO studies (whose, told_s, lead, facts) VALUES (?, ?, zeroblob(?), ?)", *values)
            file.rows("DELETE FROM studies WHERE number <= (SELECT max(number) FROM studies) - ?", MAX_STUDIES)
        file.tidy()

    def facts_of(self, document: ExamDocument) -> StudyFacts:
        """What is known of an exam's patient and study: what a scanner told, else what the exam alone tells."""
        return self._told(self._file.digest(document.patient, document.study)) or facts_from_document(document)

    def forget_old(self) -> None:
        """Erase what was told longer ago than NAMES_S; call it now and then."""
        old_s = self._wall_s() - NAMES_S
        if self._file.rows("SELECT 1 FROM studies WHERE told_s < ?", old_s):
            self._file.rows("DELETE FROM studies WHERE told_s < ?", old_s)
            self._file.tidy()

    def _told(self, whose: str) -> StudyFacts | None:
        rows = self._file.rows("SELECT facts FROM studies WHERE whose = ?", whose)
        if not rows:
            return None
        plain = self._file.vault.open(rows[0][0], Place("studies", whose, 0))
        return record_from_json(StudyFacts, json_from_bytes(plain))


def facts_from_object(path: Path, key: ExamKey) -> StudyFacts:
    """Read patient and study.

    Args:
        path: of an object that was read before.
        key: its patient and study, by which its exam is known.
    """
    from pydicom import dcmread

    header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(ELEMENTS))
    return StudyFacts(
        patient=key.patient,
        name=_text(header, "PatientName", MAX_PN),
        birth_date=_date(header, "PatientBirthDate"),
        sex=_form(header, "PatientSex", SEX),
        study_uid=key.study,
        accession=_text(header, "AccessionNumber", MAX_SH),
        study_id=_text(header, "StudyID", MAX_SH),
        study_date=_date(header, "StudyDate"),
        study_time=_form(header, "StudyTime", TIME),
        referring=_text(header, "ReferringPhysicianName", MAX_PN),
        description=_text(header, "StudyDescription", MAX_LO),
    )


def _text(header: Dataset, name: str, longest: int) -> str:
    """A text, or "" where it is not certain, or cannot be said again."""
    found = text_from_bytes(bytes_from_element(header, name), charsets_from_dataset(header))
    return "" if found.is_flagged or len(found.text) > longest or UNFIT.search(found.text) else found.text


def _date(header: Dataset, name: str) -> str:
    found = _text(header, name, MAX_SH)
    return found if is_date(found) else ""


def _form(header: Dataset, name: str, form: str) -> str:
    found = _text(header, name, MAX_SH)
    return found if re.fullmatch(form, found) else ""
