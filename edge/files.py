"""Files that are never half-written: bytes in, a complete file out, or none."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge.errors import MachineError, UsageError


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all: temporary name in the same folder, fsync, replace.

    Args:
        path: where the file shall lie; its folder is made.
        data: what it shall hold.
        mode: permission bits.

    Raises:
        MachineError: the folder cannot be written or the disk is full; nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise MachineError(
            f"{path} cannot be written: {error.strerror}.", "Free some space or choose a folder you may write to."
        ) from error


def check_folder(folder: Path) -> None:
    """Tell before hours of work that its outcome could not be written there; makes nothing.

    Raises:
        UsageError: a file has this name, or the name of a folder above.
        MachineError: the folder, or the one it would be made in, may not be written.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise UsageError(f"{nearest} is a file, not a folder.", "Give a folder, or a name that is free.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise MachineError(f"{nearest} cannot be written.", "Choose a folder you may write to.")


def cache_from_environment(environment: Mapping[str, str]) -> Path:
    """Where files lie that this program can make again: vmamba-edge below XDG_CACHE_HOME or ~/.cache."""
    cache = environment.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "vmamba-edge"


def sha256_from_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_from_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def path_from_bytes(data: bytes) -> Iterator[str]:
    """A path of verified bytes that nobody can exchange before they are loaded, and that needs no writable folder.

    The loader takes what has the path of a library it knows for that library, and numbers of descriptors come again: so
    64 bits of the content's digest are spelt into the path, "/." for 1 and "/" for 0, which name nothing.

    Args:
        data: a shared library.
    """
    descriptor = os.memfd_create("vmamba-edge")
    bits = f"{int(sha256_from_bytes(data)[:16], 16):064b}"
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(data)
        yield f"/proc/self/fd{''.join('/.' if bit == '1' else '/' for bit in bits)}/{descriptor}"
    finally:
        os.close(descriptor)
