"""highdicom's document -> this exam's object: the same exam is the same object, byte for byte.

In: what highdicom shall build. Out: a dataset. Its times are the exam's and its UID is made of its content, so that a
corrected exam, or another version of a library, is another object.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge.files import sha256_from_bytes
from edge.reports.document import ExamDocument
from edge.reports.uids import uid_from_object
from firmware_bridge.dicom.outbox_study import (
    Series,
    StudyFacts,
    dataset_from_facts,
    moment_from_wall,
    part10_from_dataset,
)

if TYPE_CHECKING:
    from pydicom import Dataset


def object_from_document(
    document: ExamDocument,
    facts: StudyFacts,
    series: Series,
    sop_class: str,
    images: Sequence[Dataset],
    build: Callable[..., Dataset],
) -> Dataset:
    """Build a document and pin what highdicom takes from the clock.

    Args:
        document: of the exam.
        facts: whose it is.
        series: that the object is of.
        sop_class: UID.
        images: that it may refer to.
        build: a class of highdicom, called with the evidence and the arguments that all documents share.

    Source: DICOM PS3.5 section 9: a UID names one object and is never used again.
    """
    last, draft = moment_from_wall(document.last_wall), uid_from_object(document.exam, series.what)
    header = dataset_from_facts(document, facts, series, sop_class, draft, 1)
    header.ContentDate, header.ContentTime = last.strftime("%Y%m%d"), last.strftime("%H%M%S")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it quotes a patient's name that has one component
        made = build(
            images or (header,),  # it takes patient and study from the first
            series_instance_uid=header.SeriesInstanceUID,
            series_number=series.number,
            sop_instance_uid=draft,
            instance_number=1,
        )
    if not images:
        del made.CurrentRequestedProcedureEvidenceSequence
    del made.ContributingEquipmentSequence  # the time of the call, and that this box were the scanner
    made.update(header)
    made.SOPInstanceUID = uid_from_object(
        document.exam, f"{series.what}/{sha256_from_bytes(part10_from_dataset(made))}"
    )
    return made
