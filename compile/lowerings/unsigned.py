"""Activations as uint8: the type ONNX Runtime's x86 kernels multiply with int8 weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration.graph import constant, graph_from_model
from calibration.observers import LEVELS
from compile.lowerings.sites import quantizers, scale_array

if TYPE_CHECKING:
    from onnx import ModelProto

MIDDLE = 128  # the uint8 that stands for 0 where values have both signs


def unsigned_activations(model: ModelProto) -> None:
    """Write symmetric int8 activations as uint8 around 128: the same grid, so the same results."""
    graph = graph_from_model(model)
    for node in quantizers(graph):
        if graph.array(node.input[2]).dtype == np.int8:
            constant(model, node.input[2], np.array(MIDDLE, np.uint8))


def full_range_after_relu(model: ModelProto) -> None:
    """Use all 255 steps of uint8 for what a ReLU has made, half as wide; the ReLU itself falls away in ONNX Runtime."""
    graph = graph_from_model(model)
    for node in quantizers(graph):
        source = graph.producers.get(node.input[0])
        if source is not None and source.op_type == "Relu":
            scale = scale_array(graph, node) * np.float32(LEVELS / 255)
            constant(model, node.input[1], np.asarray(scale, np.float32))
            constant(model, node.input[2], np.array(0, np.uint8))
