"""Bundles for the tests of the runtime: small, signed by a key of a keyring in a temporary folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.backends.null import NullBackend
from edge.bundle import bytes_from_parts
from edge.decision import Decision
from edge.keyring import Keyring
from edge.manifest import RESEARCH_USE, CalibrationFacts, Coverage, Gate, Label, Manifest, ModelFacts
from edge.preprocess import Preprocess, input_from_square
from edge.quality import CHECKS

MANIFEST = Manifest(
    schema=1,
    name="test-planes",
    release=3,
    created="2026-11-21T00:00:00Z",
    runtime_min="0.1.0",
    model=ModelFacts("test", 1000, 2000, "0" * 64),
    labels=(
        Label("abdomen", "Upper abdomen, transverse", "上腹部横切面"),
        Label("femur", "Femur, long axis", "股骨长轴切面"),
        Label("not_standard", "Not a standard plane", "非标准切面"),
    ),
    reject_labels=("not_standard",),
    protocol=Coverage("demo", ("abdomen", "femur"), ("thorax",)),
    preprocess=Preprocess(size_px=32),
    precision="int8",
    target="cpu",
    isa=(),
    input_checks=CHECKS,
    decision=Decision(temperature=0.5, threshold=0.5, n=100, kept=0.95, method="test"),
    calibration=CalibrationFacts("0" * 64, 10, ("minmax",)),
    gate=Gate(8, True, False, 0.9, 0.9, 0.0, 1.0, 0.01),
    machines=("Voluson E6",),
    tools={"onnx": "1.0"},
    watermark=None,
    notice=RESEARCH_USE,
)


def npy(array: NDArray[Any]) -> bytes:
    """An array as a .npy file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def gate_parts(manifest: Manifest, backend: Any) -> dict[str, bytes]:
    """Gate frames that a backend answers without error."""
    size = manifest.preprocess.size_px
    squares = np.random.default_rng(1).integers(0, 255, (manifest.gate.n, size, size), dtype=np.uint8)
    logits = [backend.logits_from_input(input_from_square(square, manifest.preprocess))[0] for square in squares]
    return {"gate.frames.npy": npy(squares), "gate.logits.npy": npy(np.stack(logits))}


def onnx_classifier(classes: int = 3, size_px: int = 32, features: int = 4) -> bytes:
    """A random classifier with the outputs of a real one: logits (batch,K) and features (batch,h,w,D)."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weight = numpy_helper.from_array(rng.standard_normal((features, 1, 8, 8)).astype(np.float32), "weight")
    head = numpy_helper.from_array(rng.standard_normal((features, classes)).astype(np.float32), "head")
    nodes = [
        helper.make_node("Conv", ["frame", "weight"], ["maps"], strides=[8, 8]),
        helper.make_node("Transpose", ["maps"], ["features"], perm=[0, 2, 3, 1]),
        helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"]),
    ]
    side = size_px // 8
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 1, size_px, size_px])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", side, side, features]),
        ],
        [weight, head],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


@dataclass(frozen=True)
class Maker:
    """Makes bundle files signed with the development key of one keyring."""

    keyring: Keyring
    folder: Path

    def null(self, name: str = "null.edge", **changes: Any) -> Path:
        """A bundle that the null backend answers; `changes` replace manifest fields."""
        manifest = replace(MANIFEST, **changes)
        return self.pack(name, manifest, gate_parts(manifest, NullBackend(len(manifest.labels))))

    def onnx(self, name: str = "onnx.edge", **changes: Any) -> Path:
        """A bundle with a random ONNX classifier."""
        from edge.backends.ort import ort_from_model

        manifest = replace(MANIFEST, **changes)
        model = onnx_classifier(len(manifest.labels), manifest.preprocess.size_px)
        parts = gate_parts(manifest, ort_from_model(model, threads=1, spin=False))
        return self.pack(name, manifest, {"model.cpu.onnx": model, **parts})

    def pack(self, name: str, manifest: Manifest, parts: Mapping[str, bytes]) -> Path:
        """Any manifest and parts, signed."""
        path = self.folder / name
        path.write_bytes(bytes_from_parts(manifest, parts, self.keyring.development_key()))
        return path


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "home")


@pytest.fixture
def bundles(keyring: Keyring, tmp_path: Path) -> Maker:
    return Maker(keyring, tmp_path)


@pytest.fixture
def manifest() -> Manifest:
    return MANIFEST


@pytest.fixture
def tissue() -> Callable[[int], NDArray[np.uint8]]:
    """Frames that pass every input check: smooth speckle, brighter in the given band of three."""

    def make(band: int, size_px: int = 96) -> NDArray[np.uint8]:
        rng = np.random.default_rng(band)
        speckle = rng.normal(0, 20, (size_px // 4, size_px // 4)).repeat(4, 0).repeat(4, 1)
        frame = np.full((size_px, size_px), 60.0) + speckle + rng.normal(0, 3, (size_px, size_px))
        frame[band * size_px // 3 : (band + 1) * size_px // 3] += 120
        return np.clip(frame, 0, 255).astype(np.uint8)

    return make
