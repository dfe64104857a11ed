"""One writer a store: a lock that ends with the process that holds it, and files that outlive a power cut."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge.errors import MachineError


@contextlib.contextmanager
def held(path: Path, what: str = "exam store") -> Iterator[None]:
    """Hold the store's lock; the kernel lets it go when the process ends, however it ends.

    Args:
        path: of the store; its folder is made.
        what: it is, for messages.

    Raises:
        MachineError: another process holds it, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MachineError(
            f"{path.parent} cannot be written: {error.strerror}.", "Make it writable, or choose another folder."
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 20, 0).decode("ascii", errors="replace").strip()
            raise MachineError(
                f"Another process{f' ({holder})' if holder else ''} holds the {what} {path}.",
                "Stop it first (systemctl stop, or close that program); it has one writer.",
            ) from error
        with contextlib.suppress(OSError):  # a full disk: the lock holds without its holder's number
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def make_file(path: Path) -> None:
    """Make an empty file for its owner only, if there is none, and its names durable.

    Raises:
        MachineError: it cannot be made.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        sync_folder(path.parent)
        sync_folder(path.parent.parent)
    except OSError as error:
        raise MachineError(
            f"{path} cannot be made: {error.strerror}.", "Free some space, or choose a folder you may write to."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: the disk failed.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
