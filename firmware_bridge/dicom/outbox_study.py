"""Whose objects these are: patient and study, and the attributes that every object of the outbox begins with.

::

    ExamDocument, worklist or a received header -> StudyFacts -> Dataset with patient, study, series, equipment

In: what is known of the patient. Out: a DICOM dataset without its content. Everything is made of the exam: two calls
give the same bytes, so that an object that is sent twice is one object.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from edge.errors import InputError
from edge.reports.document import ExamDocument
from edge.reports.fhir_parts import instant_from_wall
from edge.reports.uids import is_uid, uid_from_object

if TYPE_CHECKING:
    from pydicom import Dataset

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"  # transfer syntax, PS3.5 section A.2
IMPLEMENTATION = uid_from_object("vmamba-edge", "implementation")  # Implementation Class UID, PS3.7 section D.3.3.2
MANUFACTURER = "vmamba-edge (research software)"
UNFIT = re.compile(r"[\\\x00-\x1f\x7f]")  # a backslash parts values, PS3.5 section 6.2
MAX_SH, MAX_LO = 16, 64  # characters; PS3.5 table 6.2-1
DATE = re.compile(r"(19|20)[0-9]{6}")  # DA, PS3.5 table 6.2-1
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # where the machine's clock told no time at all


@dataclass(frozen=True)
class StudyFacts:
    """Patient and study as the objects say them; personal.

    Attributes:
        patient: Patient ID.
        name: as PN, "Wang^Xiaodong=王^小东"; "" where it is not known for certain: an empty name is no wrong name.
        birth_date: YYYYMMDD or "".
        sex: "F", "M", "O" or "".
        study_uid: Study Instance UID.
        accession: number or "".
        study_id: or "".
        study_date: YYYYMMDD or "".
        study_time: HHMMSS or "".
        referring: physician as PN or "".
        description: of the study, or "".
    """

    patient: str
    name: str
    birth_date: str
    sex: str
    study_uid: str
    accession: str
    study_id: str
    study_date: str
    study_time: str
    referring: str
    description: str


@dataclass(frozen=True)
class Series:
    """One of the exam's series.

    Attributes:
        what: its name among the exam's objects.
        modality: as the standard wants it.
        number: Series Number.
        description: for people.
    """

    what: str
    modality: str
    number: int
    description: str


def facts_from_document(document: ExamDocument) -> StudyFacts:
    """What the exam alone tells: no name; a study that is no UID is an accession number, and the study's UID is made.

    The study of a scanner keeps its date: it is empty here, since only the scanner knows it.
    """
    foreign = is_uid(document.study)
    opened = moment_from_wall(document.opened_wall)
    typed = "" if foreign else document.study
    return StudyFacts(
        patient=document.patient,
        name="",
        birth_date="",
        sex="",
        study_uid=document.study if foreign else uid_from_object(document.exam, "study"),
        accession=typed if len(typed) <= MAX_SH else "",
        study_id="",
        study_date="" if foreign else opened.strftime("%Y%m%d"),
        study_time="" if foreign else opened.strftime("%H%M%S"),
        referring="",
        description=typed if len(typed) > MAX_SH else "",
    )


def check_facts(facts: StudyFacts) -> None:
    """Refuse what DICOM cannot say: changing it would make it another patient's.

    Raises:
        InputError: a text holds a backslash or a control character, a date is none, or the study's UID is none.
    """
    for field in fields(facts):
        if UNFIT.search(getattr(facts, field.name)):
            raise InputError(
                f"The {field.name} holds a backslash or a control character, which DICOM cannot carry.",
                "Correct it in the worklist, or export the exam as JSON or PDF.",
            )
    for date in (facts.birth_date, facts.study_date):
        if date and not is_date(date):
            raise InputError("A date of patient or study is none.", "Correct it in the worklist or at the scanner.")
    if not is_uid(facts.study_uid):
        raise InputError("The study's UID is none.", "Leave it to facts_from_document, or take the worklist's.")


def is_date(text: str) -> bool:
    """Whether a text is a day of the calendar: a typed 31st of February is none, and no report could be made of it."""
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return DATE.fullmatch(text) is not None


def dataset_from_facts(
    document: ExamDocument, facts: StudyFacts, series: Series, sop_class: str, uid: str, number: int
) -> Dataset:
    """Patient, study, series, equipment and SOP common attributes.

    Args:
        document: of the exam.
        facts: whose it is.
        series: that the object is of.
        sop_class: UID.
        uid: SOP Instance UID.
        number: Instance Number.

    Source: DICOM PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.7.5.1, C.12.1.
    """
    from pydicom import Dataset

    data, last = Dataset(), moment_from_wall(document.last_wall)
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID, data.InstanceNumber = sop_class, uid, number
    data.InstanceCreationDate, data.InstanceCreationTime = last.strftime("%Y%m%d"), last.strftime("%H%M%S")
    data.TimezoneOffsetFromUTC = "+0000"
    data.PatientID, data.PatientName = facts.patient, facts.name
    data.PatientBirthDate, data.PatientSex = facts.birth_date, facts.sex
    data.StudyInstanceUID, data.StudyID, data.AccessionNumber = facts.study_uid, facts.study_id, facts.accession
    data.StudyDate, data.StudyTime = facts.study_date, facts.study_time
    data.ReferringPhysicianName = facts.referring
    if facts.description:
        data.StudyDescription = facts.description[:MAX_LO]
    data.SeriesInstanceUID = uid_from_object(document.exam, series.what)
    data.Modality, data.SeriesNumber, data.SeriesDescription = series.modality, series.number, series.description
    data.Manufacturer, data.ManufacturerModelName = MANUFACTURER, document.software.name
    data.SoftwareVersions = document.software.version
    return data


def part10_from_dataset(data: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """The dataset as a DICOM file.

    Source: DICOM PS3.10 section 7.
    """
    from pydicom import dcmwrite
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    data.file_meta = meta
    stream = io.BytesIO()
    dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


def moment_from_wall(wall: str | None) -> datetime:
    """A time as the machine's clock told it, in UTC; 1970 where it told none."""
    instant = instant_from_wall(wall)
    return EPOCH if instant is None else datetime.fromisoformat(instant)


def notes_from_document(document: ExamDocument) -> tuple[str, ...]:
    """What stands with every object: watermark, demonstration, research use; English and Chinese."""
    marks = document.marks
    notes = []
    if marks is not None and marks.is_demo:
        notes.append("DEMONSTRATION: not a patient's examination. 演示：非患者检查。")
    if marks is not None and marks.watermark:
        notes.append(marks.watermark)
    if marks is not None and marks.credit:
        notes.append(marks.credit)
    return (*notes, f"{document.research_use.en} {document.research_use.zh}")
