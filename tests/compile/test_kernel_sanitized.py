"""The golden cases of every type in a C program under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compile.kernels import build
from compile.kernels.build import SOURCES, compiler_from_target
from tests.compile.conftest import MACHINE
from tests.compile.scan_file import DRIVER, check_results, golden_records, save_records

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
STRICT = ("-Wall", "-Wextra", "-Werror", *SANITIZERS)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver with the kernel inside."""
    folder, compiler = tmp_path_factory.mktemp("sanitized"), compiler_from_target(MACHINE)
    units = [(SOURCES / "cpu" / f"{name}.cpp", ["-std=c++17"]) for name in ("dispatch", "threads")]
    for name, flag in build.ISAS[MACHINE].items():
        units.append((SOURCES / "cpu" / "isa.cpp", ["-std=c++17", f"-DSS2D_KERNEL={name}", flag]))
    units.append((DRIVER, ["-x", "c", "-std=c99", "-pedantic"]))
    objects = [folder / f"{number}.o" for number in range(len(units))]

    def compile_(number: int) -> None:
        source, extra = units[number]
        command = [*compiler, *STRICT, *extra, "-I", str(SOURCES), "-c", str(source), "-o", str(objects[number])]
        subprocess.run(command, check=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compile_, range(len(units))))
    path = folder / "driver"
    subprocess.run([*compiler, *SANITIZERS, "-pthread", *objects, "-o", path], check=True)
    return path


def test_sanitizers_find_nothing_in_a_c_program(program: Path, isa: int, tmp_path: Path) -> None:
    records = golden_records()
    save_records(records, tmp_path / "cases")
    subprocess.run([program, str(isa), tmp_path / "cases", tmp_path / "results"], check=True)
    check_results(records, tmp_path / "results")
