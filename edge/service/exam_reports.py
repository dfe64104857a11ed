"""Reports of stored exams for programs on the socket: a reader of its own for each question, beside the one writer.

The audit chain of a large store takes seconds to compare: on the writer's connection that would hold up captures.

In: the store. Out: bytes for the API; personal, so only the socket has these addresses.
"""

from __future__ import annotations

import json

from edge.reports.gather import report_from_store
from edge.reports.schema_json import bytes_from_document
from edge.service.desk_keeper import ENDED
from edge.store_reader import ExamReader

NEWEST = 200  # some days of a busy room: what a bridge that was away for longer missed is exported by hand


class ExamReports:
    """Its methods may be called from any thread and take as long as the disk does."""

    def __init__(self, store: ExamReader) -> None:
        """Nothing is read yet.

        Args:
            store: whose exams; the one that the service writes.
        """
        self._store = store

    def exams(self) -> bytes:
        """The newest exams, newest last, without anything of their patients.

        Raises:
            EdgeError: the store cannot be read.
        """
        with self._store.beside() as reader:
            newest = reader.newest(NEWEST, ENDED)
        marks = [{"exam": exam, "events": events, "is_ended": ended} for exam, events, ended in reversed(newest)]
        return json.dumps({"exams": marks}).encode()

    def report(self, exam: str) -> bytes:
        """The document, as `edge exam export --format json` writes it.

        Raises:
            EdgeError: as of `edge.reports.gather.report_from_store`.
        """
        with self._store.beside() as reader:
            return bytes_from_document(report_from_store(reader, exam).document)

    def stored(self, exam: str, sequence: int) -> bytes:
        """JPEG of an event, of an ended exam as well.

        Raises:
            UsageError: there is none.
            EdgeError: the store cannot be read.
        """
        with self._store.beside() as reader:
            return reader.jpeg(exam, sequence)
