"""The shipped model, its forms, larger models and timm peers in one run: `edge benchmark`, one and two threads.

The shipped model: INT8 and FP32 with the native scan, INT8 with the local function. Larger models have random weights.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from calibration.samples_set import SAMPLES
from compile.model.checkpoint import save_student
from compile.model.spec import ModelSpec
from compile.model.zoo import model_from_name
from edge.preprocess import Preprocess
from tests.bench.random_models import CLASSES, fp32_from_module, int8_from_fp32

FILES = ("build/fetal-planes.edge", "build/fetal-planes-fp32.edge")
WORK = "build/work/fetal-planes"  # of the first file: its stages are used again
RANDOM = ("edge_s", "vmamba_t")  # compiled at full scale only: that takes a minute or two
PEERS = ("mobilenetv4_conv_small", "resnet18")
SIZE_PX = 224
IMAGES = 4  # of calibration and of the gate, for models with random weights: ranges do not change the latency


def measured(small: bool) -> dict[str, Any]:
    """Threads -> latencies of every file, and the ratio of its median to the INT8 bundle's."""
    runs = 10 if small else 100
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [*FILES, compiled("edge_n", folder / "fetal-planes-no-native.edge", "--no-native", "--work", WORK)]
        files += [] if small else [random_bundle(model, folder) for model in RANDOM]
        files += [file for peer in PEERS for file in peer_files(peer, folder)]
        return {f"threads_{threads}": benchmarked(files, threads, runs) for threads in (1, 2)}


def compiled(model: str, bundle: Path, *options: str) -> str:
    """`edge compile`."""
    command = [sys.executable, "-m", "edge", "compile", model, "-o", str(bundle), *options, "--json"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return str(bundle)


def random_bundle(name: str, folder: Path) -> str:
    """A zoo model with random weights as INT8 bundle."""
    torch.manual_seed(0)
    spec = ModelSpec(name, tuple(f"class_{i}" for i in range(CLASSES)), preprocess=Preprocess(SIZE_PX))
    weights = folder / f"{name}.safetensors"
    save_student(model_from_name(name, CLASSES, 1).eval(), spec, weights)
    table = str(few_images(folder))
    options = ("--calibration", table, "--gate-data", table, "--no-gate")
    return compiled(str(weights), folder / f"{name}-random.edge", *options)


def few_images(folder: Path) -> Path:
    """A LABELS.csv of some shipped images of each of the two splits."""
    table, images = folder / "labels.csv", folder / "images"
    if not images.exists():
        images.symlink_to(SAMPLES.parent / "images")
    with SAMPLES.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    chosen = [row for split in ("val", "test") for row in [row for row in rows if row["split"] == split][:IMAGES]]
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return table


def peer_files(name: str, folder: Path) -> tuple[str, str]:
    """A timm model with random weights, FP32 and INT8."""
    fp32 = fp32_from_module(model_from_name(name, CLASSES, 1), name, SIZE_PX, folder)
    return str(fp32.path), str(int8_from_fp32(fp32, SIZE_PX).path)


def benchmarked(files: list[str], threads: int, runs: int) -> list[dict[str, Any]]:
    """`edge benchmark --json` with the ratio to the first file added."""
    options = ["--threads", str(threads), "--runs", str(runs), "--json"]
    command = [sys.executable, "-m", "edge", "benchmark", *files, *options]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["files"]
    return [{**row, "ratio": row["p50_ms"] / rows[0]["p50_ms"]} for row in rows]
