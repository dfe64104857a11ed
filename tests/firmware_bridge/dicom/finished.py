"""A finished exam and its objects, for the tests of what leaves the box."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom import Dataset

from edge.exam_vault import Vault
from edge.reports.gather import Report, report_from_store
from firmware_bridge.dicom.images import images_from_report
from firmware_bridge.dicom.outbox import Outbox, open_outbox
from firmware_bridge.dicom.outbox_schema import Parcel
from firmware_bridge.dicom.outbox_study import StudyFacts, facts_from_document
from firmware_bridge.dicom.sr import sr_from_document
from tests.edge.reports.exams import stored
from tests.edge.stored import opened
from tests.firmware_bridge.dicom.programs import tool

CHINESE = "Wang^Xiaodong=王^小东"
VAULT = Vault(b"k" * 32)


def finished(folder: Path, **options: Any) -> Report:
    """The report of a stored exam; options as of `tests.edge.reports.exams.stored`."""
    with opened(folder / "exams.db") as store:
        return report_from_store(store, stored(store, **options))


def named(report: Report, **changes: Any) -> StudyFacts:
    """The exam's patient with a Chinese name."""
    return replace(facts_from_document(report.document), **{"name": CHINESE, **changes})


def sr_of(report: Report, facts: StudyFacts | None = None) -> Dataset:
    """The structured report of a stored exam, of a patient with a Chinese name where no other is given."""
    facts = facts or named(report)
    return sr_from_document(report.document, facts, images_from_report(report, facts))


def outbox_at(path: Path, **options: Any) -> AbstractContextManager[Outbox]:
    """The outbox of a test."""
    return open_outbox(path, VAULT, **options)


def made_up(number: int, size: int = 2000) -> Parcel:
    """An object of the outbox that no receiver gets."""
    return Parcel(f"2.25.{number + 1}", "1.2.840.10008.5.1.4.1.1.7", "P1\0001.2.3", bytes([number % 256]) * size)


def peer_text(program: str, *arguments: object) -> str:
    """What a peer's program says."""
    done = subprocess.run([tool(program), *map(str, arguments)], capture_output=True, timeout=60, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")  # dsrdump cuts texts anywhere


def errors_of(path: Path) -> list[str]:
    """Lines of `dciodvfy` that name an error."""
    return [line for line in peer_text("dciodvfy", path).splitlines() if line.startswith("Error")]
