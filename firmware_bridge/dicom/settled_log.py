"""What became of the objects that went through the spool: one line each, appended.

::

    dicom-<40 digits> <64 digits> <word>

A name is a digest of an identifier that the scanner made up: no patient is in it. Lines are not synced one by one: the
picture is on the plane check's disk already, and what a power cut takes from here is a repetition that is not known as
one; the exam knows it by its name. A torn line is passed over.
"""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from pathlib import Path

from edge.files import write_atomic

LINE = re.compile(r"(dicom-[0-9a-f]{40}) ([0-9a-f]{64}) ([a-z]{1,16})")
EXPIRED = "expired"  # nobody took it: sent again, it is a new one
KEPT_MAX = 100_000  # a year of a busy room; scanners send again within days. 12 MB


class SettledLog:
    """A log of one process.

    Attributes:
        words: how often each, of the kept lines.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self.words: Counter[str] = Counter()
        self._path = path
        self._digests: dict[str, str] = {}
        self._descriptor = -1

    def load(self) -> None:
        """Read it, cut it to KEPT_MAX lines, and open it for more.

        Raises:
            OSError: it cannot be read or written.
            MachineError: the same.
        """
        text = self._path.read_text("ascii", "replace") if self._path.exists() else ""
        found = [match for line in text.splitlines() if (match := LINE.fullmatch(line))][-KEPT_MAX:]
        self._digests = {match[1]: match[2] for match in found if match[3] != EXPIRED}
        self.words = Counter(match[3] for match in found)
        write_atomic(self._path, "".join(f"{match[0]}\n" for match in found).encode(), 0o600)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def digest(self, name: str) -> str | None:
        """Of the content that was settled under this name; None: there was none, or nobody took it."""
        return self._digests.get(name)

    def add(self, name: str, digest: str, word: str) -> None:
        """Append a line.

        Raises:
            OSError: it cannot be written; nothing of it stays.
        """
        line, end = f"{name} {digest} {word}\n".encode("ascii"), os.lseek(self._descriptor, 0, os.SEEK_END)
        if os.write(self._descriptor, line) < len(line):
            os.ftruncate(self._descriptor, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if word != EXPIRED:
            self._digests[name] = digest
        self.words[word] += 1

    def close(self) -> None:
        """Sync and close the file."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)
