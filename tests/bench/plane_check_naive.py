"""The loop that the plane check is measured against: torch eager in one process, one frame after the other.

Written as one would at first: a thread grabs frames into a queue, the loop takes the oldest, nothing is dropped. The
scan runs in torch's own operations, or with "native" on the project's kernel, which is no longer so naive. Prints
one line of JSON: `python -m tests.bench.plane_check_naive SECONDS [native]`.
"""

from __future__ import annotations

import json
import queue
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compile.kernels.torch_native import native_scan
from compile.kernels.torch_scan import use_native
from compile.model.checkpoint import teacher_from_checkpoint
from compile.source import WEIGHTS
from edge.preprocess import Preprocess, input_from_frame
from tests.bench.plane_check_frames import FPS, frame_pool

MODEL = "edge_n"
THREADS = 2


def naive(seconds: float, form: str) -> dict[str, Any]:
    """Frame-to-result latencies over so many seconds of 30 frames/s; what still waits at the end is not answered."""
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        scan = native_scan(Path(folder)) if form == "native" else None
        if form == "native" and scan is None:
            sys.exit("no native kernel can be built here")
        with use_native(scan), torch.inference_mode():
            return {"scan": form, **_figures(seconds)}


def _figures(seconds: float) -> dict[str, Any]:
    model, _ = teacher_from_checkpoint(WEIGHTS / f"{MODEL}.safetensors")
    model.eval()
    pool, preprocess = frame_pool(), Preprocess()
    frames: queue.Queue[tuple[int, float]] = queue.Queue()
    total = round(seconds * FPS)
    grabber = threading.Thread(target=_grab, args=(frames, total), daemon=True)
    latencies, inference = [], []
    model(torch.tensor(input_from_frame(pool[0], preprocess)))  # the first call allocates
    end_s = time.monotonic() + seconds
    grabber.start()
    while time.monotonic() < end_s and len(latencies) < total:
        number, captured_s = frames.get()
        started_s = time.monotonic()
        network_input = torch.tensor(input_from_frame(pool[number % len(pool)].copy(), preprocess))
        model(network_input)[0].softmax(-1)
        now_s = time.monotonic()
        latencies.append(1e3 * (now_s - captured_s))
        inference.append(1e3 * (now_s - started_s))
    shares = (50, 90, 99)
    return {
        "model": f"{MODEL}, torch eager {torch.__version__}, float32, {THREADS} threads",
        "frames": total,
        "answered": len(latencies),
        "waiting_at_the_end": total - len(latencies),
        "latency_ms": {f"p{share}": round(float(np.percentile(latencies, share)), 1) for share in shares},
        "last_latency_ms": round(latencies[-1], 1),
        "a_frame_ms": {f"p{share}": round(float(np.percentile(inference, share)), 1) for share in shares},
    }


def _grab(frames: queue.Queue[tuple[int, float]], total: int) -> None:
    """Frames at their rate; only their numbers, so that a backlog costs no memory."""
    start_s = time.monotonic()
    for number in range(total):
        time.sleep(max(0.0, start_s + number / FPS - time.monotonic()))
        frames.put((number, time.monotonic()))


if __name__ == "__main__":
    print(json.dumps(naive(float(sys.argv[1]), "native" if sys.argv[2:] == ["native"] else "torch")))
