"""Libraries that were built before: taken again only as they were built, and from a folder that nobody else can write.

They end up in signed bundles and in this process, so a foreign or damaged file must not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from edge.errors import DeviceError, MachineError
from edge.files import sha256_from_bytes, sha256_from_file, write_atomic


def keep_library(path: Path, build: Callable[[], bytes]) -> None:
    """See that a library lies at a path: the one that was built for it before, or a new one.

    Args:
        path: named by a digest of everything that decides the library; its SHA-256 lies beside it.
        build: makes it.

    Raises:
        DeviceError: others can write the folder; or as `build`.
        MachineError: the folder cannot be written.
    """
    check_own(path.parent)
    note = path.with_suffix(".sha256")
    try:
        if sha256_from_file(path) == note.read_text():
            return
    except (OSError, UnicodeDecodeError):  # not there, or not readable: built anew
        pass
    data = build()
    write_atomic(path, data, mode=0o700)
    write_atomic(note, sha256_from_bytes(data).encode(), mode=0o600)


def check_own(folder: Path) -> None:
    """Make a folder of this user alone, or see that an existing one is not open to others.

    Raises:
        DeviceError: it belongs to somebody else, or everybody can write it.
        MachineError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise MachineError(
            f"{folder} cannot be used for native libraries: {error.strerror}.",
            "Set XDG_CACHE_HOME to a folder you may write to.",
        ) from error
    if found.st_uid != os.geteuid() or found.st_mode & stat.S_IWOTH:
        raise DeviceError(
            f"Others can write {folder}, where native libraries are kept.",
            f"chmod 700 {folder}, or set XDG_CACHE_HOME to a folder of your own.",
        )
