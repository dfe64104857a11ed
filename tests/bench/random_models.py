"""Modules with random weights -> the FP32 and INT8 files that would run: latency does not depend on the weights.

::

    module --onnx_from_student--> FP32 --random images--> table --> Q/DQ --cpu_from_qdq--> INT8
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from calibration.artifact import Artifact
from calibration.table import table_from_onnx
from compile.export import onnx_from_student
from compile.lowerings.cpu import cpu_from_qdq
from compile.model.spec import ModelSpec
from compile.quantize import qdq_from_onnx
from edge.cpu import load_cpu
from edge.preprocess import Preprocess

CLASSES = 8
CALIBRATION_IMAGES = 2


def fp32_from_module(module: nn.Module, name: str, size_px: int, folder: Path) -> Artifact:
    """Export a module with one input channel."""
    spec = ModelSpec(name, tuple(f"class_{i}" for i in range(CLASSES)), preprocess=Preprocess(size_px))
    return onnx_from_student(module.eval(), spec, folder / f"{name}-{size_px}-fp32.onnx")


def int8_from_fp32(model: Artifact, size_px: int) -> Artifact:
    """Quantize a file with the ranges of random images, and lower it for this CPU."""

    def images() -> Iterator[NDArray[np.float32]]:
        yield random_input(size_px, CALIBRATION_IMAGES)

    stem = model.path.stem.removesuffix("-fp32")
    table = table_from_onnx(model, images, model.path.with_name(f"{stem}-table.json"), "random", threads=2)
    qdq = qdq_from_onnx(model, table, model.path.with_name(f"{stem}-qdq.onnx"))
    int8 = model.path.with_name(f"{stem}-int8.onnx")
    return cpu_from_qdq(qdq, table, int8, reduce_range=load_cpu().saturates)


def random_input(size_px: int, batch: int = 1) -> NDArray[np.float32]:
    """(B,1,S,S), the same at every call."""
    return np.random.default_rng(0).standard_normal((batch, 1, size_px, size_px)).astype(np.float32)
