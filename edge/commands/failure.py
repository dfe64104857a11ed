"""Any exception -> one line of cause, one of cure, one exit code: what a command ends with instead of a traceback."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from edge.errors import DeviceError, EdgeError, MachineError, UsageError
from edge.packages import EXTRAS, install_cure


def error_from_exception(error: BaseException) -> EdgeError:
    """What to tell the user.

    Args:
        error: whatever a command raised.
    """
    if isinstance(error, EdgeError):
        return error
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return MachineError("Interrupted.", "Start it again; what was finished is kept.")
    if isinstance(error, MemoryError):
        return MachineError("The memory is exhausted.", "Close other programs, or give fewer or smaller images.")
    if isinstance(error, OSError):
        return _error_from_os(error)
    if isinstance(error, ModuleNotFoundError):
        return missing_package(error.name or "")
    if hasattr(error, "format_message"):  # click's and typer's usage errors have no common public base
        return UsageError(_sentence(error.format_message()), "See: edge --help, edge COMMAND --help.")
    return _error_from_bug(error)


def missing_package(module: str) -> DeviceError:
    """The error of a package that is not installed, with the pip line that cures it."""
    top = module.partition(".")[0]
    extras = (EXTRAS[top],) if top in EXTRAS else ()
    return DeviceError(f"The Python package {top!r} is not installed.", install_cure(*extras))


def _error_from_os(error: OSError) -> MachineError:
    place = f"{error.filename}: " if error.filename else ""
    cures = {
        errno.ENOSPC: "Free some space, or choose another folder.",
        errno.EDQUOT: "Free some space, or choose another folder.",
        errno.ENOMEM: "Close other programs.",
        errno.EACCES: "Check the permissions, or choose another folder.",
        errno.EROFS: "Choose a folder on a writable disk.",
    }
    return MachineError(
        f"{place}{_sentence(error.strerror or str(error))}",
        cures.get(error.errno or 0, "Check the path and the disk, then try again."),
    )


def _error_from_bug(error: BaseException) -> MachineError:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    first_line = (str(error).strip() or "no message").splitlines()[0]
    return MachineError(
        f"Internal error{place}: {type(error).__name__}: {first_line}",
        "Please report it with the command line; VMAMBA_EDGE_DEBUG=1 shows the whole trace.",
    )


def _sentence(text: str) -> str:
    flat = " ".join(text.split())
    return flat if flat.endswith((".", "!", "?")) else f"{flat}."
