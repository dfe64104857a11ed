"""A bundle whose attention is known: its logits are means over three bands, its map shows where they are bright."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edge.attention import HEAD_PART, Head, array_from_head
from edge.backends.ort import ort_from_model
from edge.session import Session, open_session
from tests.edge.conftest import MANIFEST, Maker, gate_parts, npy

CELLS = 4  # a side of the map; each is 8 x 8 pixels of the 32-pixel square
SHARPNESS = 6.0  # logits a unit of brightness


def onnx_with_map() -> bytes:
    """frame -> each band's pixels in a channel of its own -> means of 8 x 8 pixels = features -> mean -> logits."""
    size, classes = MANIFEST.preprocess.size_px, len(MANIFEST.labels)
    bands = np.zeros((1, classes, size, size), np.float32)
    for band, rows in enumerate(np.array_split(np.arange(size), classes)):
        bands[0, band, rows] = 1
    arrays = {"bands": bands, "weight": SHARPNESS * np.eye(classes, dtype=np.float32), "axes": np.array([1, 2])}
    cell = size // CELLS
    nodes = [
        helper.make_node("Mul", ["frame", "bands"], ["split"]),
        helper.make_node("AveragePool", ["split"], ["maps"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Transpose", ["maps"], ["features"], perm=[0, 2, 3, 1]),
        helper.make_node("ReduceMean", ["features", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["logits"]),
    ]
    shapes: dict[str, list[Any]] = {"logits": ["batch", classes], "features": ["batch", CELLS, CELLS, classes]}
    graph = helper.make_graph(
        nodes,
        "bands with a map",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 1, size, size])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(values, name) for name, values in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return bytes(model.SerializeToString())


def session_with_map(maker: Maker, **changes: Any) -> Session:
    """The bundle, open; `changes` replace manifest fields."""
    manifest, model, classes = replace(MANIFEST, **changes), onnx_with_map(), len(MANIFEST.labels)
    head = Head(SHARPNESS * np.eye(classes, dtype=np.float32), np.zeros(classes, np.float32))
    parts = {"model.cpu.onnx": model, HEAD_PART: npy(array_from_head(head))}
    parts |= gate_parts(manifest, ort_from_model(model, 1, spin=False))
    return open_session(maker.pack("map.edge", manifest, parts), threads=1, keyring=maker.keyring)
