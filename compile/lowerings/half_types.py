"""A float32 graph -> the same graph with float16 tensors: what a strongly typed TensorRT network takes literally.

::

    frame float32 --Cast--> float16 ... Q (float16 scale) -> int8 -> DQ (float16 scale) ... float16 --Cast--> float32

The scan's weights stay float32, as the operator's definition has them; its maps u, x_dbl and y become float16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.graph import Graph, attribute, constant, graph_from_model, replace_all
from compile.onnx_function import OP_TYPE
from edge.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

FLOAT, FLOAT16 = 1, 10  # onnx.TensorProto
LARGEST = float(np.finfo(np.float16).max)  # 65504
SMALLEST = 2.0**-24  # the smallest float16 above 0; a scale of 0 would divide by 0
FLOAT_INPUTS = {OP_TYPE: (2, 3, 4, 5), "Resize": (1, 2)}  # operator -> inputs that are float32 by definition


def half_types(model: ModelProto) -> None:
    """Make every float tensor between the input and the outputs float16.

    Args:
        model: float graph with or without Q/DQ, opset 19 or newer; changed in place.

    Raises:
        ModelError: a weight is beyond float16, or the graph has branches or loops.
    """
    graph = graph_from_model(model)
    _check_flat(model)
    _half_constants(model, graph)
    for node in model.graph.node:
        _half_attributes(node)
    for value in model.graph.value_info:
        if value.type.tensor_type.elem_type == FLOAT:
            value.type.tensor_type.elem_type = FLOAT16
    _cast_at_ends(model)


def half_from_floats(values: NDArray[np.floating[Any]], name: str, is_scale: bool) -> NDArray[np.float16]:
    """Round to float16.

    Args:
        values: float32.
        name: for the error message.
        is_scale: a step of Q/DQ, which must not become 0.

    Raises:
        ModelError: a value is beyond float16's largest, 65504.
    """
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))  # infinity may be an attention mask's
    if largest > LARGEST:
        raise ModelError(
            f"Weight {name} holds {largest:.4g}; float16 ends at {LARGEST:.0f}.", "Compile with --precision fp32."
        )
    half = values.astype(np.float16)
    return np.maximum(half, np.float16(SMALLEST)) if is_scale else half


def _check_flat(model: ModelProto) -> None:
    loops = [node.op_type for node in model.graph.node if any(a.HasField("g") or a.graphs for a in node.attribute)]
    foreign = [function.name for function in model.functions if function.name != OP_TYPE]
    if found := [*loops, *foreign]:
        raise ModelError(
            f"The graph has parts that this version cannot write in float16: {', '.join(sorted(set(found))[:5])}.",
            "Export it without control flow and local functions, or compile with --precision fp32.",
        )


def _half_constants(model: ModelProto, graph: Graph) -> None:
    """float32 initializers become float16, but for the inputs that stay; one read both ways is kept in both."""
    scales = {node.input[1] for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")}
    kept: set[str] = set()
    renamed: dict[str, str] = {}
    for node in model.graph.node:
        kept |= {node.input[index] for index in FLOAT_INPUTS.get(node.op_type, ()) if index < len(node.input)}
    for name, tensor in tuple(graph.constants.items()):
        if tensor.data_type != FLOAT or not graph.consumers.get(name):
            continue
        half = half_from_floats(graph.array(name), name, name in scales)
        renamed[name] = constant(model, f"{name}_half" if name in kept else name, half)
    for node in model.graph.node:
        stays = FLOAT_INPUTS.get(node.op_type, ())
        for index, name in enumerate(node.input):
            if index not in stays:
                node.input[index] = renamed.get(name, name)


def _half_attributes(node: NodeProto) -> None:
    from onnx import numpy_helper

    if node.op_type == "Cast" and attribute(node, "to") == FLOAT:
        next(a for a in node.attribute if a.name == "to").i = FLOAT16
    if node.op_type == "ConstantOfShape":
        value = attribute(node, "value")
        if value is None:
            node.attribute.add(name="value", type=4).t.CopyFrom(numpy_helper.from_array(np.zeros(1, np.float16)))
        elif value.data_type == FLOAT:
            half = half_from_floats(numpy_helper.to_array(value), node.output[0], is_scale=False)
            next(a for a in node.attribute if a.name == "value").t.CopyFrom(numpy_helper.from_array(half))


def _cast_at_ends(model: ModelProto) -> None:
    """Casts behind the float32 input and in front of the float32 outputs."""
    from onnx import helper

    graph = graph_from_model(model)
    floats = {v.name for v in (*model.graph.input, *model.graph.output) if v.type.tensor_type.elem_type == FLOAT}
    ends = {name: f"{name}_half" for name in (*graph.inputs, *graph.outputs) if name in floats}
    for node in model.graph.node:
        for field in (node.input, node.output):
            replace_all(field, [ends.get(name, name) for name in field])
    first = [helper.make_node("Cast", [name], [ends[name]], ends[name], to=FLOAT16) for name in graph.inputs]
    last = [
        helper.make_node("Cast", [ends[name]], [name], f"{name}_float", to=FLOAT)
        for name in graph.outputs
        if name in ends
    ]
    replace_all(model.graph.node, [*first, *model.graph.node, *last])
