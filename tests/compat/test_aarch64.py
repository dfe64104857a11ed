"""The native kernel on processors that this one is not: NEON, and x86-64 without AVX-512 or AVX, emulated.

::

    golden cases --scan_file--> qemu driver --C ABI--> library as kernel_from_sources builds it --> the same tolerances
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from compile.kernels.build import SOURCES, compiler_from_target, kernel_from_sources
from compile.kernels.native import ISAS
from edge.errors import DeviceError
from tests.compile.scan_call import Scan
from tests.compile.scan_file import DRIVER, Record, check_results, golden_records, save_records
from tests.conftest import absent

pytestmark = pytest.mark.qemu

BEST = 0
ROOT = "/usr/aarch64-linux-gnu"  # where Debian's cross compiler keeps the libraries


@dataclass(frozen=True)
class Program:
    """The driver, linked with the library of one machine."""

    path: Path

    def run(self, emulator: Sequence[str], isa: int, cases: Path, results: Path) -> subprocess.CompletedProcess[str]:
        """Answer the cases; what it prints is the best ISA's name."""
        command = [*emulator, self.path, str(isa), cases, results]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def emulator(name: str, *options: str) -> tuple[str, ...]:
    if shutil.which(name) is None:
        absent(f"{name} is not installed (Debian: qemu-user)")
    return (name, *options)


def program(machine: str, folder: Path) -> Program:
    try:
        compiler = compiler_from_target(machine)
    except DeviceError as error:
        absent(str(error))
    library, path = kernel_from_sources(machine, folder).path, folder / "driver"
    language = ("-x", "c", "-std=c99", "-Wall", "-Werror", str(DRIVER), "-x", "none")
    subprocess.run([*compiler, *language, "-I", SOURCES, library, "-pthread", "-o", path], check=True)
    return Program(path)


@pytest.fixture(scope="module")
def neon(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return program("aarch64", tmp_path_factory.mktemp("aarch64"))


@pytest.fixture(scope="module")
def x86(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return program("x86_64", tmp_path_factory.mktemp("x86_64"))


@pytest.fixture(scope="module")
def golden() -> list[Record]:
    return golden_records()


def test_aarch64_answers_the_golden_cases(neon: Program, golden: list[Record], tmp_path: Path) -> None:
    check_golden(neon, emulator("qemu-aarch64", "-L", ROOT), golden, "neon", tmp_path)


@pytest.mark.parametrize(("cpu", "best"), [("Nehalem", "x86-64-v2"), ("Haswell", "x86-64-v3")])
def test_an_older_x86_chooses_what_it_has(
    x86: Program, golden: list[Record], cpu: str, best: str, tmp_path: Path
) -> None:
    check_golden(x86, emulator("qemu-x86_64", "-cpu", cpu), golden, best, tmp_path)


@pytest.mark.parametrize(("cpu", "more"), [("Nehalem", "x86-64-v3"), ("Haswell", "x86-64-v4")])
def test_an_older_x86_refuses_what_it_lacks(
    x86: Program, golden: list[Record], cpu: str, more: str, tmp_path: Path
) -> None:
    save_records(golden[:1], tmp_path / "cases")
    files = (tmp_path / "cases", tmp_path / "results")
    done = x86.run(emulator("qemu-x86_64", "-cpu", cpu), ISAS[more], *files)
    assert (done.returncode, "instruction set" in done.stderr) == (1, True)


def test_aarch64_converts_types_as_x86_does(neon: Program, x86: Program, tmp_path: Path) -> None:
    save_records(conversions(), tmp_path / "cases")
    machines = ((neon, emulator("qemu-aarch64", "-L", ROOT)), (x86, emulator("qemu-x86_64", "-cpu", "Haswell")))
    results = []
    for number, (driver, wrapper) in enumerate(machines):
        done = driver.run(wrapper, BEST, tmp_path / "cases", tmp_path / str(number))
        assert done.returncode == 0, done.stderr
        results.append((tmp_path / str(number)).read_bytes())
    assert results[0] == results[1]
    check_results(conversions(), tmp_path / "0")


def check_golden(driver: Program, wrapper: Sequence[str], golden: list[Record], best: str, folder: Path) -> None:
    save_records(golden, folder / "cases")
    done = driver.run(wrapper, BEST, folder / "cases", folder / "results")
    assert (done.returncode, done.stdout.strip()) == (0, best), done.stderr
    check_results(golden, folder / "results")


def conversions() -> list[Record]:
    """Every finite float16, and what lies between two of them, passed through to other types: B = 0, D = 1."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    between = (halves[:-1].astype(np.float32) + halves[1:].astype(np.float32)) / 2
    tests = ((halves, "float32", 1.0), (halves, "int8", 0.25), (between, "float16", 1.0), (between, "int8", 0.25))
    records = []
    for numbers, dtype, scale in tests:
        d = len(numbers)
        weights = (torch.zeros(1, d, 1), torch.zeros(1, d), -torch.ones(1, d, 1), torch.ones(1, d))
        maps = (torch.from_numpy(numbers).reshape(1, 1, 1, d), torch.zeros(1, 1, 1, 3))
        expected = numbers.astype(np.float64).reshape(1, 1, 1, d)
        records.append(Record(Scan((*maps, *weights), (1.0, 1.0, scale), (0,), dtype, expected)))
    return records
