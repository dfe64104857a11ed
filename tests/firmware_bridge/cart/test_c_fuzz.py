"""Random scripts through decoder and link under ASan and UBSan (c/fuzz.c). `make evidence` runs 10 million of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.firmware_bridge.cart.c_programs import (
    PROGRAMS,
    SANITIZERS,
    built,
    fuzz_command,
    fuzz_corpus,
    fuzz_target,
)

pytestmark = pytest.mark.peer
INPUTS = 50_000
GUIDED_INPUTS = 1_000


def test_random_inputs_break_nothing(tmp_path: Path) -> None:
    program = built(tmp_path / "fuzz", *SANITIZERS, "-O1", PROGRAMS / "fuzz.c")
    done = subprocess.run([program, str(INPUTS), "1"], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, f"{INPUTS} inputs\n"), done.stderr


def test_inputs_that_coverage_guides_break_nothing(tmp_path: Path) -> None:
    command = fuzz_command(fuzz_target(tmp_path), fuzz_corpus(tmp_path / "corpus"), GUIDED_INPUTS)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"Done {GUIDED_INPUTS} runs" in done.stderr
