"""The durable outbox: one SQLite file, one writer, and what `put` returned for is sent, however often the power goes.

::

    put --one transaction: object + file + a delivery for each destination--> log, fsynced --> acknowledged
    settle --one transaction: delivered or dead; a file nobody waits for is erased-->

WAL with synchronous=FULL, as the exam store: what was committed outlives kill -9. Between a receiver's success and
`settle` a crash sends the object once more, with the same SOP Instance UID and the same bytes: a receiver stores an
object once (DICOM PS3.4 annex B), so each is there exactly once. Storage commitment is not asked for.

In: DICOM files. Out: what waits, a destination at a time.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edge.errors import InputError, MachineError
from edge.files import sha256_from_bytes
from edge.record import bytes_from_record, json_from_bytes, record_from_json
from edge.reports.document import ExamDocument
from edge.store_erasure import TRUNCATE, shrink_some
from edge.store_lock import held, make_file
from edge.store_schema import LEAD_BYTES
from edge.store_space import error_from_sqlite
from firmware_bridge.dicom.outbox_schema import Counts, DeadLetter, Parcel, State, Waiting, prepare
from firmware_bridge.dicom.outbox_study import StudyFacts, facts_from_document

MAX_WAITING_BYTES = 8 << 30  # of files: some 2,000 exams of 20 frames, a month without a PACS
MAX_STUDIES = 200  # some days of a busy room; whoever is older was sent, or goes without a name
DROP_BODY = """DELETE FROM bodies WHERE object = ?1 AND NOT EXISTS
    (SELECT 1 FROM deliveries WHERE object = ?1 AND state <> 'delivered')"""


class Outbox:
    """What waits to be sent; `open_outbox` makes it. Its methods may be called from any thread.

    Args:
        connection: to a prepared file, in autocommit mode.
        path: of the file.
        room_bytes: of files it takes.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, room_bytes: int) -> None:
        self.path = path
        self._connection = connection
        self._room_bytes = room_bytes
        self._turn = threading.RLock()

    def put(self, parcels: Sequence[Parcel], destinations: Sequence[str], exam: tuple[str, int] | None = None) -> int:
        """Take objects, all or none; one that is known is not taken again.

        Args:
            parcels: to send.
            destinations: names.
            exam: id and number of events of the exam that they are all of, noted with them.

        Returns:
            How many were not known.

        Raises:
            InputError: an object is known as another patient's or of another study.
            MachineError: there is no room, or the disk failed.
        """
        with self._transaction():
            ((held_bytes,),) = self._rows("SELECT coalesce(sum(length(body)), 0) FROM bodies")
            if held_bytes + sum(len(parcel.body) for parcel in parcels) > self._room_bytes:
                raise MachineError(
                    f"The DICOM outbox is full ({held_bytes >> 20} MiB wait).", "See why the PACS takes nothing."
                )
            new = sum(self._add(parcel, destinations) for parcel in parcels)
            if exam is not None:
                self._rows("INSERT OR REPLACE INTO exams VALUES (?, ?)", *exam)
        return new

    def events_of(self, exam: str) -> int:
        """With how many events an exam was put; 0: never."""
        rows = self._rows("SELECT events FROM exams WHERE exam = ?", exam)
        return int(rows[0][0]) if rows else 0

    def learn(self, facts: StudyFacts) -> None:
        """Remember what a scanner or worklist told of a study; the newest MAX_STUDIES are kept, the others erased.

        Args:
            facts: with an empty name where it is not certain.
        """
        whose, body = _digest(facts.patient, facts.study_uid), bytes_from_record(facts)
        if self._rows("SELECT facts FROM studies WHERE whose = ?", whose) == [(body,)]:
            return
        with self._transaction():
            self._rows("DELETE FROM studies WHERE whose = ?", whose)
            self._rows("INSERT INTO studies (whose, lead, facts) VALUES (?, zeroblob(?), ?)", whose, LEAD_BYTES, body)
            self._rows("DELETE FROM studies WHERE number <= (SELECT max(number) FROM studies) - ?", MAX_STUDIES)
        self.tidy()

    def facts_of(self, document: ExamDocument) -> StudyFacts:
        """What is known of an exam's patient and study: what was learnt, else what the exam alone tells."""
        rows = self._rows("SELECT facts FROM studies WHERE whose = ?", _digest(document.patient, document.study))
        return record_from_json(StudyFacts, json_from_bytes(rows[0][0])) if rows else facts_from_document(document)

    def waiting(self, destination: str, limit: int) -> tuple[Waiting, ...]:
        """The next deliveries: those that failed least, oldest first, so that none holds up the others."""
        rows = self._rows(
            """SELECT object, sop_class, attempts FROM deliveries JOIN objects ON objects.number = object
            WHERE destination = ? AND state = 'waiting' ORDER BY attempts, object LIMIT ?""",
            destination,
            limit,
        )
        return tuple(Waiting(*row) for row in rows)

    def body(self, number: int) -> bytes:
        """The file of an object that waits."""
        ((body,),) = self._rows("SELECT body FROM bodies WHERE object = ?", number)
        return bytes(body)

    def settle(self, number: int, destination: str, state: State, status: int | None) -> None:
        """Note what became of an attempt; a file that nobody waits for is erased, for good with the next `tidy`.

        Args:
            number: of the object.
            destination: name.
            state: after it.
            status: of the response; None: none came.
        """
        with self._transaction():
            self._rows(
                """UPDATE deliveries SET state = ?, status = ?, attempts = attempts + 1
                WHERE object = ? AND destination = ? AND state = 'waiting'""",
                state.value,
                status,
                number,
                destination,
            )
            self._rows(DROP_BODY, number)

    def counts(self, destination: str) -> Counts:
        """How the deliveries to a destination stand."""
        found = dict(
            self._rows("SELECT state, count(*) FROM deliveries WHERE destination = ? GROUP BY state", destination)
        )
        return Counts(*(found.get(state.value, 0) for state in (State.WAITING, State.DELIVERED, State.DEAD)))

    def dead(self, destination: str) -> tuple[DeadLetter, ...]:
        """What a destination will not have, oldest first."""
        rows = self._rows(
            """SELECT uid, sop_class, attempts, status FROM deliveries JOIN objects ON objects.number = object
            WHERE destination = ? AND state = 'dead' ORDER BY object""",
            destination,
        )
        return tuple(DeadLetter(*row) for row in rows)

    def revive(self, destination: str) -> int:
        """Try dead letters once more; gives how many."""
        with self._transaction():
            dead = self.counts(destination).dead
            self._rows(
                "UPDATE deliveries SET state = 'waiting', attempts = 0 WHERE destination = ? AND state = 'dead'",
                destination,
            )
        return dead

    def forget(self, destination: str) -> None:
        """Give up everything that is not delivered to a destination, e.g. one that is no more."""
        with self._transaction():
            rows = self._rows(
                "SELECT object FROM deliveries WHERE destination = ? AND state <> 'delivered'", destination
            )
            self._rows("DELETE FROM deliveries WHERE destination = ? AND state <> 'delivered'", destination)
            for (number,) in rows:
                self._rows(DROP_BODY, number)
        self.tidy()

    def _add(self, parcel: Parcel, destinations: Sequence[str]) -> int:
        """Put one object; a destination that is new to a known object gets nothing once its file is erased."""
        whose = _digest(parcel.uid, parcel.whose)
        known = self._rows("SELECT whose FROM objects WHERE uid = ?", parcel.uid)
        if known:
            if known[0][0] != whose:
                raise InputError(
                    "Frames of this exam were sent as another patient's or of another study.",
                    "Correct the patient in the PACS; the box sends an exam under one identity only.",
                )
            return 0
        self._rows("INSERT INTO objects (uid, sop_class, whose) VALUES (?, ?, ?)", parcel.uid, parcel.sop_class, whose)
        ((number,),) = self._rows("SELECT number FROM objects WHERE uid = ?", parcel.uid)
        self._rows("INSERT INTO bodies VALUES (?, zeroblob(?), ?)", number, LEAD_BYTES, parcel.body)
        for destination in dict.fromkeys(destinations):
            self._rows("INSERT INTO deliveries VALUES (?, ?, 'waiting', 0, NULL)", number, destination)
        return 1

    def tidy(self) -> None:
        """Give freed pages back and empty the log, which still has what was erased; once a round, it costs fsyncs."""
        with self._transaction():
            while shrink_some(self._connection):
                pass
        self._rows(f"PRAGMA wal_checkpoint({TRUNCATE})")

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._turn:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise error_from_sqlite(error, self.path) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._turn:
            self._rows("BEGIN IMMEDIATE")
            try:
                yield
                self._rows("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.rollback()
                raise


def _digest(*texts: str) -> str:
    return sha256_from_bytes("\0".join(texts).encode())


@contextlib.contextmanager
def open_outbox(path: Path, room_bytes: int = MAX_WAITING_BYTES) -> Iterator[Outbox]:
    """Open or make the outbox; no second process may while this one has it.

    Args:
        path: of the file; it and its folder are for their owner only.
        room_bytes: of files it takes.

    Raises:
        InputError: the file is no outbox.
        DeviceError: a newer program wrote it.
        MachineError: another process has it, or the disk failed.
    """
    with held(path):
        make_file(path)
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise error_from_sqlite(error, path) from error
        with contextlib.closing(connection):
            try:
                prepare(connection, path)
            except sqlite3.Error as error:
                raise error_from_sqlite(error, path) from error
            outbox = Outbox(connection, path, room_bytes)
            outbox.tidy()  # what a run that was killed had erased
            yield outbox
