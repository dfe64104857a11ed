"""A float graph and its table of ranges -> the canonical INT8 file: explicit Q/DQ around the layers, the rest float.

::

    x --QuantizeLinear(int8, one scale)--> x_q --DequantizeLinear--> x_dq --+
    W (int8, one scale per output channel) --DequantizeLinear--> W_dq ------+--> Conv | Gemm | MatMul --> float

Symmetric throughout (zero point 0), biases float: the form TensorRT reads. Results are never quantized, so neither are
the sums of residual branches; what a CPU needs besides is a lowering.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.artifact import Artifact
from calibration.graph import (
    constant,
    drop_unused_constants,
    graph_from_model,
    insert_before_use,
    load_model,
    save_model,
)
from calibration.layers import Layer, int8_layers
from calibration.observers import LEVELS
from calibration.table import Table, load_table
from calibration.weights import int8_from_weights
from edge.errors import InputError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def qdq_from_onnx(smooth: Artifact, table: Artifact, path: Path, float_layers: Collection[str] = ()) -> Artifact:
    """Write explicit Q/DQ into a graph.

    Args:
        smooth: float ONNX, the very file that the table was measured on.
        table: ranges of its activations.
        path: the ONNX file to write.
        float_layers: names of layers that stay float, from `sensitive_layers`.

    Returns:
        The canonical INT8 file.

    Raises:
        InputError: the table is of another graph.
        ModelError: the graph cannot be read, or a weight is NaN or infinite.
        MachineError: the file cannot be written.
    """
    model = load_model(smooth.path)
    ranges = load_table(table.path)
    if ranges.model != smooth.sha256:
        raise InputError(
            f"The calibration table is of the graph {ranges.model[:12]}, this one is {smooth.sha256[:12]}.",
            "Calibrate this graph.",
        )
    quantize(model, ranges, float_layers)
    return save_model(model, path, {"model": smooth.sha256, "table": table.sha256})


def quantize(model: ModelProto, table: Table, float_layers: Collection[str] = ()) -> None:
    """Write explicit Q/DQ into a graph.

    Args:
        model: changed in place.
        table: ranges of its activations.
        float_layers: names of layers that stay float.

    Raises:
        InputError: the table lacks a tensor.
        ModelError: a weight is NaN or infinite.
    """
    graph = graph_from_model(model)
    positions = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    groups: dict[int, list[NodeProto]] = {}
    pairs: dict[str, str] = {}
    for layer in int8_layers(graph):
        if layer.name in float_layers:
            continue
        if layer.input not in pairs:
            pair = activation_pair(model, layer.input, scale_of(table, layer.input))
            groups.setdefault(positions.get(layer.input, -1) + 1, []).extend(pair)  # an input has no position
            pairs[layer.input] = pair[1].output[0]
        weight = _weight_node(model, layer, np.asarray(graph.array(layer.weight), np.float32))
        groups.setdefault(positions[layer.output], []).append(weight)
        layer.node.input[0], layer.node.input[1] = pairs[layer.input], weight.output[0]
    insert_before_use(model, groups)
    drop_unused_constants(model)


def scale_of(table: Table, tensor: str) -> float:
    """Size of one integer step of a tensor.

    Raises:
        InputError: the table lacks the tensor.
    """
    if tensor not in table.ranges:
        raise InputError(f"The calibration table has no range for tensor {tensor}.", "Calibrate this graph again.")
    return table.ranges[tensor].amax / LEVELS


def activation_pair(model: ModelProto, tensor: str, scale: float) -> list[NodeProto]:
    """A symmetric int8 Q/DQ pair behind a tensor.

    Args:
        model: gets the scale and zero point.
        tensor: float activation.
        scale: size of one step.

    Returns:
        QuantizeLinear and DequantizeLinear; the second one's output takes the tensor's place.
    """
    from onnx import helper

    step = constant(model, f"{tensor}_scale", np.asarray(scale, np.float32))
    zero = constant(model, f"{tensor}_zero", np.zeros((), np.int8))
    q, dq = f"{tensor}_quantized", f"{tensor}_dequantized"
    return [
        helper.make_node("QuantizeLinear", [tensor, step, zero], [q], q),
        helper.make_node("DequantizeLinear", [q, step, zero], [dq], dq),
    ]


def _weight_node(model: ModelProto, layer: Layer, weights: NDArray[np.float32]) -> NodeProto:
    """int8 weights and the DequantizeLinear that reads them; named after the layer, since layers may share weights."""
    from onnx import helper

    integers, scales = int8_from_weights(weights, layer.axis, layer.weight)
    name = f"{layer.output}_weight"
    inputs = [
        constant(model, f"{name}_quantized", integers),
        constant(model, f"{name}_scale", scales),
        constant(model, f"{name}_zero", np.zeros(len(scales), np.int8)),
    ]
    output = f"{name}_dequantized"
    return helper.make_node("DequantizeLinear", inputs, [output], output, axis=layer.axis)
