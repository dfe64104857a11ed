"""Small JSON records in one folder, changed by one writer at a time and never half-written."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from edge.errors import MachineError, TrustError
from edge.files import write_atomic
from edge.record import RecordError, bytes_from_record, json_from_bytes, record_from_json

T = TypeVar("T")


def load_record(path: Path, absent: T) -> T:
    """Read one record.

    Args:
        path: its file.
        absent: what holds while there is no file; its type is what the file must hold.

    Raises:
        TrustError: the file is damaged: trust is never guessed.
        MachineError: the file cannot be read.
    """
    try:
        return record_from_json(type(absent), json_from_bytes(path.read_bytes()))
    except FileNotFoundError:
        return absent
    except RecordError as error:
        raise TrustError(
            f"{path} is damaged: {error}.", "Restore it from a backup, or delete it and trust the keys again."
        ) from error
    except OSError as error:
        raise MachineError(f"{path} cannot be read: {error.strerror}.", "Run as the user who owns it.") from error


def save_record(path: Path, record: object) -> None:
    """Replace one record as a whole, readable and writable by its owner only."""
    write_atomic(path, bytes_from_record(record) + b"\n", mode=0o600)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: what is read inside is still so when it is written.

    Raises:
        MachineError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise MachineError(
            f"{folder} cannot be written: {error.strerror}.",
            "Make it writable, or set VMAMBA_EDGE_HOME to a folder that is.",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
