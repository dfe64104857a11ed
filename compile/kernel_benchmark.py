"""SelectiveScan2D against what else could run it, in one run: the native library in, nanoseconds an element out.

::

    STAGES --kernel_forms--> calls --in turns--> CPU seconds, wall seconds --weighted by the network--> KernelTimes

An element is one channel of one pixel of one route. The stages are VMamba-T's at 224 x 224, batch 1. One-thread figures
are CPU time of the thread, so that a busy machine counts less, and medians; figures of two threads need the wall's
clock, and are the best of all rounds. Every timed call follows an untimed one: in a network the map is fresh in cache.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from compile.kernel_forms import (
    Floats,
    NativeStage,
    Run,
    Stage,
    linear_attention,
    operands_from_stage,
    operator_session,
    streaming,
    torch_forms,
)
from compile.kernels.build import kernel_from_sources
from compile.kernels.native import ISAS, NativeKernel
from edge.cpu import Cpu
from edge.errors import DeviceError

STAGES = (Stage(56, 96, 2), Stage(28, 192, 2), Stage(14, 384, 8), Stage(7, 768, 2))  # VMamba-T[s1l8]
POOLS = ("library", "onnxruntime")  # whose threads: the library's own, started for one call, or ONNX Runtime's
THREADS = (1, 2)
WALL_CALLS = 5  # in a row: the best of few calls on two cores is too often one that had to wait for a core
NO_TORCH = "torch is not installed: torch_chunked_ns and backward_torch_ns are null (extra: compile)."
ONE_CORE = "This process may use one core only: two threads can be no faster than one."


@dataclass(frozen=True)
class StageTimes:
    """One stage.

    Attributes:
        stage: its shape.
        cpu_ns: form -> ns an element, CPU time of one thread, median; a form that cannot run here is missing.
        wall_ns: "POOL_1t" or "POOL_2t" -> ns an element, wall time, best.
    """

    stage: Stage
    cpu_ns: Mapping[str, float]
    wall_ns: Mapping[str, float]


@dataclass(frozen=True)
class KernelTimes:
    """What was measured.

    Attributes:
        isas: instruction sets that were timed, the best one last.
        rounds: timed calls of each form.
        stages: one row a stage.
        notes: what the user should know.
    """

    isas: tuple[str, ...]
    rounds: int
    stages: tuple[StageTimes, ...]
    notes: tuple[str, ...]

    @property
    def cpu_ns(self) -> dict[str, float]:
        """Form -> ns an element, CPU time of one thread, over the whole network."""
        return _weighted([(row.stage, row.cpu_ns) for row in self.stages])

    @property
    def wall_ns(self) -> dict[str, float]:
        """Pool and threads -> ns an element, wall time, over the whole network."""
        return _weighted([(row.stage, row.wall_ns) for row in self.stages])

    @property
    def best_pool(self) -> str:
        """The pool that is the faster one with two threads."""
        wall_ns = self.wall_ns
        return min(POOLS, key=lambda pool: wall_ns[f"{pool}_2t"])


def kernel_times(
    cpu: Cpu,
    folder: Path,
    compiler: str,
    rounds: int,
    progress: Callable[[str, float], None],
    stages: Sequence[Stage] = STAGES,
) -> KernelTimes:
    """Build the library, or take the one that is there, and time every form in turns.

    Args:
        cpu: this one.
        folder: where native libraries are kept.
        compiler: of C++, as $CXX names it; empty: the system's.
        rounds: timed calls of each form, at least 1.
        progress: told what is done, 0..1.
        stages: the scans of a network.

    Raises:
        UsageError: there is no kernel for this machine.
        DeviceError: there is no compiler, or the library cannot be loaded.
    """
    progress("building the kernel", 0.0)
    library = kernel_from_sources(cpu.machine, folder, compiler).path
    kernel = NativeKernel(library)
    notes = [] if len(os.sched_getaffinity(0)) > 1 else [ONE_CORE]
    rows = []
    with _one_torch_thread():
        for index, stage in enumerate(stages):
            operands = operands_from_stage(stage)
            forms, absent = _forms(kernel, operands)
            notes += absent
            done = partial(_share_done, progress, index, len(stages))
            rows.append(_times(stage, forms, _threaded_forms(kernel, library, operands), rounds, done))
    return KernelTimes(kernel.isas, rounds, tuple(rows), tuple(dict.fromkeys(notes)))


def document_from_times(times: KernelTimes, cpu: Cpu) -> dict[str, Any]:
    """The JSON document: the keys of the contract, then the details."""
    ns, wall_ns, best, pool = times.cpu_ns, times.wall_ns, times.isas[-1], times.best_pool
    return {
        "schema": 1,
        "machine": {"machine": cpu.machine, "cpu": cpu.model},
        "isa": best,
        "ns_per_element_1t": ns[best],
        "ns_per_element_2t": wall_ns[f"{pool}_2t"],
        "backward_ns": ns["backward"],
        "linear_attention_ns": ns.get("linear_attention"),
        "torch_chunked_ns": ns.get("torch_chunked"),
        "stream_ns": ns["stream"],
        "backward_torch_ns": ns.get("backward_torch"),
        "isa_ns": {isa: ns[isa] for isa in times.isas},
        "two_threads": {
            "pool": pool,
            "wall_ns": wall_ns,
            "speedup": {pool: wall_ns[f"{pool}_1t"] / wall_ns[f"{pool}_2t"] for pool in POOLS},
        },
        "ratios": {name: value / ns[best] for name, value in ns.items()},
        "rounds": times.rounds,
        "stages": [_document_from_stage(row) for row in times.stages],
        "notes": list(times.notes),
    }


def _document_from_stage(row: StageTimes) -> dict[str, Any]:
    sizes = {**asdict(row.stage), "dt_rank": row.stage.dt_rank, "elements": row.stage.elements}
    return {**sizes, "cpu_ns": dict(row.cpu_ns), "wall_ns": dict(row.wall_ns)}


def _forms(kernel: NativeKernel, operands: Sequence[Floats]) -> tuple[dict[str, Run], list[str]]:
    """What one thread runs, and why a form is missing."""
    forms: dict[str, Run] = {isa: NativeStage(kernel, operands, ISAS[isa]).forward for isa in kernel.isas}
    forms["backward"] = NativeStage(kernel, operands).backward
    notes = []
    try:
        forms["linear_attention"] = linear_attention(operands)
    except DeviceError as error:
        notes.append(f"{error.cause} linear_attention_ns is null.")
    try:
        forms |= torch_forms(kernel, operands)
    except ImportError:
        notes.append(NO_TORCH)
    return forms | {"stream": streaming(operands)}, notes


def _threaded_forms(kernel: NativeKernel, library: Path, operands: Sequence[Floats]) -> dict[str, Run]:
    """The native forward pass, with each pool and each number of threads."""
    forms: dict[str, Run] = {}
    for threads in THREADS:
        forms[f"library_{threads}t"] = partial(NativeStage(kernel, operands).forward, threads)
        forms[f"onnxruntime_{threads}t"] = operator_session(library, operands, threads)
    return forms


def _times(
    stage: Stage, forms: Mapping[str, Run], threaded: Mapping[str, Run], rounds: int, done: Callable[[float], None]
) -> StageTimes:
    cpu_s: dict[str, list[float]] = {name: [] for name in forms}
    wall_s: dict[str, list[float]] = {name: [] for name in threaded}
    for turn in range(rounds):
        for name, run in forms.items():
            cpu_s[name] += _seconds(run, time.thread_time, 1)
        for name, run in threaded.items():
            wall_s[name] += _seconds(run, time.perf_counter, WALL_CALLS)
        done((turn + 1) / rounds)
    scale = 1e9 / stage.elements
    cpu_ns = {name: float(np.median(values)) * scale for name, values in cpu_s.items()}
    return StageTimes(stage, cpu_ns, {name: min(values) * scale for name, values in wall_s.items()})


def _seconds(run: Run, clock: Callable[[], float], calls: int) -> list[float]:
    run()
    clocks = [clock()]
    for _ in range(calls):
        run()
        clocks.append(clock())
    return [after - before for before, after in pairwise(clocks)]


def _weighted(rows: Sequence[tuple[Stage, Mapping[str, float]]]) -> dict[str, float]:
    total = sum(stage.scans * stage.elements for stage, _ in rows)
    return {name: sum(stage.scans * stage.elements * ns[name] for stage, ns in rows) / total for name in rows[0][1]}


def _share_done(progress: Callable[[str, float], None], index: int, count: int, share: float) -> None:
    progress("kernels", (index + share) / count)


@contextlib.contextmanager
def _one_torch_thread() -> Iterator[None]:
    """torch's own threads off, where it is installed; else nothing."""
    try:
        import torch
    except ImportError:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
