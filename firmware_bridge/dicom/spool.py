"""The spool: objects that were acknowledged to a scanner, until the plane check has them on its disk.

::

    receiver --put--> 00000042-dicom-....spool --claim--> forwarder --settle--> settled.log, then the file goes
                      temporary name, fsync, rename, fsync of the folder: before success is told

In: frames that hold nothing but the ultrasound region. Kept of a settled object: its name (a digest of its identifier),
the digest of its content, and what became of it, so that a scanner that sends it again is told success and nothing is
judged twice. A crash between log and removal leaves a file that the log names: it is removed at the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge.errors import ImageError, MachineError, UsageError
from firmware_bridge.dicom.settled_log import SettledLog
from firmware_bridge.dicom.spool_file import SpoolHead, SpoolWriter, head_from_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

END = ".spool"
PART = ".part"
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
        self._claimed: set[str] = set()
        self._held: set[str] = set()
        self._number = 0
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
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._log.load()
            self._load()
        except BlockingIOError as error:
            os.close(self._lock)
            raise UsageError(f"{self._folder} is another bridge's spool.", "Name another folder.") from error
        except OSError as error:
            raise _failed(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.close()
        os.close(self._lock)

    def put(self, frames: Iterable[NDArray[np.uint8]], head: Callable[[], SpoolHead], name: str) -> bool:
        """Keep an object; on return it is durable.

        Args:
            frames: decoded while they are written.
            head: made when all frames were read.
            name: of the head.

        Returns:
            Whether it is new; False: the same object is here, or was settled already.

        Raises:
            SameNameError: another object has this name.
            MachineError: the disk or the spool is full, or failed; nothing is left behind.
        """
        self._check_room()
        part = self._folder / f"{name}-{threading.get_ident()}{PART}"
        try:
            digest, made = _written(part, frames, head)
            with self._changed:
                is_new = not self._is_known(name, digest)
                if is_new:
                    self._publish(part, digest, made)
            return is_new
        except OSError as error:
            raise _failed(error) from error
        finally:
            part.unlink(missing_ok=True)

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
                raise _failed(error) from error
            self._entries.pop(name, None)
            self._claimed.discard(name)
            self._held.discard(name)

    def expired(self, age_s: float) -> tuple[SpoolEntry, ...]:
        """Held objects whose files are older, by the wall clock, which no decision about an exam hangs on."""
        with self._changed:
            held = [self._entries[name] for name in self._held]
        return tuple(entry for entry in held if time.time() - entry.path.stat().st_mtime > age_s)

    def counts(self) -> Counter[str]:
        """How many wait, are held or damaged, and what became of the others, by word."""
        with self._changed:
            own = {"waiting": len(self._entries) - len(self._held), "held": len(self._held), "damaged": self._damaged}
            return Counter({**self._log.words, **own})

    def _next(self, stills_only: bool) -> SpoolEntry | None:
        busy = self._claimed | self._held
        free = (entry for name, entry in self._entries.items() if name not in busy)
        return next((entry for entry in free if entry.head.is_still or not stills_only), None)

    def _check_room(self) -> None:
        with self._changed:
            waiting_bytes = sum(entry.size_bytes for entry in self._entries.values())
        if waiting_bytes > self._max_bytes or self._free_bytes(self._folder) < FLOOR_BYTES:
            raise MachineError("The spool is full.", "Start the plane check, or free some space.")

    def _is_known(self, name: str, digest: str) -> bool:
        entry = self._entries.get(name)
        known = entry.digest if entry is not None else self._log.digest(name)
        if known is not None and known != digest:
            raise SameNameError("Another picture has this SOP Instance UID.", "Give every picture an identifier.")
        return known is not None

    def _publish(self, part: Path, digest: str, head: SpoolHead) -> None:
        self._number += 1
        path = self._folder / f"{self._number:08d}-{head.name}{END}"
        size_bytes = part.stat().st_size
        part.replace(path)
        _sync_folder(self._folder)
        self._entries[head.name] = SpoolEntry(path, head, digest, size_bytes)
        self._changed.notify()

    def _load(self) -> None:
        for part in self._folder.glob(f"*{PART}"):
            part.unlink()
        for path in sorted(self._folder.glob(f"*{END}")):
            try:
                head, digest = head_from_file(path)
            except ImageError:
                self._damaged += 1
                path.rename(path.with_suffix(BAD))
                continue
            if self._log.digest(head.name) == digest:
                path.unlink()
            else:
                self._entries[head.name] = SpoolEntry(path, head, digest, path.stat().st_size)
            with contextlib.suppress(ValueError):
                self._number = max(self._number, int(path.name[:8]))


def _written(part: Path, frames: Iterable[NDArray[np.uint8]], head: Callable[[], SpoolHead]) -> tuple[str, SpoolHead]:
    descriptor = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        writer = SpoolWriter(stream)
        for pixels in frames:
            writer.add(pixels)
        made = head()
        digest = writer.finish(made)
        stream.flush()
        os.fsync(stream.fileno())
    return digest, made


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(error: OSError) -> MachineError:
    return MachineError(f"The spool cannot be written: {error.strerror}.", "Free some space; look at the disk.")
