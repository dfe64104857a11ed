"""The same networks with the scan as native operator, as LinearAttention, as local function; and INT8. One run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from calibration.graph import load_model
from compile.kernels.build import kernel_from_sources
from compile.model.zoo import model_from_name
from edge.backends.ort import ort_from_model
from edge.cpu import load_cpu
from edge.files import cache_from_environment
from tests.bench.linear_attention import linear_attention_from_model
from tests.bench.random_models import CLASSES, fp32_from_module, int8_from_fp32, random_input
from tests.bench.turns import latencies

SIZE_PX = 224
MODELS = ("edge_n", "vmamba_t")  # the small scale: the first
TOLERANCE = 1e-4  # of logits: float32 sums in another order


def measured(small: bool) -> dict[str, Any]:
    """Model -> threads -> form -> latency, ratio to the native FP32 form; the logits' differences first."""
    library = kernel_from_sources(load_cpu().machine, cache_from_environment(os.environ)).path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        models = MODELS[:1] if small else MODELS
        rows = {name: compared(name, library, Path(folder), 3 if small else 50) for name in models}
    return {"size_px": SIZE_PX, "clock": {"threads_1": "CPU time", "threads_2": "wall"}, "models": rows}


def compared(name: str, library: bytes, folder: Path, rounds: int) -> dict[str, Any]:
    """One model with random weights, every form against the local function, then all of them timed in turns."""
    fp32 = fp32_from_module(model_from_name(name, CLASSES, 1), name, SIZE_PX, folder)
    int8 = int8_from_fp32(fp32, SIZE_PX).path.read_bytes()
    plain = fp32.path.read_bytes()
    attention = linear_attention_from_model(load_model(fp32.path)).SerializeToString()
    forms: dict[str, tuple[bytes, tuple[bytes, ...], int]] = {
        "fp32_native": (plain, (library,), SIZE_PX),
        "fp32_linear_attention": (attention, (), SIZE_PX),
        "fp32_local_function": (plain, (), SIZE_PX),
        "int8_native": (int8, (library,), SIZE_PX),
        "int8_local_function": (int8, (), SIZE_PX),
    }
    threads = {f"threads_{count}": with_ratios(latencies(forms, count, rounds)) for count in (1, 2)}
    return {"max_abs_difference_of_logits": differences(forms), **threads}


def differences(forms: dict[str, tuple[bytes, tuple[bytes, ...], int]]) -> dict[str, float]:
    """Of the FP32 forms against the local function; beyond the tolerance they would not be the same network."""
    fp32 = {name: form for name, form in forms.items() if name.startswith("fp32")}
    logits = {
        name: ort_from_model(model, 1, False, parts).logits_from_input(random_input(size_px))
        for name, (model, parts, size_px) in fp32.items()
    }
    found = {name: float(np.abs(value - logits["fp32_local_function"]).max()) for name, value in logits.items()}
    if max(found.values()) > TOLERANCE:
        raise AssertionError(f"The forms do not answer alike: {found}.")
    return found


def with_ratios(rows: dict[str, Any]) -> dict[str, Any]:
    """Each median against the native FP32 form's."""
    return {name: {**row, "ratio": row["p50_ms"] / rows["fp32_native"]["p50_ms"]} for name, row in rows.items()}
