"""NVIDIA's run-time compiler as a cross-compiler: CUDA sources -> device code, without a toolkit or a driver.

In: a folder with kernels.cu. Out: a cubin and ptxas' report. Needs the packages cuda-bindings and nvidia-cuda-nvrtc.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.errors import DeviceError

HEADER = "cuda_fp16.h"
TOOLKITS = ("/usr/local/cuda/include", "/opt/cuda/include")
# NVRTC has no C library; these two are all that the kernels include of one.
STANDARD_HEADERS = {
    "string.h": "",
    "stdint.h": """
typedef signed char int8_t; typedef unsigned char uint8_t; typedef short int16_t; typedef unsigned short uint16_t;
typedef int int32_t; typedef unsigned int uint32_t; typedef long long int64_t; typedef unsigned long long uint64_t;
typedef unsigned long long uintptr_t;
""",
}


def cubin_from_sources(architecture: int, folder: Path, include: Path | None = None) -> tuple[bytes, str, str]:
    """Compile kernels.cu of a folder for one architecture.

    Args:
        architecture: compute capability without the dot, e.g. 87.
        folder: of the sources.
        include: folder of cuda_fp16.h; nothing: where a toolkit or the package nvidia-cuda-runtime has it.

    Returns:
        The cubin, ptxas' report, and the compiler's name and version.

    Raises:
        DeviceError: a package or header is missing, or the sources do not compile.
    """
    try:
        nvrtc: Any = importlib.import_module("cuda.bindings.nvrtc")
        major, minor = _called(nvrtc, "nvrtcVersion")
    except (ImportError, RuntimeError, OSError) as error:
        raise DeviceError(
            f"NVRTC is not there: {str(error)[:200]}", "pip install cuda-bindings nvidia-cuda-nvrtc, or install nvcc."
        ) from error
    headers = [(text.encode(), name.encode()) for name, text in STANDARD_HEADERS.items()]
    texts, names = [text for text, _ in headers], [name for _, name in headers]
    source = (folder / "kernels.cu").read_bytes()
    program = _called(nvrtc, "nvrtcCreateProgram", source, b"kernels.cu", len(names), texts, names)
    options = [
        f"--gpu-architecture=sm_{architecture}",
        *("--std=c++17", "--ptxas-options=-v", f"--include-path={folder}"),
        f"--include-path={include or header_folder()}",
    ]
    (result,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    report = _bytes(nvrtc, "ProgramLog", program).decode(errors="replace")
    if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        reason = next((line for line in report.splitlines() if "error" in line), str(result))
        raise DeviceError(f"NVRTC cannot compile for sm_{architecture}: {reason[:300]}", "Use CUDA 12.6 or newer.")
    return _bytes(nvrtc, "CUBIN", program), report, f"nvrtc {major}.{minor}"


def header_folder() -> Path:
    """The folder that holds CUDA's headers.

    Raises:
        DeviceError: there is none.
    """
    for folder in (*map(Path, TOOLKITS), *_packaged()):
        if (folder / HEADER).is_file():
            return folder
    raise DeviceError(
        f"CUDA's header {HEADER} is not there.", "pip install nvidia-cuda-runtime, or install the toolkit."
    )


def _packaged() -> Iterator[Path]:
    """Where NVIDIA's Python packages put headers, e.g. nvidia/cu13/include."""
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(root).glob("*/include"))


def _bytes(nvrtc: Any, what: str, program: Any) -> bytes:
    data = b" " * int(_called(nvrtc, f"nvrtcGet{what}Size", program))
    _called(nvrtc, f"nvrtcGet{what}", program, data)
    return data


def _called(nvrtc: Any, function: str, *arguments: Any) -> Any:
    result, *values = getattr(nvrtc, function)(*arguments)
    if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise DeviceError(f"NVRTC's {function} failed: {result}.", "Install cuda-bindings and nvidia-cuda-nvrtc again.")
    return values[0] if len(values) == 1 else values
