"""The outbox's tables and rows.

::

    objects --o bodies            the DICOM file, sealed, while somebody still waits for it
    objects --< deliveries        one a destination: waiting, delivered or dead
    exams                         which exams were put, and with how many events
    studies                       names that a scanner told, sealed, the newest ones
    meta                          which key seals

What stays of a delivered object is its UID, made of random ids, and a keyed digest: nothing of the patient. Rows that
hold a file begin with zeros for the reason told in `edge/store_schema.py`: an erased file leaves no byte in the pages.

In: a connection. Out: the newest schema.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from edge.errors import DeviceError, InputError, TrustError

APPLICATION_ID = 0x564D444F  # "VMDO": tells an outbox from any other SQLite file
VERSION = 1
BUSY_MS = 5000
TABLES = (
    """CREATE TABLE objects (number INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE,
        sop_class TEXT NOT NULL, whose TEXT NOT NULL, exam TEXT NOT NULL)""",
    """CREATE TABLE bodies (object INTEGER PRIMARY KEY REFERENCES objects (number),
        lead BLOB NOT NULL, body BLOB NOT NULL)""",
    """CREATE TABLE deliveries (object INTEGER NOT NULL REFERENCES objects (number), destination TEXT NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL, status INTEGER,
        PRIMARY KEY (object, destination)) WITHOUT ROWID""",
    "CREATE INDEX waiting ON deliveries (destination, state, attempts, object)",
    "CREATE INDEX of_exam ON objects (exam)",
    """CREATE TABLE studies (number INTEGER PRIMARY KEY AUTOINCREMENT, whose TEXT NOT NULL UNIQUE,
        told_s REAL NOT NULL, lead BLOB NOT NULL, facts BLOB NOT NULL)""",
    "CREATE TABLE exams (exam TEXT PRIMARY KEY, events INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)


class State(str, Enum):
    """Of one delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"  # the destination will not have it: a person must look


@dataclass(frozen=True)
class Parcel:
    """An object to send.

    Attributes:
        uid: SOP Instance UID.
        sop_class: SOP Class UID.
        whose: patient and study, so that an object is never known as two patients'; only its digest is kept.
        body: the DICOM file.
    """

    uid: str
    sop_class: str
    whose: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Waiting:
    """A delivery to make.

    Attributes:
        number: of the object.
        sop_class: UID.
        attempts: that failed.
    """

    number: int
    sop_class: str
    attempts: int


@dataclass(frozen=True)
class DeadLetter:
    """An object that a destination will not have.

    Attributes:
        uid: SOP Instance UID.
        sop_class: UID.
        attempts: how often it was tried.
        status: of the last C-STORE response; None where none came.
    """

    uid: str
    sop_class: str
    attempts: int
    status: int | None


@dataclass(frozen=True)
class Counts:
    """How the deliveries to a destination stand."""

    waiting: int
    delivered: int
    dead: int


def prepare(connection: sqlite3.Connection, path: Path, key_id: str) -> None:
    """Settings of the one writer, and the tables where there are none.

    Args:
        connection: in autocommit mode.
        path: of the file, for messages.
        key_id: of the key that seals.

    Raises:
        InputError: it is no outbox.
        DeviceError: a newer program wrote it.
        TrustError: it was sealed with another key.
        sqlite3.Error: the disk failed.
    """
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if identity != APPLICATION_ID and (identity or version or tables):
        raise InputError(f"{path} is no outbox.", "Give the file that the DICOM bridge writes.")
    if version > VERSION:
        raise DeviceError(f"A newer program wrote {path}.", "Install that program again; the file was not touched.")
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('key', ?)", (key_id,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    ((sealed_with,),) = connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchall()
    if sealed_with != key_id:
        raise TrustError(
            f"{path} is sealed with the key {sealed_with}, which is not on this device.",
            "Put the backup of exams.key into HOME/private; or delete the file: ended exams are then sent once more.",
        )
