"""The store's tables, versioned: a connection in, the newest schema out.

::

    exams --< events --o jpegs          what a deletion takes
    audit                               what stays: the chain, one entry for each row ever acknowledged
    meta                                name -> value: the id of the key, if the store is encrypted

An event whose exam's row is gone is being erased: nobody sees it any more (so that column has no foreign key).

Erasure: every row that speaks of a patient begins with `lead`, so many zeros that nothing behind it lies in a page
of the tree: SQLite moves the cells of such pages about and may leave copies in their gaps, which secure_delete does
not find (SQLite 3.40, in a trial: 5 of 2,204 deleted rows were still readable; none with `lead`). What lies behind it
fills overflow pages, which secure_delete overwrites whole when they are freed. So an erasure needs no rewriting of the
file, costs as much as the exam is large, and works on a disk without room for a copy.
Source: SQLite's file format, 1.6 "B-tree Pages": at most U - 35 bytes of a row (4,061 of a page of 4,096) in the tree.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from edge.errors import DeviceError, InputError, UsageError
from edge.exam_vault import Vault, lost_key

APPLICATION_ID = 0x564D4558  # "VMEX": tells this store from any other SQLite file
MAGIC = b"SQLite format 3\0"
PAGE_BYTES = 4096
LEAD_BYTES = 4064  # at least PAGE_BYTES - 35
BUSY_MS = 5000  # a reader beside the service is done in milliseconds

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE exams (
            number INTEGER PRIMARY KEY AUTOINCREMENT, exam TEXT NOT NULL UNIQUE, operator TEXT NOT NULL,
            bundle TEXT NOT NULL, wall TEXT NOT NULL, lead BLOB NOT NULL, about BLOB NOT NULL)""",
        """CREATE TABLE events (
            number INTEGER PRIMARY KEY AUTOINCREMENT, exam INTEGER NOT NULL, sequence INTEGER NOT NULL,
            kind TEXT NOT NULL, wall TEXT NOT NULL, lead BLOB NOT NULL, body BLOB NOT NULL, UNIQUE (exam, sequence))""",
        """CREATE TABLE jpegs (
            event INTEGER PRIMARY KEY REFERENCES events (number), lead BLOB NOT NULL, jpeg BLOB NOT NULL)""",
        "CREATE TABLE audit (number INTEGER PRIMARY KEY, entry TEXT NOT NULL, digest TEXT NOT NULL)",
    ),
    ("ALTER TABLE events ADD COLUMN operator TEXT",),  # NULL: the exam's
)  # one tuple of statements a version; never edited once released, only added to
VERSION = len(MIGRATIONS)


def check_place(path: Path) -> None:
    """Refuse a path where another file lies, before a lock or a log is made beside it.

    A store that another process makes at this moment passes: its first page has no identity yet, and is its only one.

    Raises:
        InputError: it is no exam store.

    Source: SQLite, "Database File Format", section 1.3: offsets 0, 28 and 68.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(72)
    except OSError:  # there is none, or whoever opens it as a store says why that fails
        return
    pages, identity = (int.from_bytes(head[at : at + 4], "big") for at in (28, 68))
    if head and not (head.startswith(MAGIC) and (identity == APPLICATION_ID or (identity == 0 and pages == 1))):
        raise _no_store(path)


def prepare_writer(connection: sqlite3.Connection, path: Path) -> None:
    """Settings of the one writer, then the missing migrations, each in a transaction of its own.

    Args:
        connection: in autocommit mode.
        path: of the file, for messages.

    Raises:
        DeviceError: a newer program wrote this store.
        InputError: it is no exam store.
        sqlite3.Error: the disk failed.
    """
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    version = version_from_connection(connection, path)
    if version == 0:  # both hold only before the first table
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")  # no copy of a row in a folder for temporary files
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")


def version_from_connection(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a store's schema; 0 for an empty file.

    Args:
        connection: to any SQLite file.
        path: of the file, for messages.

    Raises:
        DeviceError: a newer program wrote this store.
        InputError: it is no exam store.
    """
    try:
        (identity,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise _no_store(path) from error
    if identity != APPLICATION_ID and (identity or version or tables):
        raise _no_store(path)
    if version > VERSION:
        raise DeviceError(
            f"{path} has schema version {version}, this program knows {VERSION}: a newer program wrote it.",
            "Install that program again; the store was not touched.",
        )
    return int(version)


def settle_key(connection: sqlite3.Connection, path: Path, vault: Vault | None, keyless: bool) -> None:
    """Decide once, when a store is made, whether it is encrypted; check the key of one that is.

    Args:
        connection: to a prepared store.
        path: of the file, for messages.
        vault: the key that was given.
        keyless: whether an encrypted store may be opened without it.

    Raises:
        TrustError: it is encrypted and the key is not here.
        UsageError: it was made without encryption and a key is given.
        sqlite3.Error: the disk failed.
    """
    stored = dict(connection.execute("SELECT name, value FROM meta WHERE name IN ('made', 'key')").fetchall())
    if "key" in stored and not keyless and (vault is None or vault.key_id != stored["key"]):
        raise lost_key(stored["key"])
    if "made" in stored and "key" not in stored and vault is not None:
        raise UsageError(
            f"The exams in {path} were recorded without encryption, and so the store goes on.",
            "Export and purge them and give another path, or start without encryption.",
        )
    if "made" not in stored:
        names = [("made", "1")] + ([("key", vault.key_id)] if vault else [])
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", names)
        connection.execute("COMMIT")


def _no_store(path: Path) -> InputError:
    return InputError(f"{path} is no exam store.", "Give the file that `edge serve` writes.")
