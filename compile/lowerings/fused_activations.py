"""GELU and SiLU with the rounding behind them, SiLU also with the codes before it.

::

    rows -> [Reshape ->] Gelu -> Reshape (-1, C) -> QuantizeLinear
    codes -> DequantizeLinear -> x * Sigmoid (x) -> Transpose = map -> Reshape (-1, C) -> QuantizeLinear
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.graph import Graph, attribute, graph_from_model
from compile.lowerings.fused_graph import LAST, fused_node, has_codes, is_rows, put_fused, quantizer_of, rows_behind

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def fused_gelus(model: ModelProto) -> None:
    """Fuse every exact GELU between two linear layers.

    Args:
        model: with uint8 activations, changed in place.
    """
    graph = graph_from_model(model)
    groups = {}
    for gelu in model.graph.node:
        if gelu.op_type != "Gelu" or gelu.domain or attribute(gelu, "approximate", b"none") != b"none":
            continue
        rows, reshape = rows_behind(graph, gelu.input[0]), graph.only_consumer(gelu.output[0])
        width = _width(graph, graph.producers.get(rows))
        quantize = quantizer_of(graph, reshape.output[0]) if reshape is not None else None
        if quantize is not None and width is not None and is_rows(graph, reshape, width):
            inputs, outputs = [rows, *quantize.input[1:3]], [quantize.output[0]]
            groups[quantize.output[0]] = [fused_node("GeluQuantize", inputs, outputs)]
    put_fused(model, groups)


def fused_silus(model: ModelProto) -> None:
    """Fuse every SiLU between a convolution's codes and a scan over the same map.

    Args:
        model: with uint8 activations, changed in place.
    """
    from onnx import helper

    graph = graph_from_model(model)
    groups = {}
    for product in model.graph.node:
        codes = _codes_of_silu(graph, product) if product.op_type == "Mul" else None
        turned = graph.only_consumer(product.output[0])
        if codes is None or turned is None or turned.op_type != "Transpose" or attribute(turned, "perm") != LAST:
            continue
        quantize = _rows_quantizer(graph, turned)
        if quantize is not None and turned.output[0] not in graph.outputs:
            last = f"{codes.input[0]}_last"
            inputs = [last, *codes.input[1:3], *quantize.input[1:3]]
            groups[turned.output[0]] = [
                helper.make_node("Transpose", [codes.input[0]], [last], last, perm=LAST),
                fused_node("SiluQuantize", inputs, [turned.output[0], quantize.output[0]]),
            ]
    put_fused(model, groups)


def _width(graph: Graph, gemm: NodeProto | None) -> int | None:
    """Columns of what a linear layer makes."""
    if gemm is None or gemm.op_type != "Gemm":
        return None
    weight = graph.producers.get(gemm.input[1])
    name = gemm.input[1] if weight is None else weight.input[0]
    if name not in graph.constants or len(graph.constants[name].dims) != 2:
        return None
    return int(graph.constants[name].dims[0 if attribute(gemm, "transB", 0) else 1])


def _codes_of_silu(graph: Graph, product: NodeProto) -> NodeProto | None:
    """The DequantizeLinear of x in x * sigmoid(x), if nothing else reads it."""
    nodes = [graph.producers.get(name) for name in product.input]
    gates = [node for node in nodes if node is not None and node.op_type == "Sigmoid"]
    values = [node for node in nodes if node is not None and node.op_type == "DequantizeLinear"]
    if len(gates) != 1 or len(values) != 1 or gates[0].input[0] != values[0].output[0]:
        return None
    readers = len(graph.consumers[values[0].output[0]])
    return values[0] if readers == 2 and has_codes(graph, values[0]) else None


def _rows_quantizer(graph: Graph, turned: NodeProto) -> NodeProto | None:
    """What rounds the rows of a map."""
    shape = graph.shapes.get(turned.output[0], ())
    for reader in graph.consumers.get(turned.output[0], []):
        if len(shape) == 4 and shape[-1] is not None and is_rows(graph, reader, shape[-1]):
            return quantizer_of(graph, reader.output[0])
    return None
