"""The side of an installation that changes a machine: files below a root, commands run; and all of it taken back.

The exams are never taken back: they are patients' records, and `edge exam delete|purge` is the way to erase them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.deploy.installation import (
    BUNDLES,
    CONFIG,
    FOLDER,
    SBOM,
    STATE,
    UNIT,
    USERS,
    Installation,
    NewFile,
    bridge_path,
)
from edge.errors import DeviceError, MachineError
from edge.files import write_atomic

RUNNING = Path("run/systemd/system")  # there when systemd runs the machine; source: sd_booted(3)
MARK = b"# Written by `edge install-service`"  # first line of every unit
REMOVED = "removed"
PATIENCE_S = 120  # for a start: the engine may take 60 s, see the unit
Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Change:
    """What became, or would become, of one file.

    Attributes:
        path: on the machine.
        state: "new", "changed", "same", or "removed".
        size_bytes: of the new content, 0 for a removed one.
    """

    path: Path
    state: str
    size_bytes: int


def changes_below(installation: Installation, root: Path) -> tuple[Change, ...]:
    """What an installation would change below a root: what it writes, and what an earlier one left that it has no more.

    Older bundles stay: a running service keeps its own.
    """
    files = installation.files
    written = tuple(Change(root / file.path, _state(file, root / file.path), len(file.data)) for file in files)
    kept = {root / file.path for file in files}
    stale = tuple(path for path in (*_config(root), *_bridges(root)) if path.is_file() and path not in kept)
    return (*written, *(Change(path, REMOVED, 0) for path in stale))


def install_below(installation: Installation, root: Path, run: Run) -> tuple[Change, ...]:
    """Take away what is stale, write what differs, then run the commands.

    Args:
        installation: the whole of it.
        root: "/", or that of an image.
        run: runs one command.

    Raises:
        MachineError: a file cannot be written or a command fails.
        DeviceError: the machine has no systemd.
    """
    changes = changes_below(installation, root)
    _take_away([change.path for change in changes if change.state == REMOVED], root, run)
    for file, change in zip(installation.files, changes, strict=False):  # what is stale comes behind
        if change.state != "same":
            _write(change.path, file)
    for command in commands_for(installation, root):
        run(command)
    return changes


def commands_for(installation: Installation, root: Path) -> tuple[tuple[str, ...], ...]:
    """Those that make sense there: all on a machine that systemd runs, only links in an image."""
    if root == Path("/"):
        return installation.commands if _is_running(root) else installation.commands[:1]
    return tuple((command[0], f"--root={root}", *command[1:]) for command in installation.offline)


def removal_below(root: Path) -> tuple[Change, ...]:
    """What a removal would take away: what installations wrote, not what people put beside it (TLS keys, protocols)."""
    bundles = sorted((root / BUNDLES).glob("*.edge"))
    written = (*_bridges(root), root / UNIT, root / USERS, root / SBOM, *_config(root), *bundles)
    return tuple(Change(path, REMOVED, 0) for path in written if path.is_file())


def remove_below(root: Path, run: Run) -> tuple[Change, ...]:
    """Stop service and bridges and take their files away; exams, keys and the account stay.

    Raises:
        MachineError: a file cannot be removed or a command fails.
    """
    changes = removal_below(root)
    _take_away([change.path for change in changes], root, run)
    for folder in (root / BUNDLES, root / FOLDER):
        with contextlib.suppress(OSError):  # not empty: somebody else's files
            folder.rmdir()
    if _is_running(root):
        run(("systemctl", "daemon-reload"))
    return changes


def _take_away(paths: Sequence[Path], root: Path, run: Run) -> None:
    """Files, and before them the units among them, which are stopped."""
    if units := [path.name for path in paths if path.suffix == ".service"]:
        at = () if root == Path("/") else (f"--root={root}",)
        run(("systemctl", *at, "disable", *(("--now",) if _is_running(root) else ()), *units))
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise MachineError(f"{error.filename} cannot be removed: {error.strerror}.", "Run it as root.") from error


def _bridges(root: Path) -> tuple[Path, ...]:
    """Units of bridges that installations wrote; others' units of a like name are theirs."""
    pattern = root / bridge_path("*")
    found = sorted(pattern.parent.glob(pattern.name))
    return tuple(path for path in found if path.is_file() and path.read_bytes().startswith(MARK))


def _config(root: Path) -> tuple[Path, ...]:
    """The config file where a unit reads it: an installation wrote it; else it is of whoever put it there."""
    units = [path for path in (root / UNIT, *_bridges(root)) if path.is_file()]
    is_read = any(f"--config /{CONFIG} ".encode() in path.read_bytes() for path in units)
    return (root / CONFIG,) if is_read else ()


def _is_running(root: Path) -> bool:
    return root == Path("/") and (root / RUNNING).is_dir()


def run_command(command: Sequence[str]) -> None:
    """Run one command of the system.

    Raises:
        DeviceError: it is not installed.
        MachineError: it fails.
    """
    line = " ".join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except FileNotFoundError as error:
        raise DeviceError(f"There is no {command[0]} on this machine.", "The service needs systemd.") from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"{line} took more than {PATIENCE_S} s.", "See: journalctl -u vmamba-edge.") from error
    if done.returncode != 0:
        told = " ".join(done.stderr.split()) or f"exit {done.returncode}"
        raise MachineError(f"{line}: {told[:300]}", "The files are written. See: journalctl -u vmamba-edge.")


def exams_folder(root: Path) -> Path:
    """Where exams, keys and counters stay after a removal."""
    return root / STATE


def _state(file: NewFile, path: Path) -> str:
    try:
        same = path.read_bytes() == file.data and path.stat().st_mode & 0o777 == file.mode
    except FileNotFoundError:
        return "new"
    except OSError as error:
        raise MachineError(f"{path} cannot be read: {error.strerror}.", "Run it as root.") from error
    return "same" if same else "changed"


def _write(path: Path, file: NewFile) -> None:
    """As the folder's owner has it: systemd gives the state folder to the service at its first start, and only then."""
    write_atomic(path, file.data, file.mode)
    owner = path.parent.stat()
    if (owner.st_uid, owner.st_gid) != (path.stat().st_uid, path.stat().st_gid):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
