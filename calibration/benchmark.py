"""Bundles and ONNX files -> latencies measured in one run, each file in a process of its own, taking turns.

Turns, because a shared machine drifts: what is compared must have met the same neighbours. Own processes, because peak
memory is a figure of a process.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge import errors
from edge.errors import EdgeError, MachineError
from edge.keyring import Keyring

WARM_UP = 5  # runs: allocation and first touch of the weights


@dataclass(frozen=True)
class Timing:
    """One file, batch 1.

    Attributes:
        file: its name.
        p50_ms, p90_ms, p99_ms: quantiles of the latency of one run of the network, milliseconds.
        images_per_s: 1000 / p50_ms.
        peak_mb: largest resident memory of the process, 10^6 bytes.
        notices: what a person must be told about the engine that was timed, e.g. that a native operator did not load.
    """

    file: str
    p50_ms: float
    p90_ms: float
    p99_ms: float
    images_per_s: float
    peak_mb: float
    notices: tuple[str, ...] = ()


def timings_from_files(
    files: Sequence[Path],
    threads: int,
    runs: int,
    size_px: int,
    keyring: Keyring,
    progress: Callable[[str, float], None],
) -> tuple[Timing, ...]:
    """Time files against each other.

    Args:
        files: bundles and ONNX files.
        threads: of the engine.
        runs: timed runs of each.
        size_px: input side where an ONNX file does not fix it.
        keyring: trusted keys, for the bundles.
        progress: told what is done, 0..1.

    Raises:
        MachineError: a process died.
        EdgeError: a file cannot be opened; raised by its process, which has said why.
    """
    children = [_start(file, threads, size_px, keyring) for file in files]
    try:
        latencies: list[list[float]] = [[] for _ in files]
        for turn in range(WARM_UP + runs):
            for index, child in enumerate(children):
                latency_ms: float = _ask(child, "run", files[index])
                if turn >= WARM_UP:
                    latencies[index].append(latency_ms)
            progress("benchmark", (turn + 1) / (WARM_UP + runs))
        ends = [(_ask(child, "peak", f), _ask(child, "notices", f)) for child, f in zip(children, files, strict=True)]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    return tuple(_timing(file, rows, *end) for file, rows, end in zip(files, latencies, ends, strict=True))


def _timing(file: Path, latencies_ms: list[float], peak_mb: float, notices: list[str]) -> Timing:
    p50, p90, p99 = (float(np.percentile(latencies_ms, q)) for q in (50, 90, 99))
    return Timing(file.name, p50, p90, p99, 1000 / p50, peak_mb, tuple(notices))


def _start(file: Path, threads: int, size_px: int, keyring: Keyring) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "calibration.benchmark_child",
        str(file),
        str(threads),
        str(size_px),
        str(keyring.home),
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ask(child: subprocess.Popen[str], question: str, file: Path) -> Any:
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # its last words are still to be read
        child.stdin.write(question + "\n")
        child.stdin.flush()
    answer = json.loads(child.stdout.readline() or "{}")
    if "value" in answer:
        return answer["value"]
    if "error" in answer:
        kind: type[EdgeError] = getattr(errors, answer["error"])
        raise kind(answer["cause"], answer["cure"])
    raise MachineError(f"{file}: the process that ran it died.", "Check the file and the memory.")
