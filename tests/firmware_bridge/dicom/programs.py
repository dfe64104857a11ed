"""The programs of other people that the DICOM bridge meets: dcmtk's, dicom3tools'."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tests.conftest import absent


def tool(name: str) -> str:
    """Path of a program, or the reason why its test does not run.

    pynetdicom's scripts have the names of dcmtk's programs, and an active virtual environment puts them first: only a
    binary counts.
    """
    for folder in os.get_exec_path():
        path = Path(folder, name)
        with suppress(OSError), path.open("rb") as stream:
            if stream.read(4) == b"\x7fELF":
                return str(path)
    return absent(f"{name} is not installed (Debian: dcmtk, dicom3tools)")
