"""The GPU script where there is no GPU: it says so in one line, and its help works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.gpu.check_gpu import SECTIONS, exit_status, state_of

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
    modules = "bench, numerics, plugin, process, scans, speed, training"
    subprocess.run([sys.executable, "-c", f"from tests.gpu import {modules}"], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize(
    ("rows", "error", "state"),
    [
        ([{"failed": 0}, {"us": 1.0}], "", "ok"),
        ([{"failed": 0}, {"failed": 2}], "", "FAILED"),
        ([{"failed": 0}, {"not_run": "no tool"}], "", "not run"),
        ([{"failed": 1}, {"not_run": "no tool"}], "", "FAILED"),
        ([{"failed": 0}], "took more than 5 s", "FAILED"),
        ([], "", "FAILED"),
    ],
)
def test_what_did_not_run_is_no_pass(rows: list[dict[str, object]], error: str, state: str) -> None:
    assert state_of(rows, error) == state


def test_the_exit_status_is_0_only_if_all_ran_and_passed() -> None:
    assert exit_status(["ok", "ok"]) == 0
    assert exit_status(["ok", "not run"]) == 3
    assert exit_status(["not run", "FAILED", "ok"]) == 1


def test_the_document_names_every_section_and_the_limits_together() -> None:
    text = (ROOT / "docs" / "gpu.md").read_text("utf-8")
    assert f"The limits are {sum(seconds for _, seconds in SECTIONS.values())} seconds together" in text
    assert all(f"| `{name}` |" in text for name in SECTIONS)
