"""Every lowering on older ONNX Runtimes: `make compat`.

::

    stages of `make run`, a small VMamba -> fp32, canonical, int8, int8 with 7-bit weights, fp16: build/compat/*.onnx
    each version in a venv of its own, run-time packages only -> logits -> compared with this environment's
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.artifact import Artifact, artifact_from_file
from calibration.smoothing import smoothed_from_onnx
from calibration.table import table_from_onnx
from compile.export import onnx_from_student
from compile.lowerings.cpu import cpu_from_qdq
from compile.lowerings.fp16_weights import fp16_weights_from_onnx
from compile.model.spec import ModelSpec
from compile.model.vmamba import VMamba, VMambaShape
from compile.quantize import qdq_from_onnx
from edge.preprocess import Preprocess
from tests.compat.answer import answer

VERSIONS = {"1.17.3": "numpy<2", "1.20.1": "numpy<2.3", "1.23.2": "numpy"}
FOLDER = Path("build/compat")
WORK = Path("build") / "work" / "fetal-planes"  # where `edge compile -o build/fetal-planes.edge` keeps its stages
IMAGES = 4
TOLERANCE = 0.02  # of the logits' root mean square; integer kernels of other versions round sums otherwise


def main() -> None:
    """Make the files, run them everywhere, and end with 1 if a version answers otherwise."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_files()
    answer(FOLDER, FOLDER / "current")
    worst = {version: difference(version, numpy) for version, numpy in VERSIONS.items()}
    for version, rows in worst.items():
        for name, error in rows.items():
            print(f"onnxruntime {version}  {name:24} {error:.2e}  {'ok' if error <= TOLERANCE else 'DIFFERS'}")
    bad = sum(error > TOLERANCE for rows in worst.values() for error in rows.values())
    print(f"{sum(map(len, worst.values())) - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)


def make_files() -> None:
    """All lowerings of the shipped student, and of a small VMamba with four routes and random weights."""
    student = {
        name: artifact_from_file(WORK / file) for name, file in (("model", "model.onnx"), ("table", "table.json"))
    }
    lower("edge_n", student["model"], artifact_from_file(WORK / "smooth.onnx"), student["table"], 224, 1)
    module = VMamba(VMambaShape((32, 32, 64, 64), (1, 1, 1, 1), 1.0), 5, in_channels=3)
    spec = ModelSpec("vmamba", tuple("abcde"), preprocess=Preprocess(64, channels=3))
    model = onnx_from_student(module.eval(), spec, FOLDER / "made.onnx")
    images = inputs(64, 3)
    smooth = smoothed_from_onnx(model, lambda: iter([images]), FOLDER / "made.smooth.onnx")
    table = table_from_onnx(smooth, lambda: iter([images]), FOLDER / "made.table.json", "random")
    lower("vmamba", model, smooth, table, 64, 3)


def lower(name: str, model: Artifact, smooth: Artifact, table: Artifact, size_px: int, channels: int) -> None:
    """Write one model's forms as NAME-FORM.onnx and its input as NAME.npy."""
    np.save(FOLDER / f"{name}.npy", inputs(size_px, channels))
    (FOLDER / f"{name}-fp32.onnx").write_bytes(model.path.read_bytes())
    fp16_weights_from_onnx(model, FOLDER / f"{name}-fp16.onnx")
    qdq = qdq_from_onnx(smooth, table, FOLDER / f"{name}-canonical.onnx")
    for form, reduce_range in (("int8", False), ("int8_7bit", True)):
        cpu_from_qdq(qdq, table, FOLDER / f"{name}-{form}.onnx", reduce_range)


def inputs(size_px: int, channels: int) -> NDArray[np.float32]:
    """Smooth random images, (4,C,S,S)."""
    coarse = np.random.default_rng(0).standard_normal((IMAGES, channels, size_px // 8, size_px // 8))
    return coarse.repeat(8, 2).repeat(8, 3).astype(np.float32)


def difference(version: str, numpy: str) -> dict[str, float]:
    """Form -> largest difference of the logits, in units of their root mean square here."""
    python = FOLDER / version / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / version], check=True)
        packages = [f"onnxruntime=={version}", numpy, "pillow", "cryptography"]  # the runtime's own, no onnx, no torch
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    subprocess.run([python, "-m", "tests.compat.answer", FOLDER, FOLDER / f"{version}.answers"], check=True)
    rows = {}
    for file in sorted((FOLDER / "current").glob("*.npy")):
        here, there = np.load(file), np.load(FOLDER / f"{version}.answers" / file.name)
        rows[file.stem] = float(np.abs(here - there).max() / np.sqrt(np.mean(here**2)))
    return rows


if __name__ == "__main__":
    main()
