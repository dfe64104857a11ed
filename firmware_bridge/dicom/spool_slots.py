"""Empty files of the spool, made before they are needed: their names are durable, so an object costs one sync, not two.

::

    16 files, one sync of the folder --take--> one file, written and synced by who took it

A sync of the folder costs as much as one of a picture (4 of 8 ms on a busy virtual disk).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path

from edge.store_lock import sync_folder

END = ".spool"
BATCH = 16


class Slots:
    """Files of one folder, numbered; its methods may be called from any thread."""

    def __init__(self, folder: Path, number: int) -> None:
        """Nothing is made yet.

        Args:
            folder: exists.
            number: the last that is in use.
        """
        self._folder, self._number = folder, number
        self._free: deque[Path] = deque()
        self._turn = threading.Lock()

    def take(self) -> Path:
        """An empty file whose name is on the disk; numbers grow.

        Raises:
            OSError: none can be made.
        """
        with self._turn:
            if not self._free:
                self._make()
            return self._free.popleft()

    def close(self) -> None:
        """Remove what nobody took."""
        with self._turn, contextlib.suppress(OSError):
            while self._free:
                self._free.popleft().unlink(missing_ok=True)

    def _make(self) -> None:
        made = []
        try:
            for _ in range(BATCH):
                self._number += 1
                path = self._folder / f"{self._number:08d}{END}"
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
                made.append(path)
            sync_folder(self._folder)
        except OSError:
            for path in made:
                path.unlink(missing_ok=True)
            raise
        self._free.extend(made)
