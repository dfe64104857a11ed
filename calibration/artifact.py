"""One arrow of the flow: a file, its digest, and the digests of what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.files import sha256_from_file


@dataclass(frozen=True)
class Artifact:
    """A stage's result on disk.

    Attributes:
        path: the file.
        sha256: its digest, hexadecimal.
        made_from: role -> digest of each input of the stage.
    """

    path: Path
    sha256: str
    made_from: Mapping[str, str]


def artifact_from_file(path: Path, made_from: Mapping[str, str] | None = None) -> Artifact:
    """Describe a file that a stage has just written (or that the user brought: made from nothing)."""
    return Artifact(path, sha256_from_file(path), dict(made_from or {}))
