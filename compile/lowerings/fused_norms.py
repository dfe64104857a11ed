"""LayerNormalization with what stands around it in one operator: the residual sum before it, the rounding after it.

::

    [x, branch -> Add ->] sum -> LayerNormalization -> Reshape (-1, C) -> QuantizeLinear
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.graph import Graph, attribute, graph_from_model
from compile.lowerings.fused_graph import fused_node, is_rows, put_fused, quantizer_of, rows_behind

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def fused_norms(model: ModelProto) -> None:
    """Fuse every LayerNormalization whose rows a QuantizeLinear alone reads.

    Args:
        model: with uint8 activations, changed in place.
    """
    graph = graph_from_model(model)
    groups = {}
    for norm in model.graph.node:
        quantize = _quantizer(graph, norm) if norm.op_type == "LayerNormalization" else None
        if quantize is None:
            continue
        epsilon = float(attribute(norm, "epsilon", 1e-5))
        constants = [*norm.input[1:3], *quantize.input[1:3]]
        add = graph.producers.get(norm.input[0])
        terms = _terms(graph, add)
        if add is None or terms is None:
            inputs, outputs = [norm.input[0], *constants], [quantize.output[0]]
            groups[norm.output[0]] = [fused_node("LayerNormQuantize", inputs, outputs, epsilon=epsilon)]
        elif add.output[0] not in groups:
            inputs, outputs = [*terms, *constants], [add.output[0], quantize.output[0]]
            groups[add.output[0]] = [fused_node("AddLayerNormQuantize", inputs, outputs, epsilon=epsilon)]
    put_fused(model, groups)


def _quantizer(graph: Graph, norm: NodeProto) -> NodeProto | None:
    """What rounds the rows of a LayerNormalization over the last axis."""
    if len(norm.input) < 3 or len(norm.output) > 1 or any(name not in graph.constants for name in norm.input[1:]):
        return None
    dims = [tuple(graph.constants[name].dims) for name in norm.input[1:]]
    rank = len(graph.shapes.get(norm.input[0], ()))
    if attribute(norm, "axis", -1) not in (-1, rank - 1) or len(dims[0]) != 1 or dims[0] != dims[1]:
        return None
    rows = graph.only_consumer(norm.output[0])
    return quantizer_of(graph, rows.output[0]) if rows is not None and is_rows(graph, rows, dims[0][0]) else None


def _terms(graph: Graph, add: NodeProto | None) -> tuple[str, str] | None:
    """The residual and the branch of a sum of two maps of one shape."""
    if add is None or add.op_type != "Add" or any(name in graph.constants for name in add.input):
        return None
    first, second = (graph.shapes.get(name) for name in add.input)
    if first is None or first != second or add.output[0] in graph.outputs:
        return None
    x, branch = add.input
    if rows_behind(graph, branch) == branch and rows_behind(graph, x) != x:
        x, branch = branch, x
    return x, rows_behind(graph, branch)
