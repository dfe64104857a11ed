"""Random scripts through decoder and link under ASan and UBSan (c/fuzz.c). `make evidence` runs 10 million of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import absent
from tests.firmware_bridge.cart.c_programs import PROGRAMS, SANITIZERS, built, tool

pytestmark = pytest.mark.peer
INPUTS = 200_000


def test_random_inputs_break_nothing(tmp_path: Path) -> None:
    program = built(tmp_path / "fuzz", *SANITIZERS, "-O2", PROGRAMS / "fuzz.c")
    done = subprocess.run([program, str(INPUTS), "1"], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, f"{INPUTS} inputs\n"), done.stderr


def test_libfuzzer_target_runs(tmp_path: Path) -> None:
    flags = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-DCARTLINK_FUZZ_LIBFUZZER", "-O1")
    probe = tmp_path / "probe.c"
    probe.write_text("int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }\n")
    linked = subprocess.run(
        [tool("clang"), flags[0], probe, "-o", tmp_path / "probe"], capture_output=True, check=False
    )
    if linked.returncode:
        absent("clang has no libFuzzer runtime (Debian: libclang-rt-14-dev)")
    program = built(tmp_path / "fuzz", *flags, PROGRAMS / "fuzz.c", compiler="clang")
    command = [program, "-runs=500", "-seed=1", "-max_len=300", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
