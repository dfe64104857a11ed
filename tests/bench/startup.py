"""Process start to first result, and peak memory: what a cart waits for after power-on."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from typing import Any

from calibration.samples_set import SAMPLES, gate_dataset

BUNDLE = "build/fetal-planes.edge"
SNIPPET = """
import sys, re
from edge.cli import code_from_arguments
code = code_from_arguments(sys.argv[1:])
status = open("/proc/self/status").read()
sys.stderr.write("peak_kb " + re.search(r"VmHWM:\\s+(\\d+)", status).group(1) + "\\n")
sys.stderr.write("heavy " + ",".join(m for m in ("torch", "onnx", "sklearn", "matplotlib") if m in sys.modules) + "\\n")
sys.exit(code)
"""


def measured(small: bool) -> dict[str, Any]:
    """`edge classify` on one image as a whole process: seconds, peak memory, heavy packages loaded (none)."""
    image = str(SAMPLES.parent / gate_dataset(None).samples[0].file)
    seconds, peaks, heavy = [], [], set()
    for _ in range(3 if small else 15):
        started = time.perf_counter()
        command = [sys.executable, "-c", SNIPPET, "classify", BUNDLE, image, "--json"]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds.append(time.perf_counter() - started)
        peaks.append(int(re.findall(r"peak_kb (\d+)", result.stderr)[0]) * 1024 / 1e6)
        heavy |= set(re.findall(r"heavy (\S+)", result.stderr))
    return {
        "runs": len(seconds),
        "whole_process_s": {"median": statistics.median(seconds), "max": max(seconds)},
        "peak_mb": {"median": statistics.median(peaks), "max": max(peaks)},
        "heavy_packages_loaded": sorted(heavy),
        "bounds": {"first_result_s": 1.0, "peak_mb": 250},
    }
