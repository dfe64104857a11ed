"""ExamDocument -> Key Object Selection: the best frame so far of each plane.

In: the document, whose it is. Out: a dataset, or None where no plane has a frame. Its title is "Of Interest": "Best In
Set" (113013) must say which set, the whole study or series (CID 7012), and the box chose among the frames that it saw.

Source: DICOM PS3.3 A.35.4, C.17.6; PS3.16 TID 2010, CID 7010, CID 7012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.exam_state import PlaneState
from edge.reports.document import ExamDocument, ReportRow
from edge.reports.uids import uid_from_object
from firmware_bridge.dicom.images import SECONDARY_CAPTURE, frame_uid
from firmware_bridge.dicom.outbox_study import (
    Series,
    StudyFacts,
    dataset_from_facts,
    moment_from_wall,
    notes_from_document,
    version_from_document,
)
from firmware_bridge.dicom.sr import SOURCE, evidence, kept_frames
from firmware_bridge.dicom.sr_context import device_observer, person_observer
from firmware_bridge.dicom.sr_items import CONTAINS, container, image_item, text_item

if TYPE_CHECKING:
    from pydicom import Dataset

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"  # PS3.4 table B.5-1
SERIES = Series("series/kos", "KO", 9003, "Plane check: best frames (research)")
TITLE = ("113000", "DCM", "Of Interest")  # CID 7010
DESCRIPTION = ("113012", "DCM", "Key Object Description")
STANDING = (PlaneState.CAPTURED.value, PlaneState.CAPTURED_LOW.value, PlaneState.CONFIRMED.value)


def kos_from_document(document: ExamDocument, facts: StudyFacts) -> Dataset | None:
    """The selection.

    Args:
        document: of the exam.
        facts: whose it is.

    Returns:
        None where no plane keeps a frame: a selection of nothing is no object.
    """
    rows = best_rows(document)
    if not rows:
        return None
    uid = uid_from_object(document.exam, f"kos/{version_from_document(document, facts)}")
    data = dataset_from_facts(document, facts, SERIES, KEY_OBJECTS, uid, 1)
    last = moment_from_wall(document.last_wall)
    data.ContentDate, data.ContentTime = last.strftime("%Y%m%d"), last.strftime("%H%M%S")
    data.ReferencedPerformedProcedureStepSequence = []
    frames = list(dict.fromkeys(row.frame for row in rows if row.frame))
    data.CurrentRequestedProcedureEvidenceSequence = evidence(document, facts, frames)
    data.update(
        container(
            None,
            TITLE,
            [
                *person_observer(document.operator),
                *device_observer(document, document.models[-1].bundle),
                text_item(CONTAINS, DESCRIPTION, _description(document, rows)),
                *(image_item(CONTAINS, SOURCE, SECONDARY_CAPTURE, frame_uid(document, frame)) for frame in frames),
            ],
            "2010",
        )
    )
    return data


def best_rows(document: ExamDocument) -> tuple[ReportRow, ...]:
    """Planes that keep a frame whose JPEG is stored, and that are not marked not obtainable."""
    there = kept_frames(document)
    return tuple(row for row in document.rows if row.frame in there and row.state in STANDING)


def _description(document: ExamDocument, rows: tuple[ReportRow, ...]) -> str:
    """Which plane each frame was kept for, in the order of the references; the words go with the pictures."""
    planes = [f"{row.en} / {row.zh}, fetus {row.fetus}" for row in rows]
    return "\r\n".join(("Best stored frame of each plane / 各切面最佳图像:", *planes, *notes_from_document(document)))
