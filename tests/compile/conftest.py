"""A tiny student, exported once a session, its calibration, images for it; the native kernel, built once a session."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from calibration.activations import Batches, activations_from_model
from calibration.artifact import Artifact
from calibration.graph import load_model
from calibration.smoothing import smoothed_from_onnx
from calibration.table import table_from_onnx
from compile.export import onnx_from_student
from compile.kernels.build import COMPILERS, kernel_from_sources
from compile.kernels.native import ISAS, NativeKernel
from compile.kernels.torch_native import NativeScan
from compile.model.spec import ModelSpec
from compile.model.students import Student, StudentShape
from edge.cpu import load_cpu
from edge.preprocess import Preprocess
from tests.conftest import absent

MACHINE = load_cpu().machine
SIZE_PX = 64
SHAPE = StudentShape((32, 32, 32, 48), (1, 1, 2, 1), mlp_ratio=2.0)


@dataclass(frozen=True)
class Tiny:
    """The tiny student in three forms, and what calibrates it."""

    module: Student
    model: Artifact
    smooth: Artifact
    table: Artifact
    images: Batches


def randomized(module: nn.Module, seed: int = 0) -> None:
    """Weights and statistics far from their initial values, so that nothing cancels."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.dtype.is_floating_point:
                noise = torch.rand(tensor.shape, generator=generator) - 0.5
                tensor.add_(noise * (0.5 if tensor.ndim <= 1 else tensor.std() * 3 if "weight" in name else 0.1))


def output_of(artifact: Artifact, images: Batches, name: str = "logits") -> NDArray[np.float32]:
    """One tensor of a graph for all images, (images, ...)."""
    model = load_model(artifact.path)
    return np.concatenate([values[name] for _, values in activations_from_model(model, [name], images, 1)])


@pytest.fixture(scope="session")
def images() -> Batches:
    """Two batches of four smooth images, the same at every call."""

    def batches() -> Iterator[NDArray[np.float32]]:
        rng = np.random.default_rng(2)
        for _ in range(2):
            coarse = rng.normal(size=(4, 1, 8, 8)).astype(np.float32)
            yield coarse.repeat(SIZE_PX // 8, 2).repeat(SIZE_PX // 8, 3)

    return batches


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, images: Batches) -> Tiny:
    """The tiny student with random weights, all but quantized."""
    return tiny_from_shape(SHAPE, tmp_path_factory.mktemp("tiny"), images)


def tiny_from_shape(shape: StudentShape, folder: Path, images: Batches) -> Tiny:
    """A student with random weights, the same at every call, all but quantized."""
    torch.manual_seed(0)  # else the weights depend on which tests ran before
    module = Student(shape, classes=5)
    randomized(module)
    spec = ModelSpec("tiny", tuple("abcde"), preprocess=Preprocess(size_px=SIZE_PX))
    model = onnx_from_student(module, spec, folder / "model.onnx")
    smooth = smoothed_from_onnx(model, images, folder / "smooth.onnx", threads=1)
    table = table_from_onnx(smooth, images, folder / "table.json", "digest", threads=1)
    return Tiny(module, model, smooth, table, images)


@pytest.fixture
def qdq_path(tmp_path: Path) -> Path:
    """Where a test's Q/DQ file goes."""
    return tmp_path / "qdq.onnx"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The native kernel, built here for this machine."""
    if not any(map(shutil.which, COMPILERS)):
        absent("no C++ compiler")
    return kernel_from_sources(MACHINE, tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="session")
def kernel(library: Artifact) -> NativeKernel:
    """The native kernel for Python."""
    return NativeKernel(library.path)


@pytest.fixture(params=[name for name in ISAS if (name == "neon") == (MACHINE == "aarch64")])
def isa(kernel: NativeKernel, request: pytest.FixtureRequest) -> int:
    """Each instruction set of this CPU."""
    if request.param not in kernel.isas:
        pytest.skip(f"this CPU lacks {request.param}")
    return ISAS[request.param]


@pytest.fixture
def scan(kernel: NativeKernel, isa: int) -> NativeScan:
    """The native kernel for torch, with one instruction set."""
    return NativeScan(kernel, threads=2, isa=isa)
