"""The GPU kernel's sources as signed parts of a bundle: the cart compiles what its signer vouched for, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from compile.kernels.build_plugin import DIGESTED, SOURCES
from edge.bundle import Bundle
from edge.errors import DeviceError
from edge.files import write_atomic
from edge.session import NATIVE_FOLDER

FOLDER = f"{NATIVE_FOLDER}cuda/"


def parts_from_sources() -> Mapping[str, bytes]:
    """Names in a bundle -> the sources that lie in this installation."""
    files = [
        file
        for folder, wanted in DIGESTED.items()
        for file in sorted((SOURCES / folder).iterdir())
        if file.name in wanted or file.suffix in wanted
    ]
    return {f"{FOLDER}{file.relative_to(SOURCES).as_posix()}": file.read_bytes() for file in files}


def sources_from_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a verified bundle's sources into an empty folder, as they lie in an installation.

    Args:
        bundle: whose digests were checked.
        folder: a private one.

    Raises:
        DeviceError: the bundle holds none.
    """
    names = [name for name in bundle.parts if name.startswith(FOLDER)]
    if not names:
        raise DeviceError(
            "The bundle holds no sources of the GPU kernel.",
            "Compile it for this device where it was made: edge compile MODEL -o OUT.edge --target jetson-orin",
        )
    for name in names:  # a part's name has no "..": edge/bundle.py, PART_NAME
        write_atomic(folder / name.removeprefix(FOLDER), bundle.part(name), mode=0o600)
