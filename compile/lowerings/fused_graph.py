"""What the fusing passes share: which nodes they understand, and how fused ones take their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.graph import Graph, attribute, opset_of, replace_all
from compile.fused_functions import fused_function
from compile.lowerings.transposes import drop_unread_nodes
from compile.onnx_function import DOMAIN, DOMAIN_VERSION

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


UINT8 = 2  # onnx.TensorProto
FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]  # channels last -> first, and back


def fused_node(op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> NodeProto:
    """A node of the library's domain, named after its last result."""
    from onnx import helper

    return helper.make_node(op_type, inputs, outputs, outputs[-1], domain=DOMAIN, **attributes)


def put_fused(model: ModelProto, groups: Mapping[str, Sequence[NodeProto]]) -> None:
    """Put nodes in the place of those that make the same tensors; what nobody reads any more falls away.

    Args:
        model: changed in place.
        groups: tensor -> the nodes that go in front of the node that makes it.
    """
    if not groups:
        return
    made = {name for nodes in groups.values() for node in nodes for name in node.output}
    kept: list[NodeProto] = []
    for node in model.graph.node:
        kept += groups.get(node.output[0], ())
        kept += [] if node.output[0] in made else [node]
    replace_all(model.graph.node, kept)
    drop_unread_nodes(model)
    _add_functions(model)


def quantizer_of(graph: Graph, name: str) -> NodeProto | None:
    """The QuantizeLinear that alone reads a tensor, if it makes uint8 with one constant scale."""
    node = graph.only_consumer(name)
    return node if node is not None and node.op_type == "QuantizeLinear" and has_codes(graph, node) else None


def has_codes(graph: Graph, node: NodeProto) -> bool:
    """Whether a QuantizeLinear or DequantizeLinear is for uint8 with one constant scale."""
    if len(node.input) < 3 or any(name not in graph.constants for name in node.input[1:]):
        return False
    scale, zero = (graph.array(name) for name in node.input[1:])
    return scale.size == zero.size == 1 and zero.dtype == np.uint8 and scale.dtype == np.float32


def note_shape(model: ModelProto, like: str, name: str) -> None:
    """Write down the shape of a map of codes: ONNX Runtime turns no convolution channels last whose input has none.

    Args:
        model: changed in place.
        like: a float map of that shape.
        name: the codes.
    """
    for value in model.graph.value_info:
        if value.name == like:
            noted = model.graph.value_info.add()
            noted.CopyFrom(value)
            noted.name, noted.type.tensor_type.elem_type = name, UINT8
            return


def convolutions_quantizer(graph: Graph, name: str) -> NodeProto | None:
    """The QuantizeLinear among a tensor's readers that makes codes for nothing but convolutions."""
    for reader in graph.consumers.get(name, []):
        if reader.op_type == "QuantizeLinear" and has_codes(graph, reader):
            dequantize = graph.only_consumer(reader.output[0])
            readers = graph.consumers.get(dequantize.output[0], []) if dequantize is not None else []
            if readers and all(node.op_type == "Conv" for node in readers):
                return reader
    return None


def is_rows(graph: Graph, node: NodeProto | None, channels: int) -> bool:
    """Whether a node is a Reshape to (-1, channels)."""
    if node is None or node.op_type != "Reshape" or node.input[1] not in graph.constants:
        return False
    return graph.array(node.input[1]).tolist() == [-1, channels] and not attribute(node, "allowzero", 0)


def rows_behind(graph: Graph, name: str) -> str:
    """The rows of a linear layer that a tensor is a Reshape of; else the tensor itself."""
    node = graph.producers.get(name)
    source = graph.producers.get(node.input[0]) if node is not None and node.op_type == "Reshape" else None
    return str(node.input[0]) if node is not None and source is not None and source.op_type == "Gemm" else name


def _add_functions(model: ModelProto) -> None:
    from onnx import helper

    present = {function.name for function in model.functions if function.domain == DOMAIN}
    used = dict.fromkeys(node.op_type for node in model.graph.node if node.domain == DOMAIN)
    opset = opset_of(model)
    model.functions.extend(fused_function(name, opset) for name in used if name not in present)
    if all(entry.domain != DOMAIN for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
