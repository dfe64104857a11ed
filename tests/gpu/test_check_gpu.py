"""The GPU script where there is no GPU: it says so in one line, and its help works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.gpu.check_gpu", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_without_a_gpu_it_ends_with_4_and_one_line_of_cause_and_one_of_cure(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    done = script("--folder", str(tmp_path))
    assert done.returncode == 4
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "  cure"]


def test_its_help_names_the_sections() -> None:
    done = script("--help")
    assert done.returncode == 0
    assert "numerics" in done.stdout


def test_an_unknown_section_is_refused() -> None:
    done = script("nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_every_section_imports() -> None:
    modules = "bench, numerics, process, scans, speed, training"
    subprocess.run([sys.executable, "-c", f"from tests.gpu import {modules}"], cwd=ROOT, check=True, timeout=120)
