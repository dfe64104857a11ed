"""The store as its readers see it: exams, events and images in the order of their sequence numbers.

Readers stand beside the one writer: SQLite's log gives each of them a consistent view, and they change nothing.

In: the path, and the vault if the store is encrypted. Out: frozen records.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge.audit import OPENED, AuditEntry
from edge.errors import InputError, UsageError
from edge.exam_vault import Place, Vault, lost_key
from edge.record import RecordError
from edge.store_rows import (
    ExamSummary,
    StoredContent,
    StoredEvent,
    content_from_stored,
    damaged_record,
    entry_from_stored,
    event_from_salted,
    summary_from_row,
)
from edge.store_schema import BUSY_MS, VERSION, version_from_connection
from edge.store_space import error_from_sqlite

PAGE_ROWS = 16  # with images of 8 MiB at most
SUMMARY = """
    SELECT exams.exam, coalesce((SELECT operator FROM events WHERE exam = exams.number AND operator IS NOT NULL
            ORDER BY sequence DESC LIMIT 1), exams.operator),
        exams.bundle, exams.wall, count(events.number), count(jpegs.event),
        (SELECT wall FROM events WHERE exam = exams.number ORDER BY sequence DESC LIMIT 1)
    FROM exams LEFT JOIN events ON events.exam = exams.number LEFT JOIN jpegs ON jpegs.event = events.number
    {where} GROUP BY exams.number ORDER BY exams.number
"""


class ExamReader:
    """Reads a store; its methods may be called from any thread.

    Args:
        connection: to the store, in autocommit mode.
        path: of the store, for messages.
        vault: the key of an encrypted store; only what it hides needs it.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, vault: Vault | None) -> None:
        self.path = path
        self._connection = connection
        self._vault = vault
        self._turn = threading.RLock()  # one connection: no reader may see half of a transaction
        self._key_id = self._meta("key")

    @property
    def encrypted(self) -> bool:
        """Whether patients' data lie encrypted."""
        return self._key_id is not None

    def exams(self) -> tuple[ExamSummary, ...]:
        """All exams, in the order in which they were opened."""
        return tuple(summary_from_row(row) for row in self._rows(SUMMARY.format(where="")))

    def exam(self, exam: str) -> ExamSummary:
        """One exam.

        Raises:
            UsageError: there is none of that id.
        """
        rows = self._rows(SUMMARY.format(where="WHERE exams.exam = ?"), exam)
        if not rows:
            raise no_exam(exam)
        return summary_from_row(rows[0])

    def newest(self, count: int, kind: str) -> tuple[tuple[str, int, bool], ...]:
        """Of the exams opened last, newest first: id, number of events, and whether there is one of this kind."""
        query = """SELECT exam, (SELECT count(*) FROM events WHERE exam = exams.number),
            EXISTS (SELECT 1 FROM events WHERE exam = exams.number AND kind = ?)
            FROM exams ORDER BY number DESC LIMIT ?"""
        return tuple((exam, events, bool(found)) for exam, events, found in self._rows(query, kind, count))

    def beside(self) -> contextlib.AbstractContextManager[ExamReader]:
        """Another reader of this store, with a connection of its own: it holds up nobody here."""
        return open_reader(self.path, self._vault)

    def exams_without(self, kind: str) -> tuple[str, ...]:
        """Ids of the exams that have events, but none of this kind, in the order in which they were opened."""
        query = """SELECT exam FROM exams WHERE EXISTS (SELECT 1 FROM events WHERE exam = exams.number) AND NOT EXISTS
            (SELECT 1 FROM events WHERE exam = exams.number AND kind = ?) ORDER BY number"""
        return tuple(exam for (exam,) in self._rows(query, kind))

    def about(self, exam: str) -> Mapping[str, Any]:
        """What was told of the patient and the study when the exam was opened.

        Raises:
            UsageError: there is no such exam.
            InputError: the record is damaged.
            TrustError: the key is lost, or the record was altered.
        """
        rows = self._rows("SELECT about FROM exams WHERE exam = ?", exam)
        if not rows:
            raise no_exam(exam)
        return self._mapping(rows[0][0], Place("exams", exam, 0))

    def events(self, exam: str) -> tuple[StoredEvent, ...]:
        """The exam's events in their sequence.

        Raises:
            UsageError: there is no such exam.
            InputError: a record is damaged.
            TrustError: the key is lost, or a record was altered.
        """
        rows = self._rows(
            """SELECT sequence, kind, events.wall, body, jpegs.event IS NOT NULL
            FROM exams JOIN events ON events.exam = exams.number LEFT JOIN jpegs ON jpegs.event = events.number
            WHERE exams.exam = ? ORDER BY sequence""",
            exam,
        )
        if not rows:
            self.exam(exam)
        return tuple(
            StoredEvent(sequence, kind, wall, self._mapping(body, Place("events", exam, sequence)), bool(has_jpeg))
            for sequence, kind, wall, body, has_jpeg in rows
        )

    def jpeg(self, exam: str, sequence: int) -> bytes:
        """The image of one event.

        Raises:
            UsageError: there is no such exam, event or image.
            InputError: the image is damaged.
            TrustError: the key is lost, or the image was altered.
        """
        rows = self._rows(
            """SELECT jpeg FROM exams JOIN events ON events.exam = exams.number
            JOIN jpegs ON jpegs.event = events.number WHERE exams.exam = ? AND sequence = ?""",
            exam,
            sequence,
        )
        if not rows:
            raise UsageError(f"Event {sequence} of exam {exam} has no image.", "See: edge exam show EXAM.")
        return self._opened(rows[0][0], Place("jpegs", exam, sequence))

    def audit(self) -> Iterator[AuditEntry]:
        """The audit chain, from its first entry.

        Raises:
            TrustError: an entry is no audit entry, or was altered.
        """
        for _, text, digest in self._pages("SELECT number, entry, digest FROM audit", "number"):
            yield entry_from_stored(text, digest)

    def exam_contents(self) -> Iterator[StoredContent]:
        """What the audit chain says of the exams, as it lies in the store, in the order of their opening."""
        query = "SELECT number, exam, operator, bundle, wall, about FROM exams"
        for _, exam, operator, bundle, wall, about in self._pages(query, "number"):
            yield StoredContent(exam, 0, OPENED, operator, bundle, wall, content_from_stored(about))

    def event_contents(self) -> Iterator[StoredContent]:
        """What the audit chain says of the events, as it lies in the store, in the order of their appending."""
        query = """SELECT events.number, exams.exam, sequence, kind, coalesce(events.operator, exams.operator), bundle,
                events.wall, body, jpeg
            FROM events JOIN exams ON events.exam = exams.number LEFT JOIN jpegs ON jpegs.event = events.number"""
        for _, exam, sequence, kind, operator, bundle, wall, body, jpeg in self._pages(query, "events.number"):
            content = content_from_stored(body, jpeg or b"")
            yield StoredContent(exam, sequence, kind, operator, bundle, wall, content)

    def contents_of(self, exam: str) -> Iterator[StoredContent]:
        """What the audit chain says of one exam, as it lies in the store: the exam, then its events.

        Raises:
            UsageError: there is no such exam.
        """
        rows = self._rows("SELECT number, operator, bundle, wall, about FROM exams WHERE exam = ?", exam)
        if not rows:
            raise no_exam(exam)
        number, operator, bundle, wall, about = rows[0]
        yield StoredContent(exam, 0, OPENED, operator, bundle, wall, content_from_stored(about))
        query = """SELECT sequence, kind, coalesce(operator, ?), wall, body, jpeg
            FROM events LEFT JOIN jpegs ON event = events.number WHERE exam = ? AND sequence = ?"""
        last = self._rows("SELECT max(sequence) FROM events WHERE exam = ?", number)[0][0] or 0
        for sequence in range(1, last + 1):
            for _, kind, who, wall, body, jpeg in self._rows(query, operator, number, sequence):
                content = content_from_stored(body, jpeg or b"")
                yield StoredContent(exam, sequence, kind, who, bundle, wall, content)

    def check_pages(self) -> None:
        """Have SQLite check the structure of its file.

        Raises:
            InputError: the file is damaged.
        """
        ((found, *_), *_) = self._rows("PRAGMA quick_check(1)")
        if found != "ok":
            raise InputError(f"{self.path} is damaged ({found}).", "Keep the file and restore the store's backup.")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment, whatever is written meanwhile."""
        with self._turn:
            self._rows("BEGIN")
            try:
                yield
            finally:
                self._rows("COMMIT")

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._turn:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise error_from_sqlite(error, self.path) from error

    def _pages(self, query: str, number: str) -> Iterator[Any]:
        """Rows in the order of their numbers, a few at a time: a store may be larger than the memory."""
        last = 0
        while rows := self._rows(f"{query} WHERE {number} > ? ORDER BY {number} LIMIT {PAGE_ROWS}", last):
            yield from rows
            last = rows[-1][0]

    def _meta(self, name: str) -> str | None:
        rows = self._rows("SELECT value FROM meta WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def _mapping(self, stored: object, place: Place) -> Mapping[str, Any]:
        try:
            return event_from_salted(self._opened(stored, place))
        except RecordError as error:  # what it says of the content may hold a name
            raise damaged_record(place) from error

    def _opened(self, stored: object, place: Place) -> bytes:
        """Bytes of a column, in which SQLite keeps any type."""
        if not isinstance(stored, bytes):
            raise damaged_record(place)
        return stored if self._key_id is None else self._key().open(stored, place)

    def _sealed(self, plain: bytes, place: Place) -> bytes:
        return plain if self._key_id is None else self._key().seal(plain, place)

    def _key(self) -> Vault:
        if self._vault is None or self._vault.key_id != self._key_id:
            raise lost_key(self._key_id or "")
        return self._vault


@contextlib.contextmanager
def open_reader(path: Path, vault: Vault | None = None) -> Iterator[ExamReader]:
    """Read a store, also beside the service that writes it.

    Args:
        path: of the store.
        vault: the key of an encrypted store; without it only what is not encrypted can be read.

    Raises:
        UsageError: there is no store.
        InputError: it is none.
        DeviceError: a newer or older program wrote it.
        MachineError: it cannot be read.
    """
    if not path.is_file():
        raise no_store(path)
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise error_from_sqlite(error, path) from error
    with contextlib.closing(connection):
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            version = version_from_connection(connection, path)
        except sqlite3.Error as error:
            raise error_from_sqlite(error, path) from error
        if version < VERSION:
            raise UsageError(
                f"{path} has schema version {version}, this program reads {VERSION}.",
                "Bring it up to date: start edge serve once, or run: edge exam purge --older-than 36500d.",
            )
        yield ExamReader(connection, path, vault)


def no_store(path: Path) -> UsageError:
    """The error of a path where no store lies."""
    return UsageError(f"There is no exam store {path}.", "Name the store with --store, or record an exam first.")


def no_exam(exam: str) -> UsageError:
    """The error of an id that names no exam."""
    return UsageError(f"There is no exam {exam} in this store.", "See: edge exam list.")
