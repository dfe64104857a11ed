"""x86 without VNNI, emulated: it saturates, and the two measures against that give the answers of a CPU that does not.

::

    qemu-x86_64 -cpu Haswell  what the processor does: AVX2, no VNNI, as CPUID says and ONNX Runtime reads it
    -L ROOT                   what the kernel says: ROOT/proc/cpuinfo in place of the host's, as edge/cpu.py reads it
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.artifact import artifact_from_file
from compile.lowerings.cpu import cpu_from_qdq
from edge.bundle import bytes_from_parts
from edge.cpu import load_cpu
from edge.gate import gate_from_bundle
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.preprocess import input_from_square
from edge.session import CPU_MODEL
from tests.conftest import Made, absent

Logits = NDArray[np.float32]

QEMU = "qemu-x86_64"
FIRST_WITH_AVX2 = (7, 2)
CPUINFO = "processor\t: 0\nmodel name\t: Intel Core Processor (Haswell)\nflags\t\t: sse4_2 avx avx2 fma bmi2 f16c\n"
FRAMES = 4
EQUAL = 1e-2  # of the logits' scale: float layers round otherwise elsewhere; integers behind them moved 0.005
OFF = 2e-2  # of the logits' scale; saturation moved the answers by 0.04

ONE_SESSION = """
import sys, numpy
from edge import open_session
with open_session(sys.argv[1], threads=1, gate_frames=1) as session:
    numpy.save(sys.argv[3], session.logits(numpy.load(sys.argv[2])))
"""
ONE_ENGINE = """
import pathlib, sys, numpy
from edge.backends.ort import ort_from_model
engine = ort_from_model(pathlib.Path(sys.argv[1]).read_bytes(), threads=1, spin=False)
numpy.save(sys.argv[3], engine.logits_from_input(numpy.load(sys.argv[2])))
"""
WORST_CASE = """
import numpy, onnxruntime
from onnx import TensorProto, helper, numpy_helper
largest = numpy_helper.from_array(numpy.full((64, 16), 127, numpy.int8), "weight")
graph = helper.make_graph(
    [helper.make_node("MatMulInteger", ["x", "weight"], ["y"])], "worst",
    [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 64])],
    [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 16])], [largest])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()
for precise in "01":
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", precise)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    print(session.run(None, {"x": numpy.full((1, 64), 255, numpy.uint8)})[0][0, 0])
"""


def missing() -> str:
    """Why there is no emulated Haswell here, or an empty text."""
    if platform.machine() != "x86_64":
        return "the Python that runs is not for x86-64"
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed (Debian: qemu-user)"
    text = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(number) for number in re.findall(r"version (\d+)\.(\d+)", text)[0])
    return "" if version >= FIRST_WITH_AVX2 else f"qemu {version} emulates no AVX2"


pytestmark = pytest.mark.qemu


@pytest.fixture(scope="session", autouse=True)
def emulated() -> None:
    """Before anything is compiled for it."""
    if missing():
        absent(missing())


def on_haswell(program: str, *arguments: object, root: Path | None = None, home: Path | None = None) -> str:
    """Run Python on an emulated Haswell: what it printed. `root` holds what the kernel says about the CPU."""
    told = ("-L", str(root)) if root else ()
    command = (QEMU, *told, "-cpu", "Haswell", sys.executable, "-c", program, *(str(value) for value in arguments))
    environment = {**os.environ, "VMAMBA_EDGE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    (folder / "proc").mkdir()
    (folder / "proc" / "cpuinfo").write_text(CPUINFO)
    return folder


@pytest.fixture(scope="module")
def frames(shipped: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gate frames of the shipped bundle as network input."""
    bundle = load_bundle(shipped.bundle, Keyring(shipped.home))
    squares = gate_from_bundle(bundle).squares[1 : FRAMES + 1]
    path = tmp_path_factory.mktemp("frames") / "frames.npy"
    np.save(path, np.concatenate([input_from_square(square, bundle.manifest.preprocess) for square in squares]))
    return path


def bundle_with_weights(shipped: Made, seven_bits: bool, folder: Path) -> Path:
    """The shipped bundle with the engine that `edge compile` makes on either kind of CPU."""
    qdq, table = (artifact_from_file(shipped.work / name) for name in ("qdq.onnx", "table.json"))
    engine = cpu_from_qdq(qdq, table, folder / "engine.onnx", reduce_range=seven_bits)
    keyring = Keyring(shipped.home)
    bundle = load_bundle(shipped.bundle, keyring)
    parts = {name: bundle.part(name) for name in bundle.parts} | {CPU_MODEL: engine.path.read_bytes()}
    path = folder / "x.edge"
    path.write_bytes(bytes_from_parts(bundle.manifest, parts, keyring.development_key()))
    return path


def native(shipped: Made, file: Path, frames: Path, folder: Path, program: str = ONE_SESSION) -> Logits:
    environment = {**os.environ, "VMAMBA_EDGE_HOME": str(shipped.home)}
    command = (sys.executable, "-c", program, str(file), str(frames), str(folder / "native.npy"))
    subprocess.run(command, env=environment, check=True)
    return np.asarray(np.load(folder / "native.npy"))


def distance(got: Path, expected: Logits) -> float:
    """Largest difference of logits, in units of their spread."""
    return float(np.abs(np.load(got) - expected).max() / expected.std())


def test_a_haswell_is_told_from_a_cpu_with_vnni(root: Path) -> None:
    text = on_haswell("from edge.cpu import load_cpu; print(load_cpu().saturates)", root=root)
    assert text.strip() == "True"


def test_the_worst_product_saturates_unless_precision_is_asked_for() -> None:
    careless, precise = (int(line) for line in on_haswell(WORST_CASE).split())
    assert precise == 64 * 255 * 127
    assert careless == 32 * (2**15 - 1)  # pairs of products, each cut to 16 bits


def test_a_full_range_bundle_answers_on_a_haswell_as_on_a_cpu_with_vnni(
    shipped: Made, frames: Path, root: Path, tmp_path: Path
) -> None:
    bundle = bundle_with_weights(shipped, seven_bits=False, folder=tmp_path)
    on_haswell(ONE_SESSION, bundle, frames, tmp_path / "haswell.npy", root=root, home=shipped.home)
    assert distance(tmp_path / "haswell.npy", native(shipped, bundle, frames, tmp_path)) < EQUAL


def test_a_full_range_engine_goes_wrong_on_a_haswell_that_is_not_recognised(
    shipped: Made, frames: Path, tmp_path: Path
) -> None:
    if load_cpu().saturates:
        pytest.skip("this CPU has no VNNI either: the host's own flags switch precision on")
    bundle = bundle_with_weights(shipped, seven_bits=False, folder=tmp_path)
    on_haswell(ONE_ENGINE, tmp_path / "engine.onnx", frames, tmp_path / "haswell.npy")
    assert distance(tmp_path / "haswell.npy", native(shipped, bundle, frames, tmp_path)) > OFF


def test_a_seven_bit_bundle_answers_alike_whether_or_not_the_cpu_is_recognised(
    shipped: Made, frames: Path, root: Path, tmp_path: Path
) -> None:
    bundle = bundle_with_weights(shipped, seven_bits=True, folder=tmp_path)
    on_haswell(ONE_SESSION, bundle, frames, tmp_path / "told.npy", root=root, home=shipped.home)
    assert distance(tmp_path / "told.npy", native(shipped, bundle, frames, tmp_path)) < EQUAL
    engine = tmp_path / "engine.onnx"
    on_haswell(ONE_ENGINE, engine, frames, tmp_path / "untold.npy")
    assert distance(tmp_path / "untold.npy", native(shipped, engine, frames, tmp_path, ONE_ENGINE)) < EQUAL
