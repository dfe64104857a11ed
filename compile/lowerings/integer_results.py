"""Layers whose kernel cannot write float write int8: convolutions, and linear layers in front of a ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.graph import graph_from_model, insert_before_use
from calibration.layers import integer_result
from calibration.table import Table
from compile.lowerings.sites import sites_from_graph
from compile.quantize import activation_pair, scale_of

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def quantize_results(model: ModelProto, table: Table) -> None:
    """Put a Q/DQ pair behind each such INT8 layer (behind its ReLU) that has none.

    A convolution's result is rounded before it is added to a residual branch; the sum itself stays float.

    Args:
        model: Q/DQ graph, changed in place.
        table: ranges of its activations.

    Raises:
        InputError: the table lacks a tensor.
    """
    graph = graph_from_model(model)
    positions = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    groups: dict[int, list[NodeProto]] = {}
    for site in sites_from_graph(graph):
        result = integer_result(site.node, graph)
        readers = graph.consumers.get(result or "", [])
        if result is None or result in graph.outputs or all(node.op_type == "QuantizeLinear" for node in readers):
            continue
        present = next((node for node in readers if node.op_type == "QuantizeLinear"), None)
        if present is None:
            pair = activation_pair(model, result, scale_of(table, result))
            groups.setdefault(positions[result] + 1, []).extend(pair)
            replacement = pair[1].output[0]
        else:
            replacement = graph.consumers[present.output[0]][0].output[0]
        for node in readers:
            if node.op_type != "QuantizeLinear":
                for index, name in enumerate(node.input):
                    if name == result:
                        node.input[index] = replacement
    insert_before_use(model, groups)
