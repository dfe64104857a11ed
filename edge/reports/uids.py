"""DICOM and UUID names of an exam's objects, made of the exam's id: the same exam has the same names in every export.

In: the exam's id and what the object is. Out: UUID, or the DICOM UID of it.
"""

from __future__ import annotations

import re
from uuid import UUID, uuid5

NAMESPACE = UUID("7fc8d4f2-c004-57cc-aa4d-c41cb5e97422")  # of this project; any constant would do
# DICOM PS3.5 section 9.1; ITU-T X.660: three roots, of which the first two have 40 arcs. A typed number of a visit such
# as 2024.113 is none, and no archive would take it.
UID = re.compile(r"([01]\.[1-3]?[0-9]|2\.(0|[1-9][0-9]*))(\.(0|[1-9][0-9]*))*")
MAX_UID_LENGTH = 64  # characters; DICOM PS3.5 section 9.1


def uuid_from_object(exam: str, what: str) -> UUID:
    """Name of an object, version 5.

    Args:
        exam: its id.
        what: unique among the exam's objects, e.g. "study", "frame/12-7".

    Source: RFC 9562, section 5.5.
    """
    return uuid5(NAMESPACE, f"{exam}/{what}")


def uid_from_object(exam: str, what: str) -> str:
    """DICOM UID of an object, at most 44 characters.

    Source: DICOM PS3.5 section B.2: "2.25." and the UUID as a decimal number.
    """
    return f"2.25.{uuid_from_object(exam, what).int}"


def is_uid(text: str) -> bool:
    """Whether a text is a DICOM UID."""
    return len(text) <= MAX_UID_LENGTH and UID.fullmatch(text) is not None
