"""Timing on a CUDA device: launches in a recorded graph, medians of interleaved rounds, the device's own peaks."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from compile.kernels.build_cuda import nvcc_from_system
from tests.gpu.process import run

ROUNDS = 7
GRAPH_MS = 4.0  # about what one recorded graph shall take, so that starting it costs nothing beside it
MAX_LAUNCHES = 400


@dataclass(frozen=True)
class Peaks:
    """What this device reaches, measured in this run.

    Attributes:
        copy: bytes read and written a second.
        ffma: float32 multiply-adds a second.
        special: exponentials (ex2) a second.
        launch_us: an empty kernel in a graph.
    """

    copy: float
    ffma: float
    special: float
    launch_us: float


def microseconds(work: Mapping[str, Callable[[int], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median time of each piece of work.

    Args:
        work: name -> what puts one launch on the current stream; its number lets it take turns of buffers.
        rounds: how often each is timed, all in turn.
    """
    recorded = {name: _recorded(launch) for name, launch in work.items()}
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (graph, launches) in recorded.items():
            times[name].append(_elapsed_ms(graph.replay) * 1e3 / launches)
    return {name: sorted(values)[len(values) // 2] for name, values in times.items()}


def eager_microseconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median time of work that a graph cannot hold, e.g. a training step."""
    for _ in range(2):
        work()
    return sorted(_elapsed_ms(work) * 1e3 for _ in range(rounds))[rounds // 2]


def peaks(folder: Path, architecture: int) -> Peaks:
    """The device's own peaks.

    Args:
        folder: where the small library goes.
        architecture: compute capability, e.g. 90.
    """
    library = folder / "peaks.so"
    source = Path(__file__).parent / "peaks.cu"
    flags = ["-O3", "-shared", "-Xcompiler=-fPIC", f"-arch=sm_{architecture}"]
    run([str(nvcc_from_system()), *flags, str(source), "-o", str(library)], 120)
    launch = ctypes.CDLL(str(library)).peak_launch
    launch.restype = ctypes.c_int64
    out = torch.zeros(1, device="cuda")
    blocks = torch.cuda.get_device_properties(0).multi_processor_count * 16
    operations = {}

    def put(which: int) -> Callable[[int], object]:
        def work(_: int) -> None:
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            operations[which] = launch(which, blocks, 4096 if which < 2 else 0, ctypes.c_void_p(out.data_ptr()), stream)

        return work

    source_bytes = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    target_bytes = torch.empty_like(source_bytes)
    times = microseconds(
        {
            "ffma": put(0),
            "special": put(1),
            "launch": put(2),
            "copy": lambda _: target_bytes.copy_(source_bytes),
        }
    )
    return Peaks(
        2 * source_bytes.numel() / times["copy"] * 1e6,
        operations[0] / times["ffma"] * 1e6,
        operations[1] / times["special"] * 1e6,
        times["launch"],
    )


def _recorded(launch: Callable[[int], object]) -> tuple[torch.cuda.CUDAGraph, int]:
    """A graph of so many launches that it takes GRAPH_MS."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for turn in range(3):
            launch(turn)
    torch.cuda.synchronize()
    once_ms = max(_elapsed_ms(lambda: launch(0)), 1e-3)
    launches = int(min(MAX_LAUNCHES, max(1, GRAPH_MS / once_ms)))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for turn in range(launches):
            launch(turn)
    graph.replay()
    torch.cuda.synchronize()
    return graph, launches


def _elapsed_ms(work: Callable[[], object]) -> float:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end))
