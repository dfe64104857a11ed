"""Any exporter's graph -> the form the quantizer reads: weights as initializers, linear layers as 2-D Gemm.

::

    Constant, Identity, Reshape and Transpose of weights -> initializer
    Conv, BatchNormalization                             -> Conv
    MatMul (.., K) x (K, N) [, Add bias]                 -> Reshape (-1, K), Gemm, Reshape (.., N)

ONNX Runtime has an INT8 kernel for a Gemm with float output, none for a MatMul with bias: there it dequantizes the
weights at every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.graph import (
    Graph,
    attribute,
    check_valid,
    constant,
    drop_unused_constants,
    graph_from_model,
    replace_all,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def canonical_from_model(model: ModelProto) -> ModelProto:
    """Rewrite a graph into the canonical form; the function it computes stays the same within float rounding.

    Args:
        model: left as it is.

    Returns:
        A new model.

    Raises:
        ModelError: the graph breaks the ONNX specification.
    """
    from onnx import shape_inference

    model = shape_inference.infer_shapes(model, data_prop=True)
    model.graph.name = model.graph.name or "graph"  # ONNX Runtime does not ask for one, the specification does
    for step in (_strip_notes, _fold_constants, _fold_batch_norms, _linear_layers_as_gemm, _name_nodes):
        step(model)
    drop_unused_constants(model)
    check_valid(model, "The graph")
    return model


def _strip_notes(model: ModelProto) -> None:
    """Drop what exporters note down: paths of their machine, and fields newer than the IR version that is written."""
    for message in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        message.ClearField("doc_string")
        message.ClearField("metadata_props")
    for message in (model.graph, *model.functions):
        message.ClearField("doc_string")
        message.ClearField("metadata_props")


def _fold_constants(model: ModelProto) -> None:
    graph, kept = graph_from_model(model), []
    values: dict[str, NDArray[Any]] = {}
    for node in model.graph.node:
        folded = _folded(node, graph, values)
        if folded is None or node.output[0] in graph.outputs:
            kept.append(node)
        else:
            values[node.output[0]] = folded
    replace_all(model.graph.node, kept)
    for name, array in values.items():
        constant(model, name, array)


def _folded(node: NodeProto, graph: Graph, values: dict[str, NDArray[Any]]) -> NDArray[Any] | None:
    """Result of a node whose inputs are all constants, None for the others."""
    from onnx import numpy_helper

    if node.op_type == "Constant" and node.attribute[0].name == "value":
        return numpy_helper.to_array(node.attribute[0].t)
    if node.op_type == "Constant" and node.attribute[0].name in ("value_int", "value_ints"):
        return np.asarray(attribute(node, node.attribute[0].name), np.int64)
    if node.op_type == "Constant" and node.attribute[0].name in ("value_float", "value_floats"):
        return np.asarray(attribute(node, node.attribute[0].name), np.float32)
    if not node.input or not all(name in values or name in graph.constants for name in node.input):
        return None
    arrays = [values[name] if name in values else graph.array(name) for name in node.input]
    if node.op_type == "Identity":
        return arrays[0]
    if node.op_type == "Transpose":
        return np.transpose(arrays[0], attribute(node, "perm"))
    if node.op_type == "Reshape" and 0 not in arrays[1]:  # 0 means "copy" or "empty", by an attribute
        return arrays[0].reshape(tuple(arrays[1]))
    return None


def _fold_batch_norms(model: ModelProto) -> None:
    graph = graph_from_model(model)
    kept = []
    for node in model.graph.node:
        conv = graph.producers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if (
            conv is None
            or conv.op_type != "Conv"
            or len(node.output) > 1  # training form
            or graph.only_consumer(conv.output[0]) is None
            or not all(name in graph.constants for name in (*conv.input[1:], *node.input[1:]))
        ):
            kept.append(node)
            continue
        gain, shift, mean, variance = (graph.array(name) for name in node.input[1:5])
        gain = gain / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        bias = graph.array(conv.input[2]) if len(conv.input) > 2 and conv.input[2] else np.zeros_like(mean)
        weight = graph.array(conv.input[1])
        folded = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
        output = node.output[0]
        names = [
            constant(model, f"{output}_weight", folded),
            constant(model, f"{output}_bias", (bias - mean) * gain + shift),
        ]
        replace_all(conv.input, [conv.input[0], *names])
        conv.output[0] = output
    replace_all(model.graph.node, kept)


def _linear_layers_as_gemm(model: ModelProto) -> None:
    graph, nodes = graph_from_model(model), []
    merged: set[str] = set()  # outputs of Adds that became a Gemm's bias
    flattened: dict[str, str] = {}
    for node in model.graph.node:
        if node.output[0] in merged:
            continue
        leading = _leading_dims(node, graph)
        if leading is None:
            nodes.append(node)
            continue
        bias, output = _bias_and_output(node, graph)
        if bias is not None:
            merged.add(output)
        nodes += _gemm(model, node, leading, bias, output, flattened, graph)
    replace_all(model.graph.node, nodes)


def _leading_dims(node: NodeProto, graph: Graph) -> list[int] | None:
    """Dimensions of a linear layer's output but the last (-1: the symbolic one); None if the node is no such layer."""
    if node.op_type != "MatMul" or node.input[1] not in graph.constants:
        return None
    shape = graph.shapes.get(node.input[0])
    if len(graph.constants[node.input[1]].dims) != 2 or shape is None or len(shape) < 2:
        return None
    leading = [-1 if dim is None else dim for dim in shape[:-1]]
    return leading if leading.count(-1) <= 1 else None


def _bias_and_output(node: NodeProto, graph: Graph) -> tuple[str | None, str]:
    """The bias that is added to a MatMul, if any, and the tensor that holds the whole layer's result."""
    add = graph.only_consumer(node.output[0])
    if add is not None and add.op_type == "Add":
        other = add.input[1] if add.input[0] == node.output[0] else add.input[0]
        if other in graph.constants and tuple(graph.constants[other].dims) == (graph.constants[node.input[1]].dims[1],):
            return other, add.output[0]
    return None, node.output[0]


def _gemm(
    model: ModelProto,
    node: NodeProto,
    leading: list[int],
    bias: str | None,
    output: str,
    flattened: dict[str, str],
    graph: Graph,
) -> list[NodeProto]:
    from onnx import helper

    source, weight = node.input
    rows, columns = graph.constants[weight].dims
    inputs = [weight] if bias is None else [weight, bias]
    if len(leading) == 1:
        return [helper.make_node("Gemm", [source, *inputs], [output], output)]
    nodes = []
    if source not in flattened:
        flattened[source] = f"{source}_rows"
        shape = constant(model, f"rows_of_{rows}", np.array([-1, rows], np.int64))
        nodes.append(helper.make_node("Reshape", [source, shape], [flattened[source]], flattened[source]))
    shape = constant(model, f"{output}_shape", np.array([*leading, columns], np.int64))
    return [
        *nodes,
        helper.make_node("Gemm", [flattened[source], *inputs], [f"{output}_rows"], f"{output}_gemm"),
        helper.make_node("Reshape", [f"{output}_rows", shape], [output], f"{output}_reshape"),
    ]


def _name_nodes(model: ModelProto) -> None:
    for node in model.graph.node:
        node.name = node.name or node.output[0]
