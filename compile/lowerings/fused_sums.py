"""Residual sums of two or three convolutions' maps from codes to codes, channels last.

::

    codes -> DequantizeLinear -> Add [-> Add] -> QuantizeLinear -> DequantizeLinear -> Conv
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibration.graph import Graph, graph_from_model
from compile.lowerings.fused_graph import (
    FIRST,
    LAST,
    convolutions_quantizer,
    fused_node,
    has_codes,
    note_shape,
    put_fused,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MOST_TERMS = 3  # of the library's operators


def fused_sums(model: ModelProto) -> None:
    """Fuse every sum of convolutions' codes that a convolution reads.

    A sum of more terms, or one that something else reads, is left or made as well.

    Args:
        model: with uint8 activations, changed in place.
    """
    graph = graph_from_model(model)
    groups = {}
    for add in model.graph.node:
        quantize = convolutions_quantizer(graph, add.output[0]) if add.op_type == "Add" else None
        terms = _terms(graph, add.output[0], graph.shapes.get(add.output[0])) if quantize is not None else None
        if quantize is not None and terms and len(terms) <= MOST_TERMS:
            groups[quantize.output[0]] = _nodes(terms, quantize)
            note_shape(model, add.output[0], quantize.output[0])
    put_fused(model, groups)


def _terms(graph: Graph, name: str, shape: tuple[int | None, ...] | None) -> list[NodeProto] | None:
    """The DequantizeLinear nodes of convolutions' codes that add up to a tensor, in the order of the additions."""
    node = graph.producers.get(name)
    if node is None or shape is None or len(shape) != 4:
        return None
    if node.op_type == "Add":
        first, second = (_terms(graph, term, shape) for term in node.input)
        in_order = first and second and len(second) == 1  # floats do not add up alike in another order
        return [*first, *second] if first and second and in_order else None
    codes = graph.producers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
    source = graph.producers.get(codes.input[0]) if codes is not None and has_codes(graph, node) else None
    is_same = source is not None and source.op_type == "Conv" and graph.shapes.get(source.output[0]) == shape
    return [node] if is_same else None


def _nodes(terms: Sequence[NodeProto], quantize: NodeProto) -> list[NodeProto]:
    from onnx import helper

    result = quantize.output[0]
    nodes, inputs = [], []
    for term in terms:
        last = f"{term.input[0]}_last_for_{result}"
        nodes.append(helper.make_node("Transpose", [term.input[0]], [last], last, perm=LAST))
        inputs += [last, *term.input[1:3]]
    last = f"{result}_last"
    nodes.append(fused_node(f"AddQuantize{len(terms)}", [*inputs, *quantize.input[1:3]], [last]))
    nodes.append(helper.make_node("Transpose", [last], [result], result, perm=FIRST))
    return nodes
