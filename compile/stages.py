"""Stages with files: run one if its inputs changed, use its file again if not, and remember what each took."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calibration.artifact import Artifact
from edge.files import sha256_from_file, write_atomic
from edge.store_lock import held

FOLDERS = ("edge", "calibration", "compile")


@dataclass
class Stages:
    """The stages of one compilation.

    Attributes:
        folder: where their files lie.
        progress: told the stage and what of it is done, 0..1.
        artifacts: stage -> its file, in order.
        seconds: stage -> wall time, 0 where its file was used again.
    """

    folder: Path
    progress: Callable[[str, float], None]
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, file: str, made_from: Mapping[str, str], make: Callable[[Path], Artifact]) -> Artifact:
        """Make a stage's file, or take the one that an earlier run made from the same inputs with the same program.

        Args:
            name: of the stage, for people.
            file: name of its file.
            made_from: role -> digest or value of everything that decides the file.
            make: writes the file at the path it is given.
        """
        path, note = self.folder / file, self.folder / f"{file}.made.json"
        key = {**made_from, "program": program_digest()}
        started = time.monotonic()
        self.progress(name, 0.0)
        artifact = _remembered(path, note, key)
        if artifact is None:
            artifact = make(path)
            write_atomic(note, json.dumps({"sha256": artifact.sha256, "made_from": key}, sort_keys=True).encode())
            self.seconds[name] = time.monotonic() - started
        else:
            self.seconds[name] = 0.0
        self.artifacts[name] = artifact
        self.progress(name, 1.0)
        return artifact


@contextlib.contextmanager
def open_stages(folder: Path, progress: Callable[[str, float], None]) -> Iterator[Stages]:
    """The stages of a folder, for one process: a second one would exchange files that this one has not read yet.

    Args:
        folder: made where it is missing.
        progress: told the stage and what of it is done, 0..1.

    Raises:
        MachineError: another process compiles there, or the folder cannot be written.
    """
    with contextlib.suppress(OSError):  # with everybody's usual rights; what hinders it is told below
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder / "stages", "compilation's files"):
        yield Stages(folder, progress)


def _remembered(path: Path, note: Path, key: Mapping[str, str]) -> Artifact | None:
    try:
        known = json.loads(note.read_text())
        if known["made_from"] == key and known["sha256"] == sha256_from_file(path):
            return Artifact(path, known["sha256"], key)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def program_digest() -> str:
    """SHA-256 over this program's own sources: a changed program does not trust its old files."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
