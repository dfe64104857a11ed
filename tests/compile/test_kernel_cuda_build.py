"""The CUDA kernels as compilers see them: registers and spills, the library, and a sanitized C program."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from compile.kernels import build_cuda, nvrtc
from compile.kernels.build import SOURCES
from compile.kernels.build_cuda import (
    Cubin,
    cubins_from_sources,
    cuda_library_from_sources,
    name_from_symbol,
    nvcc_from_system,
    usage_from_report,
)
from compile.kernels.native_cuda import CudaKernel
from compile.kernels.torch_cuda import CudaScan, cuda_scan
from edge.errors import DeviceError, UsageError
from tests.compile.cuda_call import SHIM, shim_command
from tests.conftest import absent

CARTS = (87, 90, 110)  # Orin, H100 and H200, Thor
KERNELS = 18
REPORT = """ptxas info : Compiling entry function '_ZN4ss2d14forward_kernelI6__halfLb1ELb0EEEvNS_7ProblemE' for 'sm_87'
ptxas info    : Function properties for x
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 112 registers, used 1 barriers, 64 bytes smem, 896 bytes cmem[0]
"""


def nvcc_or_skip() -> str:
    if not shutil.which("nvcc"):
        pytest.skip("no nvcc")
    return ""


def nvrtc_or_skip() -> str:
    if not importlib.util.find_spec("cuda") or not importlib.util.find_spec("cuda.bindings"):
        absent("no cuda-bindings")
    try:
        nvrtc.header_folder()
    except DeviceError as error:
        absent(str(error))
    return "nvrtc"


def show(cubins: tuple[Cubin, ...]) -> None:
    """The table of registers, for -s."""
    print("\n" + " ".join([cubins[0].compiler.ljust(36), *(f"sm_{cubin.architecture:<5}" for cubin in cubins)]))
    for kernels in zip(*(cubin.kernels for cubin in cubins), strict=True):
        print(kernels[0].name.ljust(36), *(f"{kernel.registers:<8}" for kernel in kernels))


def test_nvcc_spills_nothing(tmp_path: Path) -> None:
    cubins = cubins_from_sources(CARTS, tmp_path, nvcc_or_skip())
    show(cubins)
    assert all(len(cubin.kernels) == KERNELS and cubin.path.stat().st_size > 1000 for cubin in cubins)


def test_nvrtc_spills_nothing(tmp_path: Path) -> None:
    cubins = cubins_from_sources((87,) if shutil.which("nvcc") else CARTS, tmp_path, nvrtc_or_skip())
    show(cubins)
    assert all(len(cubin.kernels) == KERNELS for cubin in cubins)


def test_the_library_is_built_once_and_answers_without_a_gpu(tmp_path: Path) -> None:
    nvcc_or_skip()
    told: list[float] = []
    library = cuda_library_from_sources((90,), tmp_path, progress=lambda _, share: told.append(share))
    assert (told[0], told[-1]) == (0.0, 1.0)
    written = library.path.stat().st_mtime_ns
    assert cuda_library_from_sources((90, 90), tmp_path) == library
    assert library.path.stat().st_mtime_ns == written
    assert CudaKernel(library.path).tactics > 1
    assert not hasattr(ctypes.CDLL(str(library.path)), "forward_kernel")
    scan = CudaScan(CudaKernel(library.path))
    assert not scan.accepts(torch.zeros(2))
    with pytest.raises(UsageError, match="CUDA"):
        scan.forward(*(torch.zeros(1, 1, 1, 1) for _ in range(6)), (0,), "last")


def test_no_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="architecture"):
        cuda_library_from_sources((), tmp_path)


def test_a_torch_without_cuda_is_told_so(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(DeviceError, match="no CUDA device"):
        cuda_scan(tmp_path)


def test_a_missing_compiler_is_one_line_of_cause_and_one_of_cure(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"no CUDA compiler.*CUDA toolkit") as caught:
        nvcc_from_system("no-such-nvcc")
    assert "\n" not in str(caught.value)


def test_an_unknown_architecture_is_the_compilers_word(tmp_path: Path) -> None:
    nvcc_or_skip()
    with pytest.raises(DeviceError, match="failed"):
        cuda_library_from_sources((31,), tmp_path)


def test_the_report_of_ptxas_is_read() -> None:
    (kernel,) = usage_from_report(REPORT)
    assert kernel == build_cuda.KernelUsage("forward_kernel<half,true,false>", 112, 16, 8, 64)
    assert name_from_symbol("_ZN4ss2d9dt_kernelENS_8BackwardE") == "dt_kernel"


def test_spills_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_cuda, "_nvcc_cubin", lambda *_: (b"code", REPORT, "nvcc, some version"))
    monkeypatch.setattr(build_cuda, "nvcc_from_system", lambda _: Path("nvcc"))
    with pytest.raises(DeviceError, match=r"forward_kernel<half,true,false> .* spills 16 bytes"):
        cubins_from_sources((87,), tmp_path)


def test_sanitizers_find_nothing_in_a_c_program(tmp_path: Path) -> None:
    if not shutil.which("gcc") or not shutil.which("g++"):
        pytest.skip("no GCC")
    flags = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    driver = str(tmp_path / "driver.o")
    command = [
        "gcc",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        *flags,
        "-I",
        str(SOURCES),
        "-c",
        str(SHIM / "driver.c"),
    ]
    subprocess.run([*command, "-o", driver], check=True)
    program = tmp_path / "driver"
    subprocess.run(shim_command("g++", program, *flags, driver), check=True)
    environment = {"ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0"}  # the driver frees nothing; fibers
    subprocess.run([str(program)], check=True, env=environment)
