"""What the disk lets the store do: free bytes and SQLite's errors in, a clear state or one line of cause and cure out.

::

    free >= floor       ok      everything is written
    free <  floor       full    no new exam, no capture; events without an image go on, so an exam can be ended
    nothing left        full    those events take half of the reserve file, the other half is for deletions alone
    the disk errs       failed  nothing is acknowledged until a write succeeds again
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.errors import EdgeError, InputError, MachineError

MIB = 1 << 20
FLOOR_BYTES = 64 * MIB  # a full log (SQLite checkpoints it at 4 MiB), the reserve, and what others write meanwhile
RESERVE_BYTES = 16 * MIB  # half of it is the log's 4 MiB and some hundred events of 12 KiB
EVENTS_SHARE, ERASURE_SHARE = 0.5, 1.0  # of the reserve: a full disk must still be able to delete
OK, FULL, FAILED = "ok", "full", "failed"
FULL_TEXT = "database or disk is full"  # sqlite3_errstr(SQLITE_FULL); Python 3.10 gives no code
PURGE_CURE = "Free some space, or delete old exams: edge exam purge --older-than 30d."


@dataclass(frozen=True)
class StoreState:
    """What a service shows of its store.

    Attributes:
        state: "ok", "full" or "failed".
        free_bytes: that this user may still write where the store lies.
        reason: one line; empty while it is ok.
    """

    state: str
    free_bytes: int
    reason: str


def free_bytes_at(folder: Path) -> int:
    """Bytes that this user may still write to a folder's disk.

    Raises:
        OSError: the folder is gone.
    """
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@dataclass(frozen=True)
class Space:
    """How much room a store keeps.

    Attributes:
        floor_bytes: below so much free space captures are refused.
        reserve_bytes: size of the file that is given up when the disk is full; 0 for none.
        free_bytes: of a folder; an argument, so that a test can fill a disk.
    """

    floor_bytes: int = FLOOR_BYTES
    reserve_bytes: int = RESERVE_BYTES
    free_bytes: Callable[[Path], int] = free_bytes_at

    def state_at(self, path: Path, failure: StoreState | None) -> StoreState:
        """The state of a store.

        Args:
            path: of the store.
            failure: what the last write ended with; None if it succeeded.
        """
        try:
            free = self.free_bytes(path.parent)
        except OSError as error:
            return StoreState(FAILED, 0, f"{path.parent} cannot be read: {error.strerror}.")
        if failure is not None:
            return StoreState(failure.state, free, failure.reason)
        if free < self.floor_bytes:
            return StoreState(FULL, free, f"{_mib(free)} free where the exams lie, {_mib(self.floor_bytes)} needed.")
        return StoreState(OK, free, "")

    def keep_reserve(self, path: Path) -> None:
        """Set the reserve aside if it is not there and there is room enough; never an error."""
        reserve = reserve_file(path)
        try:
            if self._is_whole(reserve) or self.free_bytes(path.parent) < self.reserve_bytes + self.floor_bytes:
                return
            with reserve.open("ab") as stream:
                os.posix_fallocate(stream.fileno(), 0, self.reserve_bytes)
        except OSError:  # another program was quicker: at the next write
            return

    def _is_whole(self, reserve: Path) -> bool:
        return self.reserve_bytes == 0 or (reserve.exists() and reserve.stat().st_size >= self.reserve_bytes)

    def give_up_reserve(self, path: Path, share: float) -> bool:
        """Free a part of the reserve.

        Args:
            path: of the store.
            share: how much of it may be gone afterwards.

        Returns:
            Whether something was freed.
        """
        reserve, keep = reserve_file(path), round(self.reserve_bytes * (1 - share))
        try:
            if reserve.stat().st_size <= keep:
                return False
            if keep:
                os.truncate(reserve, keep)
            else:
                reserve.unlink()
        except OSError:
            return False
        return True


def reserve_file(path: Path) -> Path:
    """Where a store's reserve lies."""
    return path.with_name(f"{path.name}.reserve")


def check_capture_room(state: StoreState) -> None:
    """Refuse what the floor is kept free of.

    Raises:
        MachineError: there is less room than the floor; nothing was written, everything acknowledged is kept.
    """
    if state.state == FULL:
        raise MachineError(f"The exam store takes no new capture: {state.reason}", PURGE_CURE, "store_full")


def is_full(error: sqlite3.Error) -> bool:
    """Whether SQLite found no room."""
    return FULL_TEXT in str(error)


def state_from_error(error: sqlite3.Error) -> StoreState:
    """The state after a failed write; its free bytes are not measured."""
    return StoreState(FULL if is_full(error) else FAILED, 0, f"The last write failed: {error}.")


def error_from_sqlite(error: sqlite3.Error, path: Path) -> EdgeError:
    """What to tell whoever owns the machine.

    Args:
        error: of SQLite.
        path: of the store.
    """
    if is_full(error):
        return MachineError(
            "The disk of the exam store is full; nothing acknowledged is lost.", PURGE_CURE, "store_full"
        )
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return InputError(f"{path} is damaged ({text}).", "Keep the file as it is and restore the store's backup.")
    if "decode" in text:  # SQLite quotes the record, which may hold a name
        return InputError(f"{path} is damaged: a record became text.", "Keep the file and restore the store's backup.")
    if "locked" in text or "busy" in text:
        return MachineError(f"{path} is held by another process.", "Close it, then try again.", "store_failed")
    return MachineError(
        f"{path} cannot be read or written ({text}); nothing acknowledged is lost.",
        "Check the disk and who may write to the folder, then try again.",
        "store_failed",
    )


def _mib(count: int) -> str:
    return f"{count / MIB:.1f} MiB"
