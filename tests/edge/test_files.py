"""Bytes as a path that a loader takes, each content its own library; folders that are checked before long work."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

from edge.errors import MachineError, UsageError
from edge.files import check_folder, path_from_bytes
from tests.conftest import absent


def library(folder: Path, answer: int) -> bytes:
    """A shared library whose function `answer` returns a number."""
    source, output = folder / "answer.c", folder / f"{answer}.so"
    source.write_text(f"int answer(void) {{ return {answer}; }}\n")
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", output, source], check=True)
    except FileNotFoundError:
        absent("no C compiler")
    return output.read_bytes()


def test_two_libraries_loaded_one_after_the_other_are_two(tmp_path: Path) -> None:
    answers, kept = [], []
    for number in (1, 2, 1):
        with path_from_bytes(library(tmp_path, number)) as path:
            kept.append(ctypes.CDLL(path))
        answers.append(kept[-1].answer())
    assert answers == [1, 2, 1]


def test_a_folder_is_checked_and_not_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    check_folder(tmp_path / "new" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(UsageError, match="is a file"):
            check_folder(folder)


def test_a_folder_that_may_not_be_written_is_a_machine_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(MachineError, match="cannot be written"):
        check_folder(tmp_path / "out")
