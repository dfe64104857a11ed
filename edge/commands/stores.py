"""What the commands of exams share: which store, which exam."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.keyring import home_from_environment

if TYPE_CHECKING:
    from edge.store_reader import ExamReader

StoreFile = Annotated[Optional[Path], typer.Option("--store", help="Exam store; default: HOME/exams/exams.db.")]


def store_file(store: Path | None) -> Path:
    """The store that was named, or the device's."""
    from edge.store import store_path

    return store or store_path(home_from_environment(os.environ))


@contextmanager
def opened_reader(store: Path | None) -> Iterator[ExamReader]:
    """A reader with the device's key, if it has one.

    Raises:
        EdgeError: as of `edge.store_reader.open_reader`.
    """
    from edge.exam_vault import load_vault
    from edge.store_reader import open_reader

    with open_reader(store_file(store), load_vault(home_from_environment(os.environ))) as reader:
        yield reader
