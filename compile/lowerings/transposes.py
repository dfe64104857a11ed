"""Transposes that undo each other fall away, once they have been moved behind what does not care for the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.graph import attribute, graph_from_model, names_read, replace_all

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

POINTWISE = ("Gelu", "Relu", "Sigmoid", "HardSwish", "Tanh")  # one input; the value of an element decides the result


def cancel_transposes(model: ModelProto) -> None:
    """Move each Transpose behind the pointwise operators that alone read it, then drop pairs that undo each other.

    Args:
        model: changed in place.
    """
    while _sunk(model):
        pass
    _cancelled(model)
    drop_unread_nodes(model)


def drop_unread_nodes(model: ModelProto) -> None:
    """Remove nodes whose results nobody reads."""
    outputs = {value.name for value in model.graph.output}
    kept: list[NodeProto] = []
    read = set(outputs)
    for node in reversed(model.graph.node):
        if read & set(node.output):
            kept.append(node)
            read |= set(names_read([node]))
    replace_all(model.graph.node, reversed(kept))


def _sunk(model: ModelProto) -> bool:
    """Transpose, pointwise -> pointwise, Transpose; whether there was one."""
    graph = graph_from_model(model)
    shapes = {value.name: value for value in model.graph.value_info}
    for node in model.graph.node:
        reader = graph.only_consumer(node.output[0]) if node.op_type == "Transpose" else None
        if reader is not None and reader.op_type in POINTWISE and reader.output[0] not in graph.outputs:
            attributes = list(node.attribute)
            node.op_type, reader.op_type = reader.op_type, node.op_type
            replace_all(node.attribute, list(reader.attribute))
            replace_all(reader.attribute, attributes)
            if node.output[0] in shapes:  # what lies between them has the first one's layout now
                model.graph.value_info.remove(shapes[node.output[0]])
            return True
    return False


def _cancelled(model: ModelProto) -> None:
    graph = graph_from_model(model)
    same: dict[str, str] = {}
    for node in model.graph.node:
        replace_all(node.input, [same.get(name, name) for name in node.input])
        first = graph.producers.get(node.input[0]) if node.op_type == "Transpose" else None
        if first is not None and first.op_type == "Transpose" and node.output[0] not in graph.outputs:
            perm, inner = attribute(node, "perm"), attribute(first, "perm")
            if perm and inner and [inner[axis] for axis in perm] == list(range(len(perm))):
                same[node.output[0]] = first.input[0]
