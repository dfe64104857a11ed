"""SelectiveScan2D for CUDA devices: sources -> a library for several architectures, or the device code to look at.

::

    cuda/launch.cu + extra C++ sources --nvcc--> vmamba_cuda-<digest>.so           the ss2d_cuda_* functions
    cuda/kernels.cu --nvcc, or NVRTC where there is none--> cubin an architecture   registers, spills, shared memory
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.artifact import Artifact, artifact_from_file
from compile.kernels.kept import keep_library
from edge.errors import DeviceError, UsageError
from edge.files import sha256_from_bytes, sha256_from_file, write_atomic

SOURCES = Path(__file__).parent
ARCHITECTURES = (80, 86, 87, 89, 90, 110, 120)  # A100, GeForce 30, Orin, GeForce 40, H100 and H200, Thor, GeForce 50
CUDA_SUFFIXES = (".h", ".cuh", ".cu")
FLAGS = ("-std=c++17", "-O3", "-Xcompiler=-fPIC,-fvisibility=hidden")
LINK_FLAGS = ("-shared", "-cudart=static", "-Xlinker=-s", "-Xlinker=--no-undefined")
PLACES = ("/usr/local/cuda/bin/nvcc", "/opt/cuda/bin/nvcc")  # where installers leave it without a word to PATH
COMPILE_SECONDS = 1800  # a cart computer needs about a minute an architecture
MAX_THREADS = {"forward_kernel<*,true,*>": 512, "*": 256}  # the launch bounds in cuda/*.cuh
REGISTER_FILE = 65536  # of a multiprocessor, from sm_80 on
MAX_REGISTERS = 255  # of a thread; those that run 512 to a block may have half


@dataclass(frozen=True)
class KernelUsage:
    """What ptxas gave one kernel.

    Attributes:
        name: e.g. "forward_kernel<half,true,true>".
        registers: of a thread.
        spill_bytes: stores and loads of registers that did not fit, of a thread.
        stack_bytes: of a thread.
        shared_bytes: static shared memory of a block; what a launch adds is not in it.
    """

    name: str
    registers: int
    spill_bytes: int
    stack_bytes: int
    shared_bytes: int


@dataclass(frozen=True)
class Cubin:
    """The kernels' code for one architecture.

    Attributes:
        architecture: e.g. 87.
        path: the file.
        compiler: "nvcc" or "nvrtc", with its version.
        kernels: what each takes, by name.
    """

    architecture: int
    path: Path
    compiler: str
    kernels: tuple[KernelUsage, ...]


def nvcc_from_system(nvcc: str = "") -> Path:
    """The CUDA compiler.

    Args:
        nvcc: the only one to try, a name or path; empty: on the PATH, then where installers put it.

    Raises:
        DeviceError: there is none.
    """
    names = [nvcc] if nvcc else ["nvcc", *PLACES]
    for path in filter(None, map(shutil.which, names)):
        return Path(path)
    raise DeviceError(
        f"There is no CUDA compiler (tried: {', '.join(names)}).",
        "Install the CUDA toolkit (JetPack: apt install cuda-nvcc-12-6), or name nvcc's path.",
    )


def cuda_library_from_sources(
    architectures: Sequence[int],
    folder: Path,
    *,
    sources: Sequence[Path] = (),
    include: Sequence[Path] = (),
    flags: Sequence[str] = (),
    nvcc: str = "",
    progress: Callable[[str, float], None] | None = None,
    root: Path = SOURCES,
) -> Artifact:
    """Build the library, or take the one that the same sources, flags and compiler have built before.

    Args:
        architectures: compute capabilities without the dot, e.g. 87; code for each, and PTX of the newest.
        folder: where the library goes.
        sources: C++ files that go into it besides the kernels.
        include: folders of headers for them.
        flags: for nvcc, besides FLAGS.
        nvcc: the CUDA compiler; empty: the system's.
        progress: called with what is done and the share of it, 0 to 1.
        root: folder of the kernels' sources, laid out as this one.

    Returns:
        The library, `vmamba_cuda-<digest>.so`; it needs a driver, but no installed CUDA runtime.

    Raises:
        UsageError: no architecture was named.
        DeviceError: there is no CUDA compiler, it cannot compile this, or others can write the folder.
        MachineError: the folder cannot be written.
    """
    if not architectures:
        raise UsageError("No GPU architecture was named.", f"Name some of {', '.join(map(str, ARCHITECTURES))}.")
    compiler = nvcc_from_system(nvcc)
    version = _output([str(compiler), "--version"])[0].strip().rpartition("\n")[2]
    chosen = sorted(set(architectures))
    command = [*FLAGS, *LINK_FLAGS, *_code_flags(chosen), *flags, *(f"-I{path}" for path in include)]
    made_from = {"sources": _digest([*_cuda_files(root), *sources]), "compiler": version, "flags": " ".join(command)}
    digest = sha256_from_bytes(repr(sorted(made_from.items())).encode())
    path = folder / f"vmamba_cuda-{digest[:16]}.so"

    def build() -> bytes:
        if progress:
            progress(f"compiling for {', '.join(f'sm_{number}' for number in chosen)}", 0.0)
        inputs = [str(root / "cuda" / "launch.cu"), *map(str, sources)]
        with tempfile.TemporaryDirectory() as temporary:
            library = Path(temporary) / "library.so"
            _output([str(compiler), *command, "--threads=0", *inputs, "-o", str(library)])
            return library.read_bytes()

    keep_library(path, build)
    if progress:
        progress("compiled", 1.0)
    return artifact_from_file(path, made_from)


def cubins_from_sources(
    architectures: Sequence[int], folder: Path, nvcc: str = "", include: Path | None = None
) -> tuple[Cubin, ...]:
    """Compile the kernels alone and say what each takes.

    Args:
        architectures: compute capabilities without the dot.
        folder: where the cubins go.
        nvcc: the CUDA compiler; empty: the system's; "nvrtc": the library of the package nvidia-cuda-nvrtc.
        include: folder of cuda_fp16.h for NVRTC; nothing: where a toolkit or the package nvidia-cuda-runtime has it.

    Raises:
        DeviceError: there is no compiler, it fails, or a kernel spills registers or takes more than its block can have.
        MachineError: the folder cannot be written.
    """
    cubins = []
    for architecture in architectures:
        if nvcc == "nvrtc":
            from compile.kernels.nvrtc import cubin_from_sources

            code, report, compiler = cubin_from_sources(architecture, SOURCES / "cuda", include)
        else:
            code, report, compiler = _nvcc_cubin(architecture, nvcc_from_system(nvcc))
        path = folder / f"kernels-sm_{architecture}.cubin"
        write_atomic(path, code)
        cubins.append(Cubin(architecture, path, compiler, usage_from_report(report)))
        _check_limits(cubins[-1])
    return tuple(cubins)


def usage_from_report(report: str) -> tuple[KernelUsage, ...]:
    """What ptxas said of each kernel, sorted by name.

    Args:
        report: what `--resource-usage`, or ptxas with `-v`, prints.
    """
    found = []
    for part in report.split("Compiling entry function ")[1:]:
        symbol = part.split("'")[1]
        numbers = [
            _number(part, rf"(\d+) bytes {what}") for what in ("spill stores", "spill loads", "stack frame", "smem")
        ]
        registers = _number(part, r"Used (\d+) registers")
        found.append(KernelUsage(name_from_symbol(symbol), registers, numbers[0] + numbers[1], *numbers[2:]))
    return tuple(sorted(found, key=lambda kernel: kernel.name))


def name_from_symbol(symbol: str) -> str:
    """A kernel's readable name from its mangled one; Itanium C++ ABI, as far as these kernels need it."""
    match = re.match(r"_ZN4ss2d\d+([a-z_]+_kernel)(?:I((?:6__half|Lb[01]E|f|a)+)E)?", symbol)
    if not match:
        return symbol
    kinds = {"f": "float", "a": "int8", "6__half": "half", "Lb1E": "true", "Lb0E": "false"}
    values = re.findall("6__half|Lb[01]E|f|a", match[2] or "")
    return match[1] + (f"<{','.join(kinds[value] for value in values)}>" if values else "")


def _check_limits(cubin: Cubin) -> None:
    for kernel in cubin.kernels:
        fast = kernel.name.startswith("forward_kernel") and kernel.name.split(",")[1:2] == ["true"]
        limit = min(
            MAX_REGISTERS, REGISTER_FILE // (MAX_THREADS["forward_kernel<*,true,*>"] if fast else MAX_THREADS["*"])
        )
        if kernel.spill_bytes or kernel.registers > limit:
            raise DeviceError(
                f"{kernel.name} takes {kernel.registers} registers of {limit} on sm_{cubin.architecture} and spills "
                f"{kernel.spill_bytes} bytes.",
                f"Another compiler than {cubin.compiler} may do better, or the kernel must do less at once.",
            )


def _nvcc_cubin(architecture: int, compiler: Path) -> tuple[bytes, str, str]:
    version = _output([str(compiler), "--version"])[0].strip().rpartition("\n")[2]
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "kernels.cubin"
        source = str(SOURCES / "cuda" / "kernels.cu")
        flags = [*FLAGS[:2], f"-arch=sm_{architecture}", "-cubin", "--resource-usage"]
        report = "".join(_output([str(compiler), *flags, source, "-o", str(path)]))
        return path.read_bytes(), report, f"nvcc, {version}"


def _code_flags(architectures: Sequence[int]) -> list[str]:
    newest = architectures[-1]
    code = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in architectures]
    return [*code, f"-gencode=arch=compute_{newest},code=compute_{newest}"]


def _cuda_files(root: Path) -> list[Path]:
    files = (file for file in (root / "cuda").iterdir() if file.suffix in CUDA_SUFFIXES)
    return [root / "selective_scan.h", *sorted(files)]


def _digest(files: Sequence[Path]) -> str:
    lines = [f"{sha256_from_file(file)} {file.name}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _number(text: str, pattern: str) -> int:
    match = re.search(pattern, text)
    return int(match[1]) if match else 0


def _output(command: Sequence[str]) -> tuple[str, str]:
    """What a command prints and complains."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr + error.stdout).splitlines() or ["it says nothing"]
        reason = next((line for line in lines if "error" in line or "fatal" in line), lines[0])[:300]
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)[:300]
    else:
        return done.stdout, done.stderr
    raise DeviceError(
        f"The CUDA compiler {command[0]} failed: {reason}",
        "Use CUDA 12.6 or newer, one that knows the GPU, with a C++ compiler it supports.",
    )
