"""Every lowering, and the native operator, on older ONNX Runtimes: `make compat`.

::

    stages of `make run`, a small VMamba -> fp32, canonical, int8, int8 with 7-bit weights, fp16: build/compat/*.onnx
    the native library, built once; one node of it in either layout
    each version in a venv of its own, run-time packages only -> answers -> compared with this environment's, which
    are compared with the local function's and with the reference
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from calibration.artifact import Artifact, artifact_from_file
from calibration.smoothing import smoothed_from_onnx
from calibration.table import table_from_onnx
from compile.export import onnx_from_student
from compile.kernels.build import kernel_from_sources
from compile.lowerings.cpu import cpu_from_qdq
from compile.lowerings.fp16_weights import fp16_weights_from_onnx
from compile.model.spec import ModelSpec
from compile.model.vmamba import VMamba, VMambaShape
from compile.onnx_function import DOMAIN, DOMAIN_VERSION, IR_VERSION, OP_TYPE, OPSET, PLUGIN_ATTRIBUTES
from compile.quantize import qdq_from_onnx
from edge.cpu import load_cpu
from edge.preprocess import Preprocess
from tests.compat.answer import LAYOUTS, LIBRARY, NATIVE_FORMS, answer
from tests.compile.scan_cases import ALL, channels_first, check, operands, reference

VERSIONS = {"1.17.3": "numpy<2", "1.20.1": "numpy<2.3", "1.23.2": "numpy"}
FOLDER = Path("build/compat")
WORK = Path("build") / "work" / "fetal-planes"  # where `edge compile -o build/fetal-planes.edge` keeps its stages
OPERANDS = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
IMAGES = 4
TOLERANCE = 0.02  # of the logits' root mean square; other versions add up in another order
EQUAL = 0.0  # the operator alone: the same code on the same numbers


def main() -> None:
    """Make the files, run them everywhere, and end with 1 if a version answers otherwise."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_files()
    make_operators()
    answer(FOLDER, FOLDER / "current")
    worst = {"here": native_difference()} | {f"onnxruntime {v}": difference(v, n) for v, n in VERSIONS.items()}
    bad = 0
    for where, rows in worst.items():
        for name, error in rows.items():
            limit = tolerance(name)
            bad += error > limit
            print(f"{where:18}  {name:24} {error:.2e}  {'ok' if error <= limit else 'DIFFERS'} (limit {limit:.2e})")
    print(f"{sum(map(len, worst.values())) - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)


def make_files() -> None:
    """All lowerings of the shipped student, and of a small VMamba with four routes and random weights."""
    student = {
        name: artifact_from_file(WORK / file) for name, file in (("model", "model.onnx"), ("table", "table.json"))
    }
    lower("edge_n", student["model"], artifact_from_file(WORK / "smooth.onnx"), student["table"], 224, 1)
    torch.manual_seed(0)
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


def make_operators() -> None:
    """The native library, and one node of it in either layout, which no runtime can run without."""
    library = kernel_from_sources(load_cpu().machine, FOLDER)
    (FOLDER / LIBRARY).write_bytes(library.path.read_bytes())
    for layout in LAYOUTS:
        tensors = operator_operands(layout)
        maps = {name: tensor.numpy() for name, tensor in zip(OPERANDS[:2], tensors, strict=False)}
        np.savez(FOLDER / f"operator-{layout}.npz", **maps)
        (FOLDER / f"operator-{layout}.onnx").write_bytes(operator_model(layout, tensors))


def operator_operands(layout: str) -> list[torch.Tensor]:
    """Two images, four routes; D is no multiple of a register."""
    tensors = operands(2, 14, 11, 72, 5, 1, ALL)
    return tensors if layout == "last" else channels_first(tensors)


def operator_model(layout: str, tensors: Sequence[torch.Tensor]) -> bytes:
    """One SelectiveScan2D node with its weights, without the local function."""
    node = helper.make_node(OP_TYPE, OPERANDS, ["y"], domain=DOMAIN, routes=ALL, layout=layout, **PLUGIN_ATTRIBUTES)
    maps = [
        helper.make_tensor_value_info(name, 1, tensor.shape)
        for name, tensor in zip(("u", "x_dbl", "y"), (*tensors[:2], tensors[0]), strict=True)
    ]
    weights = [numpy_helper.from_array(t.numpy(), n) for n, t in zip(OPERANDS[2:], tensors[2:], strict=True)]
    graph = helper.make_graph([node], "operator", maps[:2], maps[2:], weights)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()


def inputs(size_px: int, channels: int) -> NDArray[np.float32]:
    """Smooth random images, (4,C,S,S)."""
    coarse = np.random.default_rng(0).standard_normal((IMAGES, channels, size_px // 8, size_px // 8))
    return coarse.repeat(8, 2).repeat(8, 3).astype(np.float32)


def native_difference() -> dict[str, float]:
    """Form -> what the native operator changes here; the operator alone must be the reference."""
    answers = FOLDER / "current"
    for layout in LAYOUTS:
        check(np.load(answers / f"operator-{layout}.npy"), reference(operator_operands(layout), ALL, layout))
    rows = {}
    for name in ("edge_n", "vmamba"):
        for form in NATIVE_FORMS:
            function, native = (np.load(answers / f"{name}-{form}{suffix}.npy") for suffix in ("", "-native"))
            rows[f"{name}-{form}-native"] = relative(native, function)
    return rows


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
        rows[file.stem] = relative(there, here)
    return rows


def tolerance(name: str) -> float:
    """What a form may differ by; where one code falls on the other side of a rounding, up to its quantization error.

    From there on every later code may fall otherwise too, and two runs of an INT8 network are as far from each other as
    each is from the float model.
    """
    if name.startswith("operator"):
        return EQUAL
    model, form = name.removesuffix("-native").split("-")
    if form in ("fp32", "fp16"):
        return TOLERANCE
    quantized, plain = (np.load(FOLDER / "current" / f"{model}-{kind}.npy") for kind in (form, "fp32"))
    return max(TOLERANCE, relative(quantized, plain))


def relative(got: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest difference in units of the expected root mean square."""
    return float(np.abs(got - expected).max() / np.sqrt(np.mean(expected**2)))


if __name__ == "__main__":
    main()
