"""The stage kernel_from_sources: C++ sources -> one native library that ONNX Runtime and torch load.

::

    cpu/isa.cpp, layers.cpp --once per ISA of the machine------+
    cpu/dispatch.cpp, threads.cpp, ort_op.cpp, fused_op.cpp ---+--> selective_scan-<digest>.so
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from calibration.artifact import Artifact, artifact_from_file
from compile.kernels.kept import keep_library
from edge.cpu import load_cpu
from edge.errors import DeviceError, UsageError

SOURCES = Path(__file__).parent
FLAGS = (
    *("-std=c++17", "-O3", "-fPIC", "-pthread", "-fvisibility=hidden"),
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros"),
)  # no -ffinite-math-only: a NaN must come out as one
LINK_FLAGS = ("-shared", "-pthread", "-s", "-Wl,--no-undefined")
ISAS = {  # machine -> kernel object in cpu/kernel.h -> flags
    "x86_64": {f"kKernelV{level}": f"-march=x86-64-v{level}" for level in (2, 3, 4)},
    "aarch64": {"kKernelNeon": "-march=armv8-a"},
}
PLAIN_SOURCES = ("dispatch", "threads", "ort_op", "fused_op")
ISA_SOURCES = ("isa", "layers")
COMPILERS = ("c++", "g++", "clang++")
COMPILE_SECONDS = 300  # a slow cart computer needs about 60


def kernel_from_sources(target: str, folder: Path, compiler: str = "") -> Artifact:
    """Build the native library, or take the one that the same sources, flags and compiler have built before.

    Args:
        target: machine that shall run it, "x86_64" or "aarch64".
        folder: where the library goes.
        compiler: a C++ compiler, as $CXX names it; empty: the system's for this target.

    Returns:
        The library, `selective_scan-<digest>.so`.

    Raises:
        UsageError: there is no kernel for the target.
        DeviceError: there is no compiler for it, it cannot compile the sources, or others can write the folder.
        MachineError: the folder cannot be written.
    """
    if target not in ISAS:
        raise UsageError(f"There is no native kernel for {target!r}.", f"Choose one of: {', '.join(ISAS)}.")
    words = compiler_from_target(target, compiler)
    command = [*words, *FLAGS]
    made_from = {"sources": source_digest(), "compiler": _output([*words, "--version"]).partition("\n")[0]}
    made_from["flags"] = " ".join([*command, *ISAS[target].values(), *LINK_FLAGS])
    digest = hashlib.sha256(repr(sorted(made_from.items())).encode()).hexdigest()
    path = folder / f"selective_scan-{digest[:16]}.so"
    keep_library(path, lambda: _built(command, target))
    return artifact_from_file(path, made_from)


def compiler_from_target(target: str, compiler: str = "") -> list[str]:
    """The command of a C++ compiler that makes code for a machine.

    Args:
        target: "x86_64" or "aarch64".
        compiler: the only one to try, with options if need be ("ccache g++"); empty: the usual names.

    Raises:
        DeviceError: there is none.
    """
    names = [compiler] if compiler else [*COMPILERS, f"{target}-linux-gnu-g++"]
    for name, *options in filter(None, map(_words, names)):
        path = shutil.which(name)
        if path and _output([path, *options, "-dumpmachine"]).startswith(f"{target}-"):
            return [path, *options]
    package = "g++" if target == load_cpu().machine else f"g++-{target.replace('_', '-')}-linux-gnu"
    raise DeviceError(
        f"There is no C++ compiler for {target} (tried: {', '.join(names)}).",
        f"apt install {package}, or name one in CXX; without it the slower local function runs.",
    )


def source_digest() -> str:
    """SHA-256 over the native sources, hexadecimal."""
    digest = hashlib.sha256()
    files = [file for file in (SOURCES / "cpu").iterdir() if file.suffix in (".h", ".cpp")]
    for file in [SOURCES / "selective_scan.h", *sorted(files)]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quotation without end
        return []


def _built(command: Sequence[str], target: str) -> bytes:
    with tempfile.TemporaryDirectory() as objects:
        return _linked(command, target, Path(objects))


def _linked(command: Sequence[str], target: str, objects: Path) -> bytes:
    jobs = [[str(SOURCES / "cpu" / f"{name}.cpp"), "-o", str(objects / f"{name}.o")] for name in PLAIN_SOURCES]
    for kernel, flag in ISAS[target].items():
        for name in ISA_SOURCES:
            source, built = str(SOURCES / "cpu" / f"{name}.cpp"), str(objects / f"{name}-{kernel}")
            jobs.append([source, flag, f"-DSS2D_KERNEL={kernel}", "-o", built])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job: _output([*command, "-c", *job]), jobs))
    library = objects / "library.so"
    _output([*command, *LINK_FLAGS, *(job[-1] for job in jobs), "-o", str(library)])
    return library.read_bytes()


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.splitlines() or ["it says nothing"]
        reason = next((line for line in lines if "error" in line), lines[0])[:300]
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)[:300]
    else:
        return done.stdout
    raise DeviceError(
        f"The C++ compiler {command[0]} failed: {reason}", "Use GCC 11, clang 14 or newer (name it in CXX)."
    )
