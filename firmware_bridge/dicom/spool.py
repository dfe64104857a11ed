"""The spool: objects that were acknowledged to a scanner, until the plane check has them on its disk.

::

    receiver --put--> 00000042.spool --claim--> forwarder --settle--> settled.log, then the file goes
                      a name that is durable already, content, mark, sync: before success is told

In: frames that hold nothing but the ultrasound region. Kept of a settled object: its name (a digest of its identifier),
the digest of its content, and what became of it, so that a scanner that sends it again is told success and nothing is
judged twice. A crash between log and removal leaves a file that the log names: it is removed at the next start. A file
without its mark was never acknowledged, and is removed as well.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

from edge.errors import ImageError, MachineError, UsageError
from edge.store_lock import sync_folder
from firmware_bridge.dicom.settled_log import SettledLog
from firmware_bridge.dicom.spool_file import SpoolHead, SpoolWriter, age_of_file, head_from_file, is_unfinished, mark
from firmware_bridge.dicom.spool_slots import END, Slots

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BAD = ".damaged"
FLOOR_BYTES = 64 << 20  # what the exam store wants free as well
MAX_BYTES = 4 << 30  # 2,000 colour stills of 1024x768 while the plane check is away


class SameNameError(ImageError):
    """Another picture has this identifier already."""


@dataclass(frozen=True)
class SpoolEntry:
    """An object in the spool.

    Attributes:
        path: of its file.
        head: of its file.
        digest: of its content, hexadecimal.
        size_bytes: of its file.
    """

    path: Path
    head: SpoolHead
    digest: str
    size_bytes: int


class Spool:
    """A folder of one process; a context manager, its methods may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int = MAX_BYTES,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """Nothing is opened yet.

        Args:
            folder: made with mode 0700.
            max_bytes: of all that waits.
            free_bytes: of the disk.
        """
        self._folder, self._max_bytes, self._free_bytes = folder, max_bytes, free_bytes
        self._changed = threading.Condition()
        self._entries: dict[str, SpoolEntry] = {}  # oldest first
        self._coming: set[str] = set()  # names whose file is not durable yet
        self._bytes = 0  # of all that waits or is being written
        self._claimed: set[str] = set()
        self._held: set[str] = set()
        self._slots = Slots(folder, 0)
        self._damaged = 0
        self._log = SettledLog(folder / "settled.log")
        self._lock = -1

    def __enter__(self) -> Spool:
        """Take up what an earlier run left.

        Raises:
            UsageError: another process has the folder.
            MachineError: it cannot be used.
        """
        try:
            _make_folder(self._folder)
            self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._log.load()
            self._load()
        except BlockingIOError as error:
            os.close(self._lock)
            raise UsageError(f"{self._folder} is another bridge's spool.", "Name another folder.") from error
        except OSError as error:
            raise _failed(self._folder, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._slots.close()
        self._log.close()
        os.close(self._lock)

    def put(self, frames: Iterable[NDArray[np.uint8]], head: Callable[[], SpoolHead]) -> bool:
        """Keep an object; on return it is durable.

        Args:
            frames: decoded while they are written.
            head: made when all frames were read.

        Returns:
            Whether it is new; False: the same object is here, or was settled already.

        Raises:
            SameNameError: another object has this name.
            MachineError: the disk or the spool is full, or failed; nothing is left behind.
        """
        try:
            path = self._slots.take()
            try:
                with path.open("r+b") as stream, contextlib.closing(self._within_room(frames)) as counted:
                    digest, made = _written(stream, counted, head)
                    is_new = self._is_entered(path, stream, digest, made)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            if not is_new:
                path.unlink(missing_ok=True)
            return is_new
        except OSError as error:
            raise _failed(self._folder, error) from error

    def claim(self, wait_s: float, stills_only: bool = False) -> SpoolEntry | None:
        """The oldest object that nobody has in hand, or None if there is none within `wait_s` seconds."""
        with self._changed:
            if (found := self._next(stills_only)) is None:
                self._changed.wait(wait_s)
                found = self._next(stills_only)
            if found is not None:
                self._claimed.add(found.head.name)
            return found

    def release(self, entry: SpoolEntry) -> None:
        """Give it back, to be sent again."""
        with self._changed:
            self._claimed.discard(entry.head.name)
            self._changed.notify()

    def hold(self, entry: SpoolEntry) -> None:
        """Keep it, but send it no more in this run: the plane check cannot use it, and nobody else has it yet."""
        with self._changed:
            self._held.add(entry.head.name)

    def settle(self, entry: SpoolEntry, word: str) -> None:
        """The plane check has it: note that, then forget the picture.

        Raises:
            MachineError: that cannot be noted; the picture stays.
        """
        name = entry.head.name
        with self._changed:
            try:
                self._log.add(name, entry.digest, word)
                entry.path.unlink(missing_ok=True)
            except OSError as error:
                raise _failed(self._folder, error) from error
            if self._entries.pop(name, None) is not None:
                self._bytes -= entry.size_bytes
            self._claimed.discard(name)
            self._held.discard(name)

    def expired(self, age_s: float) -> tuple[SpoolEntry, ...]:
        """Held objects whose files are older, by the wall clock, which no decision about an exam hangs on."""
        with self._changed:
            held = [self._entries[name] for name in self._held]
        return tuple(entry for entry in held if age_of_file(entry.path, time.time()) > age_s)

    def counts(self) -> Counter[str]:
        """How many wait, are held or damaged, and what became of the others, by word."""
        with self._changed:
            own = {"waiting": len(self._entries) - len(self._held), "held": len(self._held), "damaged": self._damaged}
            return Counter({**self._log.words, **own})

    def _next(self, stills_only: bool) -> SpoolEntry | None:
        busy = self._claimed | self._held
        free = (entry for name, entry in self._entries.items() if name not in busy)
        return next((entry for entry in free if entry.head.is_still or not stills_only), None)

    def _within_room(self, frames: Iterable[NDArray[np.uint8]]) -> Generator[NDArray[np.uint8], None, None]:
        """The frames, each asked for its room before it is written: a small object may unpack to a whole disk."""
        taken_bytes = 0
        try:
            for pixels in frames:
                taken_bytes += pixels.nbytes
                with self._changed:
                    self._bytes += pixels.nbytes
                    is_full = self._bytes > self._max_bytes
                if is_full or self._free_bytes(self._folder) < FLOOR_BYTES:
                    raise MachineError("The spool is full.", "Start the plane check, or free some space.")
                yield pixels
        finally:
            with self._changed:
                self._bytes -= taken_bytes

    def _is_known(self, name: str, digest: str) -> bool:
        entry = self._entries.get(name)
        known = entry.digest if entry is not None else self._log.digest(name)
        if known is not None and known != digest:
            raise SameNameError("Another picture has this SOP Instance UID.", "Give every picture an identifier.")
        return known is not None

    def _is_entered(self, path: Path, stream: IO[bytes], digest: str, head: SpoolHead) -> bool:
        """Make a written file durable, once; whoever brings the same one meanwhile waits until it is."""
        with self._changed:
            while head.name in self._coming:
                self._changed.wait()
            if self._is_known(head.name, digest):
                return False
            self._coming.add(head.name)
        entry = None
        try:
            mark(stream)
            os.fsync(stream.fileno())  # outside the lock: the file system syncs those of all associations at once
            entry = SpoolEntry(path, head, digest, stream.tell())
        finally:
            with self._changed:
                self._coming.discard(head.name)
                if entry is not None:
                    self._keep(entry)
                self._changed.notify_all()
        return True

    def _keep(self, entry: SpoolEntry) -> None:
        self._entries[entry.head.name] = entry
        self._bytes += entry.size_bytes

    def _load(self) -> None:
        number = 0
        for path in sorted(self._folder.glob(f"*{END}")):
            with contextlib.suppress(ValueError):
                number = max(number, int(path.stem))
            try:
                head, digest = head_from_file(path)
            except ImageError:
                if is_unfinished(path):
                    path.unlink()
                else:
                    self._damaged += 1
                    path.rename(path.with_suffix(BAD))
                continue
            if self._log.digest(head.name) == digest or head.name in self._entries:
                path.unlink()
            else:
                self._keep(SpoolEntry(path, head, digest, path.stat().st_size))
        self._slots = Slots(self._folder, number)


def _written(
    stream: IO[bytes], frames: Iterable[NDArray[np.uint8]], head: Callable[[], SpoolHead]
) -> tuple[str, SpoolHead]:
    writer = SpoolWriter(stream)
    for pixels in frames:
        writer.add(pixels)
    made = head()
    return writer.finish(made), made


def _make_folder(folder: Path) -> None:
    """Make it and those above it, their names durable: what is synced in a folder that is gone is gone as well."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)
        sync_folder(folder.parent)


def _failed(folder: Path, error: OSError) -> MachineError:
    cure = "Make it a folder of this user, or choose another --spool."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        cure = "Free some space; look at the disk."
    return MachineError(f"The spool {folder} cannot be written: {error.strerror}.", cure)
