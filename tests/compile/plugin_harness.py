"""The C++ harness for Python: the plugin's code, built here, on arrays of the host.

::

    harness/scan_harness.cpp   + tensorrt/scan.cpp + kernels             everywhere
    harness/plugin_harness.cpp --dlopen--> tensorrt/*.cpp + kernels      where TensorRT's headers are
    kernels: on the CPU through the shim, or on a CUDA device where there is one
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compile.kernels.build import compiler_from_target
from compile.kernels.build_cuda import nvcc_from_system
from compile.kernels.build_plugin import PLUGIN_SOURCES, SOURCES, headers_from_system, plugin_from_sources
from edge.cpu import load_cpu
from edge.errors import DeviceError

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "harness"
SHIM = Path(__file__).parent / "shim"
FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-fPIC", "-I", str(ROOT))
LINK = ("-shared", "-Wl,--no-undefined")
CAPABILITY_MAJOR = 75  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR; the minor one follows
DTYPES = ("float32", "float16", "int8", "int32")  # ss2d_dtype, and one that no kernel takes
TENSORS = 7
MAX_RANK = 4
Array = NDArray[np.generic]


class Scan(ctypes.Structure):
    """harness_scan."""

    _fields_ = [
        ("routes", ctypes.POINTER(ctypes.c_int32)),
        ("routes_n", ctypes.c_int32),
        ("layout", ctypes.c_char_p),
        *((name, ctypes.c_float) for name in ("u_scale", "x_dbl_scale", "y_scale")),
        ("dtypes", ctypes.c_int32 * TENSORS),
        ("sizes", (ctypes.c_int64 * MAX_RANK) * TENSORS),
        ("inputs", ctypes.c_void_p * (TENSORS - 1)),
        ("y", ctypes.c_void_p),
        ("tactic", ctypes.c_int32),
    ]


@dataclass(frozen=True)
class Job:
    """One scan: six inputs and the attributes.

    Attributes:
        inputs: u, x_dbl, dt_weight, dt_bias, A, D, contiguous.
        routes: K of 0..3.
        y_dtype: a name out of DTYPES.
        layout: "last" or "first".
        scales: of u, x_dbl, y; 0 where there is none.
        tactic: 0, or one of those that fit.
    """

    inputs: Sequence[Array]
    routes: Sequence[int]
    y_dtype: str = "float32"
    layout: str = "last"
    scales: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tactic: int = 0


class Harness:
    """A harness at work.

    Args:
        library: the harness.
        plugin: what it opens; empty where it holds the code itself.
    """

    def __init__(self, library: Path, plugin: Path | None = None) -> None:
        self.library = ctypes.CDLL(str(library))
        for name in ("harness_open", "harness_forward", "harness_check"):
            getattr(self.library, name).restype = ctypes.c_char_p
        assert self.library.harness_open(str(plugin or "").encode()) is None

    def supports(self, job: Job) -> bool:
        """Whether its types are one of the combinations."""
        answer = self._call("supports", job, np.empty(job.inputs[0].shape, job.y_dtype))
        assert answer in (0, 1), "a format that is not linear"
        return bool(answer)

    def tactics(self, job: Job) -> int:
        """How many tactics fit."""
        answer = self._call("tactics", job, np.empty(job.inputs[0].shape, job.y_dtype))
        assert isinstance(answer, int)
        return answer

    def forward(self, job: Job) -> Array:
        """y. A refusal is a ValueError."""
        y = np.full(job.inputs[0].shape, 77, job.y_dtype)
        self._raise(self._call("forward", job, y))
        return y

    def check(self, job: Job) -> Array:
        """Everything that TensorRT calls, and y at the end."""
        y = np.full(job.inputs[0].shape, 77, job.y_dtype)
        self._raise(self._call("check", job, y))
        return y

    def _call(self, name: str, job: Job, y: Array) -> int | bytes | None:
        scan = Scan(layout=job.layout.encode(), routes_n=len(job.routes), tactic=job.tactic)
        scan.routes = (ctypes.c_int32 * len(job.routes))(*job.routes)
        scan.u_scale, scan.x_dbl_scale, scan.y_scale = job.scales
        for index, tensor in enumerate((*job.inputs, y)):
            assert tensor.flags.c_contiguous
            scan.dtypes[index] = DTYPES.index(tensor.dtype.name)
            for axis, size in enumerate(tensor.shape):
                scan.sizes[index][axis] = size
            if index < TENSORS - 1:
                scan.inputs[index] = tensor.ctypes.data
        scan.y = y.ctypes.data
        answer: int | bytes | None = getattr(self.library, f"harness_{name}")(ctypes.byref(scan))
        return answer

    @staticmethod
    def _raise(answer: int | bytes | None) -> None:
        if answer is not None:
            raise ValueError(answer.decode() if isinstance(answer, bytes) else str(answer))


def scan_harness(folder: Path, on_gpu: bool = False) -> Harness:
    """The plugin's code without TensorRT, with the kernels on the CPU or on a CUDA device."""
    sources, path = [FOLDER / "scan_harness.cpp", SOURCES / "tensorrt" / "scan.cpp"], folder / "scan_harness.so"
    if on_gpu:
        return Harness(_by_nvcc(path, [*sources, SOURCES / "cuda" / "launch.cu"], _gpu_flags()))
    compiler = compiler_from_target(load_cpu().machine)
    return Harness(_run([*compiler, *FLAGS, *LINK], [*sources, *_kernels_on_cpu(folder)], path))


def plugin_harness(folder: Path, on_gpu: bool = False) -> Harness:
    """The plugin as TensorRT loads it, with the kernels on the CPU or on a CUDA device."""
    headers = headers_or_skip()
    include, harness, path = ["-isystem", str(headers)], [FOLDER / "plugin_harness.cpp"], folder / "plugin_harness.so"
    if on_gpu:
        plugin = plugin_from_sources(folder, (gpu_or_skip(),), headers).path
        return Harness(_by_nvcc(path, harness, [*include, *_gpu_flags()]), plugin)
    sources = [*(SOURCES / "tensorrt" / name for name in PLUGIN_SOURCES), *_kernels_on_cpu(folder)]
    flags = [*include, "-Xcompiler=-fvisibility=hidden", "-DVMAMBA_SOURCES=0test"]
    return Harness(_by_nvcc(path, harness, include), _by_nvcc(folder / "plugin.so", sources, flags))


def headers_or_skip() -> Path:
    """TensorRT's headers: in the folder TENSORRT_INCLUDE, or where the system has them."""
    named = os.environ.get("TENSORRT_INCLUDE")
    try:
        return headers_from_system(Path(named) if named else None)
    except DeviceError as error:
        pytest.skip(f"{error.cause} No package that CI can install holds them.")


def gpu_or_skip() -> int:
    """Compute capability of the CUDA device, e.g. 87."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        pytest.skip("no CUDA driver")
    major, minor = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetAttribute(ctypes.byref(major), CAPABILITY_MAJOR, 0):
        pytest.skip("no CUDA device")
    driver.cuDeviceGetAttribute(ctypes.byref(minor), CAPABILITY_MAJOR + 1, 0)
    return 10 * major.value + minor.value


def _kernels_on_cpu(folder: Path) -> list[Path]:
    """Objects of the kernels with the shim's GPU."""
    command = [*compiler_from_target(load_cpu().machine), *FLAGS, "-c"]
    flags = ["-I", str(SHIM), "-include", str(SHIM / "device.h"), "-x", "c++"]
    sources = (SOURCES / "cuda" / "launch.cu", SHIM / "fibers.cpp")
    return [_run([*command, *flags], [source], folder / f"{source.stem}.o") for source in sources]


def _by_nvcc(path: Path, sources: Sequence[Path], flags: Sequence[str]) -> Path:
    """A library by nvcc, which knows where CUDA's headers are; without the CUDA runtime unless the flags say so."""
    warnings = "-Xcompiler=-fPIC,-Wall,-Wextra"
    command = [str(nvcc_from_system()), "-std=c++17", "-O2", warnings, "-shared", "-I", str(ROOT)]
    return _run([*command, *(() if "-cudart=static" in flags else ("-cudart=none",)), *flags], sources, path)


def _gpu_flags() -> list[str]:
    return ["-DHARNESS_CUDA", f"-arch=sm_{gpu_or_skip()}", "-cudart=static"]


def _run(command: Sequence[str], sources: Sequence[Path], path: Path) -> Path:
    done = subprocess.run([*command, *map(str, sources), "-o", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return path
