"""The exam store: one SQLite file, one writer, and nothing acknowledged is ever lost.

::

    new_exam / append / delete --one transaction: row + image + audit entry--> log, fsynced --> acknowledged

WAL with synchronous=FULL: a commit returns after the log is on the disk, so what `append` returned for outlives kill -9
(tests/bench/store.py) and a power cut (SQLite's documentation, "Atomic Commit" and "Write-Ahead Logging"; the disk must
not lie about fsync). Order comes from sequence numbers, never from times. A second service on the same store is refused
by a lock that ends with its holder.
A process that holds a store starts children by spawn, never by fork: a forked child would share the lock and the log.

In: events as JSON and images as JPEG bytes, already cut to the region that may be kept. Out: sequence numbers.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from edge import audit
from edge.errors import InputError, MachineError
from edge.exam_vault import Place, Vault
from edge.files import sha256_from_bytes
from edge.record import bytes_from_record
from edge.store_erasure import TRUNCATE, remove_some, shrink_some
from edge.store_lock import held, make_file, sync_folder
from edge.store_reader import ExamReader, no_exam
from edge.store_rows import check_jpeg, content_from_stored, salted_from_event
from edge.store_schema import LEAD_BYTES, check_place, prepare_writer, settle_key
from edge.store_space import (
    ERASURE_SHARE,
    EVENTS_SHARE,
    Space,
    StoreState,
    check_capture_room,
    error_from_sqlite,
    is_full,
    state_from_error,
)

INSERT_EVENT = "INSERT INTO events VALUES (NULL, ?, ?, ?, ?, zeroblob(?), ?, ?)"
INSERT_EXAM = "INSERT INTO exams (exam, operator, bundle, wall, lead, about) VALUES (?, ?, ?, ?, zeroblob(?), ?)"

T = TypeVar("T")


def store_path(home: Path) -> Path:
    """Where the exams of a device lie unless a path is given.

    Args:
        home: the keyring's folder.
    """
    return home / "exams" / "exams.db"


class Store(ExamReader):
    """The one writer of a store; `open_store` makes it. Its methods may be called from any thread.

    Args:
        connection: to a prepared store, in autocommit mode.
        path: of the store.
        wall: tells UTC as ISO text; recorded, never decided upon.
        vault: the key, if the store is encrypted.
        space: how much room it keeps.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, wall: Callable[[], str], vault: Vault | None, space: Space
    ) -> None:
        super().__init__(connection, path, vault)
        self._wall, self._space = wall, space
        self._failure: StoreState | None = None

    def state(self) -> StoreState:
        """Whether captures are taken, and if not, why."""
        return self._space.state_at(self.path, self._failure)

    def probe(self) -> StoreState:
        """Try a small write: how a service learns that a disk works again."""
        with contextlib.suppress(MachineError):
            self._write(lambda: self._execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", self._wall()))
        return self.state()

    def new_exam(self, about: Mapping[str, Any], bundle: str, operator: str | None = None) -> str:
        """Open an exam.

        Args:
            about: patient, study, protocol: whatever must go when the exam is deleted.
            bundle: SHA-256 of the bundle, hexadecimal.
            operator: id of who was picked; None for nobody.

        Returns:
            The exam's id, a random UUID, once it is durable.

        Raises:
            InputError: `about`, the digest or the operator's id is not of its form.
            MachineError: the disk is full or failed; nothing was written.
        """
        exam, who = str(uuid4()), operator or audit.UNAUTHENTICATED
        stored = self._sealed(salted_from_event(about), Place("exams", exam, 0))
        check_capture_room(self.state())

        def insert() -> str:
            wall = self._wall()
            self._execute(INSERT_EXAM, exam, who, bundle, wall, LEAD_BYTES, stored)
            self._log(exam, 0, audit.OPENED, who, wall, bundle, content_from_stored(stored))
            return exam

        return self._write(insert)

    def append(
        self, exam: str, kind: str, event: Mapping[str, Any], jpeg: bytes | None = None, operator: str | None = None
    ) -> int:
        """Record one event.

        Args:
            exam: its id.
            kind: of the event: letters, digits, dashes, underscores.
            event: anything that JSON can hold.
            jpeg: the capture's image, cut to the region that may be kept.
            operator: id of who did it, or "unauthenticated"; None for who opened the exam.

        Returns:
            The event's sequence number, 1, 2, ... within the exam, once it is durable.

        Raises:
            UsageError: there is no such exam.
            InputError: the event, the image or the operator's id is not of its form.
            MachineError: the disk is full or failed; nothing was written, everything acknowledged is kept.
        """
        if "." in kind:
            raise InputError(f"{kind!r} is no kind of an event.", "Use letters, digits, dashes and underscores.")
        body = salted_from_event(event)
        if jpeg is not None:
            check_jpeg(jpeg)
            check_capture_room(self.state())

        def insert() -> int:
            (number, opener, bundle, sequence), wall = self._next(exam), self._wall()
            stored = self._sealed(body, Place("events", exam, sequence))
            image = b"" if jpeg is None else self._sealed(jpeg, Place("jpegs", exam, sequence))
            row = self._execute(INSERT_EVENT, number, sequence, kind, wall, LEAD_BYTES, stored, operator).lastrowid
            if jpeg is not None:
                self._execute("INSERT INTO jpegs VALUES (?, zeroblob(?), ?)", row, LEAD_BYTES, image)
            self._log(exam, sequence, kind, operator or opener, wall, bundle, content_from_stored(stored, image))
            return sequence

        return self._write(insert, spend=0.0 if jpeg else EVENTS_SHARE)

    def delete(self, exam: str, operator: str | None = None) -> None:
        """Erase an exam: its rows, then its bytes in file and log; the audit chain gains an entry and stays valid.

        Args:
            exam: its id.
            operator: who deletes it; None for nobody.

        Raises:
            UsageError: there is no such exam.
            MachineError: the disk failed, or a reader holds the log: the rows are gone, the bytes follow at the next
                opening of the store.
        """

        def remove() -> None:
            (number, _, bundle, sequence), who = self._next(exam), operator or audit.UNAUTHENTICATED
            self._execute("DELETE FROM exams WHERE number = ?", number)  # its events are out of sight, and go next
            self._log(exam, sequence, audit.DELETED, who, self._wall(), bundle, content_from_stored())

        self._write(remove, spend=ERASURE_SHARE)
        if not self.erase():
            raise MachineError(
                f"Exam {exam} is deleted, but another process reads the store: its bytes are still in the log.",
                "Close the reader, then run: edge exam purge --older-than 36500d.",
            )

    def erase(self, spend: float = ERASURE_SHARE) -> bool:
        """Remove what belongs to no exam any more, give its pages back and empty the log: no byte is left in either.

        In small steps: it works on a disk that is all but full, and goes on where the last process was killed.

        Returns:
            Whether it is done; False while a reader still looks at the log.

        Raises:
            MachineError: the disk failed; the rest goes at the next opening.
        """
        with self._turn:
            emptied = self._checkpoint(TRUNCATE, spend)
            for step in (remove_some, shrink_some):
                while self._write(partial(step, self._connection), spend):
                    emptied = emptied and self._checkpoint(TRUNCATE, spend)
            return emptied and self._checkpoint(TRUNCATE, spend)

    def _checkpoint(self, mode: str, spend: float = 0.0) -> bool:
        try:
            (busy, _, _) = self._execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            if spend and is_full(error) and self._space.give_up_reserve(self.path, spend):
                return self._checkpoint(mode)
            raise error_from_sqlite(error, self.path) from error
        return not busy

    def _next(self, exam: str) -> tuple[int, str, str, int]:
        rows = self._rows("SELECT number, operator, bundle FROM exams WHERE exam = ?", exam)
        if not rows:
            raise no_exam(exam)
        number, operator, bundle = rows[0]
        (last,) = self._rows("SELECT max(sequence) FROM events WHERE exam = ?", number)[0]
        return number, operator, bundle, (last or 0) + 1

    def _log(self, exam: str, sequence: int, kind: str, operator: str, wall: str, bundle: str, content: str) -> None:
        rows = self._rows("SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1")
        head = audit.Head(*rows[0]) if rows else audit.START
        entry = audit.AuditEntry(head.number + 1, exam, sequence, kind, operator, wall, bundle, content, head.digest)
        audit.check_entry(entry)
        text = bytes_from_record(entry)
        self._execute("INSERT INTO audit VALUES (?, ?, ?)", entry.number, text.decode(), sha256_from_bytes(text))

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _write(self, work: Callable[[], T], spend: float = 0.0) -> T:
        """Run one transaction; on a full disk it may spend a share of the reserve."""
        with self._turn:
            try:
                try:
                    done = self._transaction(work)
                except sqlite3.Error as error:
                    if not (spend and is_full(error) and self._space.give_up_reserve(self.path, spend)):
                        raise
                    with contextlib.suppress(MachineError):  # while there is room for it
                        self._checkpoint("PASSIVE")
                    done = self._transaction(work)
            except sqlite3.Error as error:
                self._failure = state_from_error(error)
                raise error_from_sqlite(error, self.path) from error
            self._failure = None
            self._space.keep_reserve(self.path)
            return done

    def _transaction(self, work: Callable[[], T]) -> T:
        self._execute("BEGIN IMMEDIATE")
        try:
            done = work()
            self._execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself
                self._execute("ROLLBACK")
            raise
        return done


@contextlib.contextmanager
def open_store(
    path: Path,
    *,
    wall: Callable[[], str],
    vault: Vault | None = None,
    space: Space | None = None,
    keyless: bool = False,
) -> Iterator[Store]:
    """Open a store for writing, or make it; one process at a time.

    Args:
        path: of the store; its folder is made.
        wall: tells UTC as ISO text, for the records.
        vault: encrypts a store that is made, opens one that is encrypted.
        space: how much room it keeps; None for the defaults.
        keyless: open an encrypted store without its key, to delete exams.

    Raises:
        MachineError: another process holds the store, or the disk fails.
        DeviceError: a newer program wrote it.
        InputError: it is no store, or damaged.
        TrustError: it is encrypted and the key is not here.
        UsageError: it was made without encryption and a key is given.
    """
    room = space or Space()
    check_place(path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(held(path))
        try:
            make_file(path)
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            stack.enter_context(contextlib.closing(connection))
            prepare_writer(connection, path)
            settle_key(connection, path, vault, keyless)
            sync_folder(path.parent)  # the log's name
        except sqlite3.Error as error:
            raise error_from_sqlite(error, path) from error
        store = Store(connection, path, wall, vault, room)
        with contextlib.suppress(MachineError):  # a full disk: what a deletion left is erased at the next opening
            store.erase(spend=0.0)
        room.keep_reserve(path)
        yield store
