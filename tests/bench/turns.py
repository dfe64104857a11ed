"""Calls timed in turns: what is compared has met the same neighbours on a shared machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edge.backends.ort import OrtBackend, ort_from_model
from tests.bench.random_models import random_input

WARM_UP = 2  # calls: allocation and first touch of the weights


def latencies(models: Mapping[str, tuple[bytes, tuple[bytes, ...], int]], threads: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of one run with batch 1: median and best.

    Args:
        models: name -> ONNX, its native libraries, side of its input in pixels.
        threads: of each; one: CPU time of the thread, so that a busy machine counts less; more: wall time.
        rounds: timed runs of each.
    """
    backends = {name: ort_from_model(model, threads, False, parts) for name, (model, parts, _) in models.items()}
    inputs = {name: random_input(size_px) for name, (_, _, size_px) in models.items()}
    clock = time.thread_time if threads == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(WARM_UP + rounds):
        for name, backend in backends.items():
            run_ms = _milliseconds(backend, inputs[name], clock)
            if turn >= WARM_UP:
                times[name].append(run_ms)
    for backend in backends.values():
        backend.close()
    return {name: {"p50_ms": float(np.median(ms)), "best_ms": min(ms)} for name, ms in times.items()}


def _milliseconds(backend: OrtBackend, x: Any, clock: Callable[[], float]) -> float:
    started = clock()
    backend.logits_from_input(x)
    return (clock() - started) * 1e3
