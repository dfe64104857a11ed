"""ExamDocument -> Key Object Selection: the best frame so far of each plane.

In: the document, whose it is, its images. Out: a dataset, or None where no plane has a frame. Its title is "Of
Interest": "Best In Set" (113013) must say which set, the whole study or series (CID 7012), and the box chose among the
frames that it saw.

Source: DICOM PS3.3 A.35.4, C.17.6; PS3.16 TID 2010, CID 7010, CID 7012.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from edge.exam_state import PlaneState
from edge.reports.document import ExamDocument, ReportRow
from firmware_bridge.dicom.images import kept_frames
from firmware_bridge.dicom.outbox_study import Series, StudyFacts, notes_from_document
from firmware_bridge.dicom.sr_context import device_observer, person_observer
from firmware_bridge.dicom.sr_object import object_from_document

if TYPE_CHECKING:
    from pydicom import Dataset

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"  # PS3.4 table B.5-1
SERIES = Series("series/kos", "KO", 9003, "Plane check: best frames (research)")
STANDING = (PlaneState.CAPTURED.value, PlaneState.CAPTURED_LOW.value, PlaneState.CONFIRMED.value)


def kos_from_document(document: ExamDocument, facts: StudyFacts, images: Mapping[str, Dataset]) -> Dataset | None:
    """The selection.

    Args:
        document: of the exam.
        facts: whose it is.
        images: name of a kept frame -> its object (`images_from_report`).

    Returns:
        None where no plane keeps a frame: a selection of nothing is no object.
    """
    from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
    from pydicom.sr.codedict import codes

    rows = best_rows(document)
    if not rows:
        return None
    best = tuple(images[frame] for frame in dict.fromkeys(row.frame for row in rows if row.frame))
    selection = KeyObjectSelection(
        codes.DCM.OfInterest,
        best,
        observer_person_context=person_observer(document.operator),
        observer_device_context=device_observer(document, document.models[-1].bundle),
        description=_description(document, rows),
    )
    build = partial(KeyObjectSelectionDocument, content=selection)
    return object_from_document(document, facts, SERIES, KEY_OBJECTS, best, build)


def best_rows(document: ExamDocument) -> tuple[ReportRow, ...]:
    """Planes that keep a frame whose JPEG is stored, and that are not marked not obtainable."""
    there = kept_frames(document)
    return tuple(row for row in document.rows if row.frame in there and row.state in STANDING)


def _description(document: ExamDocument, rows: tuple[ReportRow, ...]) -> str:
    """Which plane each frame was kept for, in the order of the references; the words go with the pictures."""
    planes = [f"{row.en} / {row.zh}, fetus {row.fetus}" for row in rows]
    return "\r\n".join(("Best stored frame of each plane / 各切面最佳图像:", *planes, *notes_from_document(document)))
