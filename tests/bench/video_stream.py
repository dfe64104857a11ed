"""A GStreamer pipe of 60 frames/s of 1280x720 into `edge bridge video` and `edge serve`: every frame, then every fault.

::

    gst-launch-1.0 ... ! y4menc ! filesink location=FIFO --> edge bridge video pipe:FIFO --> edge serve

The source stalls (SIGSTOP), goes (SIGKILL), comes back, stands still; the bridge is killed. Seconds are from the fault
to the service's view of it, looked at every 10 ms.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.bridged import balance, bridged, counters, cpu_s, seconds_until
from tests.conftest import absent
from tests.edge.serving import Serving
from tests.firmware_bridge.bridging import bridging

RATE_HZ = 60
SIZE = (1280, 720)
ROI = "200,60,880,600@1280x720"
FULL_S, SMALL_S = 60, 3
FULL_ROUNDS, SMALL_ROUNDS = 10, 1
BOUND_S = 0.5  # of a lost or frozen signal, as said
FATES = ("sent", "dropped", "stale", "refused", "away")


def measured(small: bool) -> dict[str, Any]:
    """A minute and ten rounds of faults (some 4 minutes), or 3 s and one."""
    seconds, rounds = (SMALL_S, SMALL_ROUNDS) if small else (FULL_S, FULL_ROUNDS)
    if shutil.which("gst-launch-1.0") is None:
        absent("gstreamer1.0-tools is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.mkfifo(folder / "video.y4m")
        with bridged(folder) as service:
            figures = {
                "frames": f"{RATE_HZ}/s, {SIZE[0]}x{SIZE[1]}, region {ROI}",
                "bound_s": BOUND_S,
                "stream": _streamed(service, folder, seconds * RATE_HZ),
            }
            exam = service.view()["exam"]["checklist"]["exam"]
            taken = [_faults(service, folder) for _ in range(rounds)]
            figures["seconds"] = {name: _spread([one[name] for one in taken]) for name in taken[0]}
            assert service.view()["exam"]["checklist"]["exam"] == exam
            return {**figures, "rounds": rounds, "exam_kept": True}


def _streamed(service: Serving, folder: Path, frames: int) -> dict[str, Any]:
    """All frames of a pipeline that ends, and what became of each."""
    before = counters(service)
    with _bridge(service, folder) as bridge:
        cpu, start_s = cpu_s(bridge.process.pid), time.monotonic()
        with _writer(folder, f"videotestsrc is-live=true pattern=snow num-buffers={frames}") as writer:
            writer.wait()
        seconds = time.monotonic() - start_s
        seconds_until(lambda: "went away" in service.view()["engine"]["cause"])
        used = cpu_s(bridge.process.pid) - cpu
        bridge.process.terminate()
        counts = bridge.wait(lambda line: line["event"] == "ended")
    own = {name: counts[name] for name in FATES}
    assert sum(own.values()) == frames, (own, frames)
    return {
        "written": frames,
        "written_per_s": round(frames / seconds, 1),
        "bridge": own,
        "service": balance(service, before, own["sent"]),
        "bridge_cpu_ms_a_frame": round(1e3 * used / frames, 2),
    }


def _faults(service: Serving, folder: Path) -> dict[str, float]:
    """Seconds until each fault is told, and until frames are there again."""
    with _bridge(service, folder):
        with _writer(folder, "videotestsrc is-live=true pattern=snow") as writer:
            _until(service, "running")
            writer.send_signal(signal.SIGSTOP)
            told = {"stalled": _until(service, "lost")}
            writer.send_signal(signal.SIGCONT)
            told["stalled_over"] = _until(service, "running")
            writer.kill()
            told["gone"] = _until(service, "lost")
            told["gone_with_its_cause"] = seconds_until(lambda: "went away" in service.view()["engine"]["cause"])
        last = service.view()["source"]["frame"]
        with _writer(folder, "videotestsrc is-live=true pattern=circular"):
            told["back"] = seconds_until(lambda: service.view()["source"]["frame"] != last)
            told["frozen"] = _until(service, "frozen")
    with _writer(folder, "videotestsrc is-live=true pattern=snow"), _bridge(service, folder) as bridge:
        _until(service, "running")
        bridge.process.kill()
        told["bridge_killed"] = _until(service, "lost")
    return told


def _bridge(service: Serving, folder: Path) -> Any:
    return bridging("video", f"pipe:{folder / 'video.y4m'}", "--socket", service.ready["socket"], "--roi", ROI)


@contextmanager
def _writer(folder: Path, source: str) -> Iterator[subprocess.Popen[bytes]]:
    """A pipeline into the pipe, and its end."""
    caps = f"video/x-raw,format=I420,width={SIZE[0]},height={SIZE[1]},framerate={RATE_HZ}/1"
    words = f"{source} ! {caps} ! y4menc ! filesink location={folder / 'video.y4m'}".split()
    with subprocess.Popen(["gst-launch-1.0", "-q", *words], stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(service: Serving, wanted: str) -> float:
    return seconds_until(lambda: service.view()["source"]["signal"] == wanted)


def _spread(values: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(values), 3), "largest": max(values)}
