"""The code of the fused operators, each ISA of this CPU, against double precision under the sanitizers."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from calibration.artifact import Artifact
from compile.kernels.build import ISAS, SOURCES, compiler_from_target
from tests.compile.conftest import MACHINE

DRIVER = Path(__file__).parent / "layers_driver.cpp"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", *SANITIZERS)


def test_every_isa_computes_what_double_precision_does(library: Artifact, tmp_path: Path) -> None:
    command = [*compiler_from_target(MACHINE), *STRICT, "-I", str(SOURCES)]
    layers = str(SOURCES / "cpu" / "layers.cpp")
    units = [[layers, flag, f"-DSS2D_KERNEL={name}"] for name, flag in ISAS[MACHINE].items()] + [[str(DRIVER)]]
    objects = [str(tmp_path / f"{number}.o") for number in range(len(units))]
    with ThreadPoolExecutor(2) as pool:
        jobs = [[*command, "-c", *unit, "-o", built] for unit, built in zip(units, objects, strict=True)]
        list(pool.map(lambda job: subprocess.run(job, check=True), jobs))
    subprocess.run([command[0], *SANITIZERS, *objects, "-o", tmp_path / "driver"], check=True)
    done = subprocess.run([tmp_path / "driver"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
