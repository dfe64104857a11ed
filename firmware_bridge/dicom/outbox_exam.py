"""A finished exam into the outbox: its frames, the SR and the key objects, all of them or none.

::

    Report -> images + SR + key objects -> Outbox.put (one transaction) -> run_outbox -> every PACS

In: the report of `edge/reports/gather.py`, whose it is, and where it shall go. Out: how many objects are new.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.reports.gather import Report
from firmware_bridge.dicom.images import JPEG_BASELINE, images_from_report
from firmware_bridge.dicom.kos import kos_from_document
from firmware_bridge.dicom.outbox import Outbox
from firmware_bridge.dicom.outbox_schema import Parcel
from firmware_bridge.dicom.outbox_study import (
    EXPLICIT_LITTLE,
    StudyFacts,
    check_facts,
    part10_from_dataset,
)
from firmware_bridge.dicom.sr import sr_from_document


def outbox_from_exam(
    outbox: Outbox, report: Report, destinations: Sequence[str], facts: StudyFacts | None = None, events: int = 0
) -> int:
    """Have an exam sent; asking twice sends it once, and a corrected exam sends a new SR and new key objects.

    Args:
        outbox: where it waits, durable when this returns.
        report: of the exam, ended.
        destinations: names.
        facts: patient and study; None: what the outbox learnt of them (`Names.facts_of`).
        events: how many the exam has, noted for `Outbox.events_of`; 0: not noted.

    Returns:
        How many objects were taken.

    Raises:
        InputError: the patient's data cannot be said in DICOM, or its frames were sent as another patient's.
        ImageError: a kept frame is no baseline JPEG.
        MachineError: the outbox is full or cannot be written.
    """
    document = report.document
    parcels = parcels_from_report(report, facts or outbox.names.facts_of(document))
    return outbox.put(parcels, destinations, document.exam, events)


def parcels_from_report(report: Report, facts: StudyFacts) -> tuple[Parcel, ...]:
    """The objects of an exam as files, images first.

    Raises:
        InputError: the patient's data cannot be said in DICOM.
        ImageError: a kept frame is no baseline JPEG.
    """
    check_facts(facts)
    document, whose = report.document, f"{facts.patient}\0{facts.study_uid}"
    images = images_from_report(report, facts)
    documents = (sr_from_document(document, facts, images), kos_from_document(document, facts, images))
    made = [(data, JPEG_BASELINE) for data in images.values()]
    made += [(data, EXPLICIT_LITTLE) for data in documents if data is not None]
    return tuple(
        Parcel(str(data.SOPInstanceUID), str(data.SOPClassUID), whose, part10_from_dataset(data, syntax))
        for data, syntax in made
    )
