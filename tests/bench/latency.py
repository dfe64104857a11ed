"""INT8 and FP32 of the shipped model and a timm peer in one run: `edge benchmark`, one and two threads."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FILES = ("build/fetal-planes.edge", "build/fetal-planes-fp32.edge")
PEERS = ("mobilenetv4_conv_small", "resnet18")


def measured(small: bool) -> dict[str, Any]:
    """Threads -> latencies of every file, and the ratio of its median to the INT8 bundle's."""
    runs = 10 if small else 100
    with tempfile.TemporaryDirectory() as folder:
        files = [*FILES, *(peer_file(name, Path(folder)) for name in PEERS)]
        return {f"threads_{threads}": benchmarked(files, threads, runs) for threads in (1, 2)}


def peer_file(name: str, folder: Path) -> str:
    """A timm model with random weights as FP32 ONNX; latency does not depend on the weights."""
    from compile.export import onnx_from_student
    from compile.model.spec import ModelSpec
    from compile.model.zoo import model_from_name
    from edge.preprocess import Preprocess

    spec = ModelSpec(name, tuple(f"class_{i}" for i in range(8)), preprocess=Preprocess(224))
    return str(onnx_from_student(model_from_name(name, 8).eval(), spec, folder / f"{name}-fp32.onnx").path)


def benchmarked(files: list[str], threads: int, runs: int) -> list[dict[str, Any]]:
    """`edge benchmark --json` with the ratio to the first file added."""
    options = ["--threads", str(threads), "--runs", str(runs), "--json"]
    command = [sys.executable, "-m", "edge", "benchmark", *files, *options]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["files"]
    return [{**row, "ratio": row["p50_ms"] / rows[0]["p50_ms"]} for row in rows]
