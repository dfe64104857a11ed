"""Biases as int32 in units of one product: ONNX Runtime's integer kernels take no float bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration.graph import constant, graph_from_model, insert_before_use
from compile.lowerings.sites import scale_array, sites_from_graph

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LARGEST_BIAS = 2**30  # leaves half of int32 to the sum of products


def integer_biases(model: ModelProto) -> None:
    """Quantize the bias of each INT8 layer with scale (activation's scale * weight's scale).

    Where a channel's weights are so small that its bias would not fit, its weights get a coarser scale.

    Args:
        model: Q/DQ graph, changed in place.
    """
    from onnx import helper

    graph = graph_from_model(model)
    positions = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    groups: dict[int, list[NodeProto]] = {}
    for site in sites_from_graph(graph):
        if len(site.node.input) < 3 or site.node.input[2] not in graph.constants:
            continue
        bias = graph.array(site.node.input[2]).astype(np.float64)
        step, scales = scale_array(graph, site.activation), scale_array(graph, site.weight)
        wide = np.maximum(scales, np.abs(bias) / (LARGEST_BIAS * step)).astype(np.float32)
        if (wide != scales).any():
            integers = graph.array(site.weight.input[0])
            shape = [-1 if axis == site.axis else 1 for axis in range(integers.ndim)]
            coarse = np.rint(integers * (scales / wide).reshape(shape)).astype(np.int8)
            constant(model, site.weight.input[0], coarse)
            constant(model, site.weight.input[1], wide)
        name = f"{site.node.output[0]}_bias"
        unit = (wide * step).astype(np.float32)
        inputs = [
            constant(model, f"{name}_quantized", np.rint(bias / unit).astype(np.int32)),
            constant(model, f"{name}_scale", unit),
            constant(model, f"{name}_zero", np.zeros(len(unit), np.int32)),
        ]
        output = f"{name}_dequantized"
        groups[positions[site.node.output[0]]] = [
            helper.make_node("DequantizeLinear", inputs, [output], output, axis=0)
        ]
        site.node.input[2] = output
    insert_before_use(model, groups)
