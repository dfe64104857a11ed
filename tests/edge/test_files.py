"""Bytes as a path that a loader takes: each content is its own library, whatever number its descriptor has."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

from edge.files import path_from_bytes
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
