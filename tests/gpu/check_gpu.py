"""The script for a machine with a CUDA device: `python -m tests.gpu.check_gpu`. Needs nvcc and torch with CUDA.

::

    build -> numerics -> gradients, graphs, threads -> sanitizer -> plugin
          -> speed -> unfused -> training -> all architectures

Each section is a process of its own, so one that crashes the device does not take the others along. Prints a table and
writes JSON. Exit: 0 all sections ran and are fine, 1 one failed, 3 none failed but something could not run, 4 no CUDA
device. See docs/gpu.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import DeviceError, EdgeError

ROOT = Path(__file__).parents[2]
FAILED, NOT_RUN, NO_DEVICE = 1, 3, 4  # exit statuses
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """What every section is given.

    Attributes:
        folder: for libraries and results.
        architecture: compute capability of the device, e.g. 90.
    """

    folder: Path
    architecture: int

    @property
    def library(self) -> Path:
        """The kernels, built before any section."""
        from compile.kernels.build_cuda import cuda_library_from_sources

        return cuda_library_from_sources([self.architecture], self.folder).path


def numerics(place: Place) -> Rows:
    """Every golden case in every type against float64."""
    from compile.kernels.native_cuda import CudaKernel
    from tests.gpu.numerics import forward_rows

    return list(forward_rows(CudaKernel(place.library)))


def gradients(place: Place) -> Rows:
    """Gradients, repeatability, recorded graphs, two threads."""
    from compile.kernels.native_cuda import CudaKernel
    from tests.gpu.numerics import gradient_row, graph_row, repeat_row, thread_row

    kernel = CudaKernel(place.library)
    return [gradient_row(kernel), repeat_row(kernel), graph_row(kernel), thread_row(kernel)]


def sanitizer(place: Place) -> Rows:
    """compute-sanitizer over a small C program that runs every kernel."""
    from compile.kernels.build import SOURCES
    from compile.kernels.build_cuda import nvcc_from_system
    from tests.gpu.process import run

    program, nvcc = place.folder / "driver", nvcc_from_system()
    sources = [str(Path(__file__).parent / "driver.c"), str(SOURCES / "cuda" / "launch.cu")]
    flags = ["-std=c++17", "-O2", "-lineinfo", f"-arch=sm_{place.architecture}", f"-I{SOURCES}", "-x", "cu"]
    run([str(nvcc), *flags, *sources, "-o", str(program)], 120)
    run([str(program)], 60)
    rows: Rows = [{"what": "driver", "failed": 0}]
    beside = nvcc.resolve().parent / "compute-sanitizer"
    tool = shutil.which("compute-sanitizer") or (str(beside) if beside.is_file() else "")
    for check in ("memcheck", "racecheck", "synccheck", "initcheck"):
        if not tool:
            rows.append({"what": check, "not_run": "no compute-sanitizer"})
            continue
        try:
            run([tool, "--tool", check, "--error-exitcode", "9", str(program)], 90)
            rows.append({"what": check, "failed": 0})
        except DeviceError as error:
            rows.append({"what": check, "failed": 1, "first": [error.cause]})
    return rows


def plugin(place: Place) -> Rows:
    """The TensorRT plugin's enqueue, recorded in CUDA graphs."""
    from tests.gpu.plugin import plugin_rows

    return list(plugin_rows(place.folder))


def speed(place: Place) -> Rows:
    """VMamba-T's stages beside their roofline."""
    from compile.kernels.native_cuda import CudaKernel
    from tests.gpu.bench import peaks
    from tests.gpu.speed import speed_rows

    measured = peaks(place.folder, place.architecture)
    return [{"what": "peaks", **vars(measured)}, *speed_rows(CudaKernel(place.library), measured)]


def unfused(place: Place) -> Rows:
    """The same beside separate operations."""
    from compile.kernels.native_cuda import CudaKernel
    from tests.gpu.speed import unfused_rows

    return list(unfused_rows(CudaKernel(place.library)))


def training(place: Place) -> Rows:
    """A training step beside the torch form, eager."""
    from compile.kernels.native_cuda import CudaKernel
    from tests.gpu.training import training_row

    return [training_row(CudaKernel(place.library), compiled=False)]


def training_compiled(place: Place) -> Rows:
    """A training step beside the torch form through torch.compile."""
    from compile.kernels.native_cuda import CudaKernel
    from tests.gpu.training import training_row

    return [training_row(CudaKernel(place.library), compiled=True)]


def architectures(place: Place) -> Rows:
    """One library for every architecture, and what each kernel takes on this one."""
    from compile.kernels.build_cuda import ARCHITECTURES, cubins_from_sources, cuda_library_from_sources

    rows = [
        vars(kernel) for cubin in cubins_from_sources([place.architecture], place.folder) for kernel in cubin.kernels
    ]
    library = cuda_library_from_sources(ARCHITECTURES, place.folder)
    return [*rows, {"what": "library", "bytes": library.path.stat().st_size}]


SECTIONS: dict[
    str, tuple[Callable[[Place], Rows], int]
] = {  # name -> what, seconds at most; docs/gpu.md names their sum
    "numerics": (numerics, 100),
    "gradients": (gradients, 50),
    "sanitizer": (sanitizer, 110),
    "plugin": (plugin, 90),
    "speed": (speed, 110),
    "unfused": (unfused, 40),
    "training": (training, 40),
    "training_compiled": (training_compiled, 60),
    "architectures": (architectures, 40),
}


def device_architecture() -> int:
    """Compute capability of the first CUDA device, e.g. 90.

    Raises:
        DeviceError: torch has no CUDA, or there is no device.
    """
    import torch

    if not torch.cuda.is_available():
        raise DeviceError(
            "There is no CUDA device that torch can use.", "Run this on a machine with a GPU; see docs/gpu.md."
        )
    major, minor = torch.cuda.get_device_capability()
    return 10 * major + minor


def run_section(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """One section in a process of its own: its rows, or why there are none."""
    output, started = folder / f"{name}.json", time.monotonic()
    output.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.gpu.check_gpu", "--section", name, "--folder", str(folder)]
    result: dict[str, Any] = {"section": name, "rows": [], "error": ""}
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
        if output.is_file():
            result["rows"] = json.loads(output.read_text("utf-8"))
        else:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
            result["error"] = f"ended with {done.returncode}: {lines[-1][:300]}"
    except subprocess.TimeoutExpired:
        result["error"] = f"took more than {seconds} s"
    return result | {"seconds": time.monotonic() - started, "state": state_of(result["rows"], result["error"])}


def state_of(rows: Rows, error: str) -> str:
    """What a section's rows come to: "ok", "FAILED", or "not run" where a row could not run and none failed."""
    if error or not rows or any(row.get("failed") for row in rows):
        return "FAILED"
    return "not run" if any("not_run" in row for row in rows) else "ok"


def exit_status(states: Iterable[str]) -> int:
    """0 only where every section ran and is fine."""
    seen = set(states)
    return FAILED if "FAILED" in seen else NOT_RUN if "not run" in seen else 0


def show(result: dict[str, Any]) -> None:
    """One section for people."""
    print(f"\n{result['section']}: {result['state']} ({result['seconds']:.0f} s) {result['error']}")
    for row in result["rows"]:
        print("  " + "  ".join(f"{key} {_text(value)}" for key, value in row.items()))


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the sections, or the ones named."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.check_gpu", description=__doc__.split("\n")[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; none: all")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "gpu", help="for libraries and results")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    options = parser.parse_args(None if arguments is None else list(arguments))
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    try:
        place = Place(options.folder.absolute(), device_architecture())
        place.folder.mkdir(parents=True, exist_ok=True)
        if options.section:
            rows = SECTIONS[options.section][0](place)
            (place.folder / f"{options.section}.json").write_text(json.dumps(rows, default=str), "utf-8")
            return 0
        print(f"Kernels for sm_{place.architecture}: {place.library}")
    except EdgeError as error:
        print(f"error: {error.cause}\n  cure: {error.cure}", file=sys.stderr)
        return NO_DEVICE if isinstance(error, DeviceError) else error.exit_code
    results = []
    for name in options.sections or SECTIONS:
        results.append(run_section(name, place.folder, SECTIONS[name][1]))
        show(results[-1])
    path = place.folder / "check_gpu.json"
    path.write_text(
        json.dumps({"architecture": place.architecture, "sections": results}, indent=2, default=str), "utf-8"
    )
    print(f"\nWritten to {path}")
    print("; ".join(f"{result['section']}: {result['state']}" for result in results))
    return exit_status(result["state"] for result in results)


if __name__ == "__main__":
    sys.exit(main())
