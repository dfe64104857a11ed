"""Linear layers over the pixels of a map as 1x1 convolutions: what TensorRT may have the faster kernels for.

::

    x (B,H,W,K) -> Reshape (-1,K) [-> Q -> DQ] -> Gemm -> Reshape (B,H,W,N)
    x (B,H,W,K) -> Transpose (B,K,H,W) [-> Q -> DQ] -> Conv 1x1 -> Transpose (B,H,W,N)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calibration.graph import Graph, attribute, constant, drop_unused_constants, graph_from_model, replace_all
from compile.lowerings.fused_graph import is_rows
from compile.lowerings.transposes import cancel_transposes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # channels last -> first, and back


@dataclass(frozen=True)
class Linear:
    """One linear layer over a map.

    Attributes:
        source: the map (B,H,W,K).
        quantize, dequantize: the activation's pair; None in float.
        weight: DequantizeLinear of its weights; None in float.
        gemm: the layer.
        output: the map (B,H,W,N).
    """

    source: str
    quantize: NodeProto | None
    dequantize: NodeProto | None
    weight: NodeProto | None
    gemm: NodeProto
    output: str


def token_convolutions(model: ModelProto) -> None:
    """Rewrite every Gemm that stands between the Reshapes of a map.

    Args:
        model: canonical graph with or without Q/DQ, changed in place.
    """
    graph = graph_from_model(model)
    found = {linear.output: linear for linear in (_linear(node, graph) for node in model.graph.node) if linear}
    nodes: list[NodeProto] = []
    made: set[str] = set()
    for node in model.graph.node:
        linear = found.get(node.output[0])
        nodes += [node] if linear is None else _convolution(model, graph, linear, made)
    replace_all(model.graph.node, nodes)
    cancel_transposes(model)
    drop_unused_constants(model)


def _linear(node: NodeProto, graph: Graph) -> Linear | None:
    """The layer that ends with this Reshape."""
    gemm = graph.producers.get(node.input[0]) if node.op_type == "Reshape" else None
    shape = graph.constants.get(node.input[1]) if gemm is not None else None
    if gemm is None or gemm.op_type != "Gemm" or shape is None or len(graph.array(node.input[1])) != 4:
        return None
    if attribute(gemm, "transA", 0) or attribute(gemm, "alpha", 1.0) != 1 or attribute(gemm, "beta", 1.0) != 1:
        return None
    dequantize, weight = (graph.producers.get(name) for name in gemm.input[:2])
    quantize = None
    rows = dequantize
    if dequantize is not None and dequantize.op_type == "DequantizeLinear":
        quantize = graph.producers.get(dequantize.input[0])
        rows = graph.producers.get(quantize.input[0]) if quantize is not None else None
    else:
        dequantize = None
    is_constant = gemm.input[1] in graph.constants if weight is None else weight.input[0] in graph.constants
    if rows is None or rows.op_type != "Reshape" or not is_constant or (weight is None) != (quantize is None):
        return None
    name = gemm.input[1] if weight is None else weight.input[0]
    if not _is_map(graph, rows, graph.array(node.input[1]).tolist(), name):
        return None
    return Linear(rows.input[0], quantize, dequantize, weight, gemm, node.output[0])


def _is_map(graph: Graph, rows: NodeProto, shape: list[int], weight: str) -> bool:
    """Whether rows are the pixels of a map, channels last, and go back to the same pixels."""
    source = graph.shapes.get(rows.input[0], ())
    if len(source) != 4 or source[3] is None or source[3] not in graph.constants[weight].dims:
        return False
    sides = [-1 if side is None else side for side in source[1:3]]
    return is_rows(graph, rows, source[3]) and shape[1:3] == sides


def _convolution(model: ModelProto, graph: Graph, linear: Linear, made: set[str]) -> list[NodeProto]:
    from onnx import helper

    nodes: list[NodeProto] = []

    def once(node: NodeProto) -> str:
        """Add a node that several layers may share; the name of its result."""
        if node.output[0] not in made:
            made.add(node.output[0])
            nodes.append(node)
        return str(node.output[0])

    name = f"{linear.source}_first"
    source = once(helper.make_node("Transpose", [linear.source], [name], name, perm=FIRST))
    if linear.quantize is not None and linear.dequantize is not None:
        for node in (linear.quantize, linear.dequantize):
            name = f"{node.output[0]}_first"
            source = once(helper.make_node(node.op_type, [source, *node.input[1:]], [name], name))
    weight = _weight(model, graph, linear, nodes)
    name = f"{linear.output}_first"
    nodes.append(helper.make_node("Conv", [source, weight, *linear.gemm.input[2:]], [name], name, kernel_shape=[1, 1]))
    nodes.append(helper.make_node("Transpose", [name], [linear.output], linear.output, perm=LAST))
    return nodes


def _weight(model: ModelProto, graph: Graph, linear: Linear, nodes: list[NodeProto]) -> str:
    """The layer's weights as (N,K,1,1)."""
    from onnx import helper

    name = linear.gemm.input[1] if linear.weight is None else linear.weight.input[0]
    matrix = graph.array(name)
    matrix = matrix if attribute(linear.gemm, "transB", 0) else matrix.T
    kernel = constant(model, f"{linear.gemm.output[0]}_kernel", np.ascontiguousarray(matrix)[:, :, None, None])
    if linear.weight is None:
        return kernel
    output = f"{kernel}_dequantized"
    nodes.append(helper.make_node("DequantizeLinear", [kernel, *linear.weight.input[1:]], [output], output, axis=0))
    return output
