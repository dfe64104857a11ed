"""Whose exam a frame belongs to: patient and study, from a worklist, a DICOM header or the keyboard.

In: the key of the open exam, the key that came with a frame. Out: where the frame goes. Nothing is guessed: keys are
equal or they are not. A typed patient number without a study is another key than the same number with one, since two
studies of one patient on one day are two exams: showing the change costs a tap, mixing two exams costs a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edge.files import sha256_from_bytes

MAX_KEY_LENGTH = 64  # characters; DICOM PS3.5 table 6.2-1: LO (Patient ID) and UI (Study Instance UID) hold at most 64
DIGEST_DIGITS = 16  # end an id that had to be cut


@dataclass(frozen=True)
class ExamKey:
    """Patient and study of an exam; personal data, never logged and never in the audit chain.

    Attributes:
        patient: Patient ID (0010,0020) or what was typed.
        study: Study Instance UID (0020,000D), accession number or ""; one kind within one site.
    """

    patient: str
    study: str


class Destination(Enum):
    """Where a frame goes."""

    HERE = "here"  # the open exam
    ANOTHER = "another"  # an exam of the frame's own key, to be opened or switched to, shown full-screen


def key_from_texts(patient: str, study: str) -> ExamKey | None:
    """A key without DICOM's padding; None where both are empty: no key at all.

    Source: DICOM PS3.5 section 6.2: trailing spaces (and the NUL that pads a UI) carry no meaning.
    """
    key = ExamKey(_stripped(patient), _stripped(study))
    return key if key.patient or key.study else None


def destination_from_key(open_key: ExamKey, frame_key: ExamKey | None) -> Destination:
    """Where a frame goes that arrives while an exam is open.

    Args:
        open_key: of the open exam.
        frame_key: of the frame; None for a source without headers (a video grabber): what the user opened counts.
    """
    return Destination.HERE if frame_key is None or frame_key == open_key else Destination.ANOTHER


def _stripped(text: str) -> str:
    """Cut to its length where it is no valid id, but never so that two patients become one."""
    bare = text.strip(" \0")
    if len(bare) <= MAX_KEY_LENGTH:
        return bare
    digest = sha256_from_bytes(bare.encode("utf-8", "backslashreplace"))[:DIGEST_DIGITS]
    return f"{bare[: MAX_KEY_LENGTH - DIGEST_DIGITS - 1]}~{digest}"
