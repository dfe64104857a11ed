"""The durable outbox: one SQLite file, one writer, and what `put` returned for is sent, however often the power goes.

::

    put --one transaction: object + file + a delivery for each destination--> log, fsynced --> acknowledged
    settle --one transaction: delivered or dead; a file nobody waits for is erased-->
    withdraw --one transaction: everything of an exam that the store has given up is erased-->

What was committed outlives kill -9 (`outbox_file.py`). Between a receiver's success and `settle` a crash sends the
object once more, with the same SOP Instance UID and the same bytes: a receiver stores an object once (DICOM PS3.4
annex B), so each is there exactly once. Storage commitment is not asked for.

Files and names lie sealed with the key of the device's exams, whether its store is encrypted or not: one form, and
never a copy in the clear of what the store hides. In: DICOM files. Out: what waits, a destination at a time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge.errors import InputError, MachineError
from edge.exam_vault import Place, Vault
from edge.store_schema import LEAD_BYTES
from firmware_bridge.dicom.outbox_file import OutboxFile, open_file
from firmware_bridge.dicom.outbox_names import Names
from firmware_bridge.dicom.outbox_schema import Counts, DeadLetter, Parcel, State, Waiting

MAX_WAITING_BYTES = 8 << 30  # of files: some 2,000 exams of 20 frames, a month without a PACS
DROP_BODY = """DELETE FROM bodies WHERE object = ?1 AND NOT EXISTS
    (SELECT 1 FROM deliveries WHERE object = ?1 AND state <> 'delivered')"""


class Outbox:
    """What waits to be sent; `open_outbox` makes it. Its methods may be called from any thread.

    Attributes:
        names: that scanners told.
    """

    def __init__(self, file: OutboxFile, names: Names, room_bytes: int) -> None:
        """Take an open file.

        Args:
            file: with the objects.
            names: in the same file.
            room_bytes: of files it takes.
        """
        self.names = names
        self._file, self._rows, self._transaction = file, file.rows, file.transaction
        self._room_bytes = room_bytes

    def put(self, parcels: Sequence[Parcel], destinations: Sequence[str], exam: str = "", events: int = 0) -> int:
        """Take objects, all or none; one that a destination knows or waits for is not taken for it again.

        Args:
            parcels: to send.
            destinations: names.
            exam: id of the exam that they are all of.
            events: how many it has, noted with them; 0: not noted.

        Returns:
            How many were taken.

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
            taken = sum(self._is_added(parcel, destinations, exam) for parcel in parcels)
            if events:
                self._rows("INSERT OR REPLACE INTO exams VALUES (?, ?)", exam, events)
        return taken

    def events_of(self, exam: str) -> int:
        """With how many events an exam was put; 0: never."""
        rows = self._rows("SELECT events FROM exams WHERE exam = ?", exam)
        return int(rows[0][0]) if rows else 0

    def exams_held(self) -> frozenset[str]:
        """Ids of the exams of which a file lies here."""
        rows = self._rows("SELECT DISTINCT exam FROM objects JOIN bodies ON object = number WHERE exam <> ''")
        return frozenset(exam for (exam,) in rows)

    def withdraw(self, exam: str) -> None:
        """Erase all that still waits of an exam; should the exam come back, it is gathered and put again."""
        with self._transaction():
            of_exam = "IN (SELECT number FROM objects WHERE exam = ?)"
            self._rows(f"DELETE FROM bodies WHERE object {of_exam}", exam)
            self._rows(f"DELETE FROM deliveries WHERE state <> 'delivered' AND object {of_exam}", exam)
            self._rows("DELETE FROM exams WHERE exam = ?", exam)
        self.tidy()

    def waiting(self, destination: str, limit: int) -> tuple[Waiting, ...]:
        """The next deliveries: those that failed least, oldest first, so that none holds up the others."""
        rows = self._rows(
            """SELECT object, sop_class, attempts FROM deliveries JOIN objects ON objects.number = object
            WHERE destination = ? AND state = 'waiting' ORDER BY attempts, object LIMIT ?""",
            destination,
            limit,
        )
        return tuple(Waiting(*row) for row in rows)

    def body(self, number: int) -> bytes | None:
        """The file of an object that waits; None where it was withdrawn since."""
        rows = self._rows("SELECT uid, body FROM bodies JOIN objects ON number = object WHERE object = ?", number)
        return self._file.vault.open(rows[0][1], Place("bodies", rows[0][0], 0)) if rows else None

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

    def waiting_elsewhere(self, destinations: Sequence[str]) -> int:
        """How many deliveries wait for destinations of earlier runs: they go when these are named again."""
        others = set(destinations)
        rows = self._rows(
            "SELECT destination, count(*) FROM deliveries WHERE state <> 'delivered' GROUP BY destination"
        )
        return sum(int(count) for name, count in rows if name not in others)

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

    def tidy(self) -> None:
        """Have what was erased leave the disk; once a round."""
        self._file.tidy()

    def _is_added(self, parcel: Parcel, destinations: Sequence[str], exam: str) -> bool:
        """Put one object, for the destinations that neither have it nor wait for it."""
        whose = self._file.digest(parcel.uid, parcel.whose)
        known = self._rows("SELECT whose FROM objects WHERE uid = ?", parcel.uid)
        if known and known[0][0] != whose:
            raise InputError(
                "Frames of this exam were sent as another patient's or of another study.",
                "Correct the patient in the PACS; the box sends an exam under one identity only.",
            )
        values = (parcel.uid, parcel.sop_class, whose, exam)
        self._rows("INSERT OR IGNORE INTO objects (uid, sop_class, whose, exam) VALUES (?, ?, ?, ?)", *values)
        ((number,),) = self._rows("SELECT number FROM objects WHERE uid = ?", parcel.uid)
        served = {name for (name,) in self._rows("SELECT destination FROM deliveries WHERE object = ?", number)}
        wanting = [name for name in dict.fromkeys(destinations) if name not in served]
        if wanting:
            sealed = self._file.vault.seal(parcel.body, Place("bodies", parcel.uid, 0))
            self._rows("INSERT OR IGNORE INTO bodies VALUES (?, zeroblob(?), ?)", number, LEAD_BYTES, sealed)
        for name in wanting:
            self._rows("INSERT INTO deliveries VALUES (?, ?, 'waiting', 0, NULL)", number, name)
        return bool(wanting)


@contextlib.contextmanager
def open_outbox(
    path: Path, vault: Vault, room_bytes: int = MAX_WAITING_BYTES, wall_s: Callable[[], float] = time.time
) -> Iterator[Outbox]:
    """Open or make the outbox; no second process may while this one has it.

    Args:
        path: of the file; it and its folder are for their owner only.
        vault: seals files and names.
        room_bytes: of files it takes.
        wall_s: seconds since 1970.

    Raises:
        InputError: the file is no outbox.
        DeviceError: a newer program wrote it.
        TrustError: it was sealed with another key.
        MachineError: another process has it, or the disk failed.
    """
    with open_file(path, vault) as file:
        names = Names(file, wall_s)
        names.forget_old()
        yield Outbox(file, names, room_bytes)
