"""The plane check with the shipped bundle behind its socket, for measurements of bridges: what became of frames.

::

    edge bridge ... --Unix socket--> edge serve --source bridge     /metrics -> Counters
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.keyring import home_from_environment
from tests.bench.plane_check_service import BUNDLE
from tests.edge.serving import Serving, serving

SETTLE_S = 10.0  # for frames under way
TICKS_HZ = os.sysconf("SC_CLK_TCK")
ENDS = ("answers", "dropped_frames", "stale_frames", "refused_frames", "lost_frames")  # of a frame in the service


@dataclass(frozen=True)
class Counters:
    """What the service counted since it started.

    Attributes:
        frames: that bridges sent.
        ends: what became of them.
        latency_ms: quantile -> capture to answer, of the last minute.
    """

    frames: int
    ends: dict[str, int]
    latency_ms: dict[str, float]


@contextmanager
def bridged(folder: Path) -> Iterator[Serving]:
    """`edge serve` whose frames come from bridges, with an exam open."""
    options = ("--source", "bridge", "--no-page", "--socket", folder / "api.sock", "--store", folder / "exams.db")
    with serving(home_from_environment(os.environ), BUNDLE, *options) as service:
        status, reply = service.order("open", patient="P-1", study="", fetuses=1)
        assert status == 200, reply
        yield service


def counters(service: Serving) -> Counters:
    """Now."""
    _, text = service.request("GET", "/metrics")
    lines = (line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#"))
    values = {name.removeprefix("vmamba_edge_"): float(value) for name, _, value in lines}
    latency = {share: values.get(f'latency_seconds{{quantile="{share}"}}') for share in ("0.5", "0.99")}
    return Counters(
        int(values["frames_total"]),
        {name: int(values[f"{name}_total"]) for name in ENDS},
        {f"p{100 * float(share):g}": round(1e3 * value, 1) for share, value in latency.items() if value is not None},
    )


def balance(service: Serving, before: Counters, sent: int) -> dict[str, Any]:
    """What became of the frames that a bridge says the service took; they must add up.

    Args:
        service: that took them.
        before: its counters then.
        sent: by the bridge's own count.
    """
    deadline = time.monotonic() + SETTLE_S
    while True:
        now = counters(service)
        frames = now.frames - before.frames
        ends = {name: count - before.ends[name] for name, count in now.ends.items()}
        if frames == sum(ends.values()) == sent or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert frames == sum(ends.values()) == sent, (frames, ends, sent)
    return {"frames": frames, **ends, "latency_ms": now.latency_ms}


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def seconds_until(condition: Callable[[], bool], limit_s: float = 30.0, step_s: float = 0.01) -> float:
    """Seconds until a condition holds, looked at so often.

    Raises:
        TimeoutError: it does not within the limit.
    """
    start_s = time.monotonic()
    while not condition():
        if time.monotonic() - start_s > limit_s:
            raise TimeoutError(f"not within {limit_s:.0f} s")
        time.sleep(step_s)
    return round(time.monotonic() - start_s, 3)
