"""The outbox's one SQLite file: opened by one process, read and written in transactions, with what seals its rows.

WAL with synchronous=FULL, as the exam store: what was committed outlives kill -9 and a power cut.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.exam_vault import Vault
from edge.store_erasure import TRUNCATE, shrink_some
from edge.store_lock import held, make_file
from edge.store_space import error_from_sqlite
from firmware_bridge.dicom.outbox_schema import prepare


class OutboxFile:
    """An open file; `open_file` makes it. Its methods may be called from any thread.

    Attributes:
        path: of it.
        vault: seals what is personal.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, vault: Vault) -> None:
        """Take a prepared file, in autocommit mode."""
        self.path, self.vault = path, vault
        self._connection = connection
        self._turn = threading.RLock()

    def rows(self, query: str, *values: object) -> list[Any]:
        """Run one statement.

        Raises:
            MachineError: the disk is full or failed.
        """
        with self._turn:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise error_from_sqlite(error, self.path) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; durable at its end."""
        with self._turn:
            self.rows("BEGIN IMMEDIATE")
            try:
                yield
                self.rows("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.rollback()
                raise

    def tidy(self) -> None:
        """Give freed pages back and empty the log, which still has what was erased; it costs fsyncs."""
        with self.transaction():
            while shrink_some(self._connection):
                pass
        self.rows(f"PRAGMA wal_checkpoint({TRUNCATE})")

    def digest(self, *texts: str) -> str:
        """Keyed: the ids of a hospital's patients are soon counted through."""
        return hmac.new(self.vault.key, "\0".join(texts).encode(), hashlib.sha256).hexdigest()


@contextlib.contextmanager
def open_file(path: Path, vault: Vault) -> Iterator[OutboxFile]:
    """Open or make it; no second process may while this one has it.

    Args:
        path: of the file; it and its folder are for their owner only.
        vault: seals what is personal.

    Raises:
        InputError: the file is no outbox.
        DeviceError: a newer program wrote it.
        TrustError: it was sealed with another key.
        MachineError: another process has it, or the disk failed.
    """
    with held(path, "DICOM outbox"):
        make_file(path)
        try:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise error_from_sqlite(error, path) from error
        with contextlib.closing(connection):
            try:
                prepare(connection, path, vault.key_id)
            except sqlite3.Error as error:
                raise error_from_sqlite(error, path) from error
            file = OutboxFile(connection, path, vault)
            file.tidy()  # what a run that was killed had erased
            yield file
