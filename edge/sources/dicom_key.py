"""DICOM file -> whose exam it belongs to.

The only place of the runtime that reads who the patient is; not even here a name is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.exam_keys import ExamKey, key_from_texts

if TYPE_CHECKING:
    from pathlib import Path

ELEMENTS = ("PatientID", "StudyInstanceUID")  # (0010,0020), (0020,000D)


def key_from_dicom(path: Path) -> ExamKey | None:
    """Patient and study of a file that `edge.sources.dicom` reads; None where it names neither.

    Raises:
        ImageError: not DICOM, or damaged.
    """
    from edge.sources.dicom import header_from_file

    header = header_from_file(path)
    return key_from_texts(*(str(header.get(name) or "") for name in ELEMENTS))
