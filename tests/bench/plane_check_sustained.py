"""30 frames/s of 1024x768 for ten minutes on two cores: the plane check, then the naive loop, in one run.

::

    Grabber -> Reader -> Newest -> Pump -> Child (edge_n INT8) -> plane check -> state     frame-to-state latency
    a page: view and live picture ten times a second -----------------^
    then, on the same cores: torch eager in one process            tests/bench/plane_check_naive.py

Frames are of a slideshow of stored images (synthetic motion); latency and memory do not depend on what they show, but
for the captures that are written to the store on the way. Memory is private memory of either process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.plane_check_frames import FPS, Grabber, frame_pool
from tests.bench.plane_check_service import Running, running

CORES = 2
FULL_S, SMALL_S = 600.0, 8.0
WARM_UP_SHARE = 0.2  # of the run; the allocators' pools have filled by then
NATIVE_SHARE = 0.2  # of the run, for the naive loop with the native scan: a backlog shows soon
SHARES = (50, 90, 99)
BOUNDS = {"p99_ms": 100, "mb_per_minute": 1}


def measured(small: bool) -> dict[str, Any]:
    """Both loops, 10 minutes each, or 8 s."""
    seconds = SMALL_S if small else FULL_S
    with two_cores() as cores:
        return {
            "synthetic": True,
            "seconds": seconds,
            "cores": cores,
            "frames": f"{FPS:.0f}/s, 1024x768 RGB",
            "bounds": BOUNDS,
            "plane_check": plane_check(seconds),
            "naive": [naive(seconds, "torch"), naive(seconds * NATIVE_SHARE, "native")],
            "load_at_the_end": os.getloadavg()[0],
        }


def plane_check(seconds: float) -> dict[str, Any]:
    """Latency, drops and memory of the service's loop."""
    with tempfile.TemporaryDirectory() as folder:
        grabber = Grabber(round(seconds * FPS), frame_pool())
        with running(grabber, Path(folder) / "exams.db") as service, sampled_memory(service) as samples:
            service.wait_for(lambda: service.is_done, seconds + 60)
            status = service.status()
            captures = len(service.exam())
    latencies = np.array(service.states)
    counters = status.counters
    return {
        "frames": counters.frames,
        "answered": counters.answered,
        "dropped": counters.dropped,
        "stale": counters.stale,
        "refused": counters.refused,
        "lost": counters.lost,
        "restarts": dict(counters.restarts),
        "captures": captures,
        "latency_ms": quantiles(latencies),
        "largest_latency_ms": round(float(latencies.max()), 1),
        "memory": memory_figures(np.array(samples), seconds),
    }


def naive(seconds: float, form: str) -> dict[str, Any]:
    """The naive loop in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.plane_check_naive", str(seconds), form]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return {"seconds": seconds, **document}


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """Milliseconds at the shares."""
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in SHARES}


def memory_figures(samples: NDArray[np.float64], seconds: float) -> dict[str, Any]:
    """Size and growth of both processes after the warm-up.

    Args:
        samples: (N,3) seconds, MB of the service, MB of the child.
        seconds: of the run.
    """
    kept = samples[samples[:, 0] > WARM_UP_SHARE * seconds]
    figures: dict[str, Any] = {"samples": len(kept)}
    for name, column in (("service", kept[:, 1]), ("child", kept[:, 2])):
        slope = float(np.polyfit(kept[:, 0] / 60, column, 1)[0])
        figures[name] = {"mb": round(float(column[-1]), 1), "mb_per_minute": round(slope, 3)}
    return figures


@contextmanager
def sampled_memory(service: Running) -> Iterator[list[tuple[float, float, float]]]:
    """Each second: time since the start, private MB of this process and of the child."""
    samples: list[tuple[float, float, float]] = []
    ended, start_s = threading.Event(), time.monotonic()

    def sample() -> None:
        while not ended.wait(1.0):
            pid = service.child.pid
            if pid is not None:
                samples.append((time.monotonic() - start_s, private_mb(os.getpid()), private_mb(pid)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    yield samples
    ended.set()
    thread.join()


def private_mb(pid: int) -> float:
    """Private memory of a process; shared memory for frames is not in it."""
    found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return float(found.group(1)) * 1024 / 1e6 if found else float("nan")


@contextmanager
def two_cores() -> Iterator[list[int]]:
    """This process and its children on two cores, where the system can say so."""
    before = os.sched_getaffinity(0)
    cores = sorted(before)[:CORES]
    os.sched_setaffinity(0, cores)
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, before)
