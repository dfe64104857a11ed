"""A small classifier as ONNX, with one layer of each kind that the quantizer knows, and images for it.

And a bundle whose answers a test can foretell, with labelled frames that it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from calibration.activations import Batches
from calibration.artifact import Artifact
from calibration.dataset import Dataset, dataset_from_csv
from calibration.graph import save_model
from edge.backends.ort import ort_from_model
from edge.session import Session, open_session
from tests.edge.conftest import MANIFEST, Maker, gate_parts
from tests.edge.conftest import bundles as bundles
from tests.edge.conftest import keyring as keyring
from tests.edge.conftest import tissue as tissue

_GRAPH = """
<ir_version: 9, opset_import: ["" : 20]>
small (float[batch, 16, 6, 6] frame) => (float[batch, 4] logits)
{
  conv = Conv <pads = [1, 1, 1, 1]> (frame, conv_w, conv_b)
  relu = Relu (conv)
  conv2 = Conv (relu, conv2_w)
  map = Transpose <perm = [0, 2, 3, 1]> (conv2)
  norm = LayerNormalization <axis = -1> (map, gain, shift)
  norm_rows = Reshape (norm, rows)
  fc1 = Gemm (norm_rows, fc1_w, fc1_b)
  gelu = Gelu (fc1)
  fc2 = Gemm <transB = 1> (gelu, fc2_w)
  fc2_map = Reshape (fc2, map_shape)
  sum = Add (map, fc2_map)
  mean = ReduceMean <keepdims = 0> (sum, axes)
  logits = Gemm (mean, head_w, head_b)
}
"""


def _weights() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    shapes = {"conv_w": (16, 16, 3, 3), "conv_b": (16,), "conv2_w": (16, 16, 1, 1), "shift": (16,), "fc1_w": (16, 32)}
    shapes |= {"fc1_b": (32,), "fc2_w": (16, 32), "head_w": (16, 4), "head_b": (4,)}
    weights = {name: (0.2 * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    weights["gain"] = np.exp(rng.normal(size=16)).astype(
        np.float32
    )  # channels of very different size, as in real models
    return weights


@pytest.fixture
def small(tmp_path: Path) -> Artifact:
    """The classifier's file."""
    from onnx import parser

    model = parser.parse_model(_GRAPH)
    shapes = {"rows": [-1, 16], "map_shape": [-1, 6, 6, 16], "axes": [1, 2]}
    arrays = {**_weights(), **{name: np.array(values, np.int64) for name, values in shapes.items()}}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    value = helper.make_tensor_value_info("norm", TensorProto.FLOAT, ["batch", 6, 6, 16])
    model.graph.value_info.append(value)
    return save_model(model, tmp_path / "small.onnx", {})


@pytest.fixture
def images() -> Batches:
    """Three batches of four images, the same at every call."""

    def batches() -> Iterator[NDArray[np.float32]]:
        rng = np.random.default_rng(1)
        for _ in range(3):
            yield rng.normal(size=(4, 16, 6, 6)).astype(np.float32)

    return batches


def onnx_of_bands(order: tuple[int, ...]) -> bytes:
    """A network whose k-th logit is the mean of the order[k]-th of three horizontal bands of a 32-pixel square."""
    size = MANIFEST.preprocess.size_px
    rows = np.array_split(np.arange(size * size), len(order))
    pool = np.zeros((size * size, len(order)), np.float32)
    for logit, band in enumerate(order):
        pool[rows[band], logit] = 1 / len(rows[band])
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["frame"], ["flat"]), helper.make_node("MatMul", ["flat", "pool"], ["logits"])],
        "bands",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 1, size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(order)])],
        [numpy_helper.from_array(pool, "pool")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


@dataclass(frozen=True)
class Planes:
    """Bundles that answer with the brightest band, and such frames: 0 abdomen, 1 femur, 2 not_standard."""

    maker: Maker
    folder: Path
    frame: Callable[[int], NDArray[np.uint8]]

    def bundle(self, name: str = "planes", order: tuple[int, ...] = (0, 1, 2), **changes: Any) -> Path:
        """A bundle; another order makes it wrong, `changes` replace manifest fields."""
        manifest, model = replace(MANIFEST, name=name, **changes), onnx_of_bands(order)
        parts = gate_parts(manifest, ort_from_model(model, threads=1, spin=False))
        return self.maker.pack(f"{name}.edge", manifest, {"model.cpu.onnx": model, **parts})

    def session(self, *arguments: Any, **changes: Any) -> Session:
        """The bundle, open."""
        return open_session(self.bundle(*arguments, **changes), threads=1, keyring=self.maker.keyring)

    def table(self, *rows: tuple[int, str, str, str], split: str = "test") -> Path:
        """A LABELS.csv with one frame a row: bright band (-1: a black frame), label, patient, machine."""
        lines = ["file,label,split,patient,machine"]
        for number, (band, label, patient, machine) in enumerate(rows):
            pixels = self.frame(band) if band >= 0 else np.zeros((96, 96), np.uint8)
            Image.fromarray(pixels).save(self.folder / f"{number}.png")
            lines.append(f"{number}.png,{label},{split},{patient},{machine}")
        path = self.folder / "LABELS.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    def dataset(self, *rows: tuple[int, str, str, str]) -> Dataset:
        """The same, read."""
        return dataset_from_csv(self.table(*rows))


@pytest.fixture
def planes(bundles: Maker, tmp_path: Path, tissue: Callable[[int], NDArray[np.uint8]]) -> Planes:
    return Planes(bundles, tmp_path, tissue)
