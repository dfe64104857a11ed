"""A small classifier as ONNX, with one layer of each kind that the quantizer knows, and images for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from calibration.activations import Batches
from calibration.artifact import Artifact
from calibration.graph import save_model

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
