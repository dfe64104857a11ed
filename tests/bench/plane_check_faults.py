"""The inference process killed, hung and out of memory while 30 frames/s come in: how long until results are back.

::

    Grabber -> Reader -> Newest -> Pump -> Child (a process)  <-- SIGKILL | SIGSTOP | no memory
                                    `-> plane check: exam before and after

Time back runs from the fault to the first state that is about a frame from after it. The exam must be what it was.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.plane_check_frames import Grabber, frame_pool
from tests.bench.plane_check_service import Running, running

BACK_S = 2.0  # the bound
GIVE_UP_S = 60.0
LASTS_S = 3600.0  # of the grabber: longer than all faults together
WELL_S = 10.5  # child_settings.STABLE_S and a little: then the next fault is not part of a series
NO_MEMORY = (1 << 20, 1 << 20)  # bytes: less than the process has already, so that the next request fails
LARGER = 2  # 2048x1536 until it has failed: for frames of the usual size the process has its memory at hand


FAULTS: dict[str, Callable[[int, Grabber], None]] = {
    "killed": lambda pid, _: os.kill(pid, signal.SIGKILL),
    "hung": lambda pid, _: os.kill(pid, signal.SIGSTOP),
    "memory": lambda pid, grabber: _take_memory(pid, grabber),
}


def measured(small: bool) -> dict[str, Any]:
    """Each fault ten times, 10 s apart, or once without a pause."""
    rounds, pause_s = (1, 1.0) if small else (10, WELL_S)
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        grabber = Grabber(round(LASTS_S * 30), frame_pool())
        with running(grabber, Path(folder) / "exams.db") as service:
            service.wait_for(lambda: len(service.states) > 30, GIVE_UP_S)
            exam = service.exam()
            seconds: dict[str, list[float]] = {name: [] for name in FAULTS}
            for _ in range(rounds):
                for name, fault in FAULTS.items():
                    time.sleep(pause_s + rng.random())
                    seconds[name].append(back_after(service, grabber, fault))
            after = service.exam()
            restarts = dict(service.child.restarts)
        return {
            "synthetic": True,
            "rounds": rounds,
            "time_back_s": {
                name: {"median": round(sorted(row)[len(row) // 2], 2), "max": round(max(row), 2)}
                for name, row in seconds.items()
            },
            "bound_s": BACK_S,
            "restarts": restarts,
            "exam_kept": exam <= after,
            "captures_before": len(exam),
            "captures_after": len(after),
        }


def back_after(service: Running, grabber: Grabber, fault: Callable[[int, Grabber], None]) -> float:
    """Seconds from a fault to the first state about a frame from after it."""
    pid = service.child.pid
    assert pid is not None
    deaths = sum(service.child.restarts.values())
    fault_s = time.monotonic()
    fault(pid, grabber)
    service.wait_for(lambda: sum(service.child.restarts.values()) > deaths, GIVE_UP_S)
    grabber.larger = 1
    service.wait_for(lambda: service.captured_s > fault_s and service.child.pid not in (None, pid), GIVE_UP_S)
    return service.told_s - fault_s


def _take_memory(pid: int, grabber: Grabber) -> None:
    resource.prlimit(pid, resource.RLIMIT_DATA, NO_MEMORY)
    grabber.larger = LARGER
