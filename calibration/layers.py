"""Which layers of a graph have weights, and which of them may run in INT8.

INT8: Conv, Gemm and MatMul with constant weights. Float: what has no layer behind it (the head), a linear layer with
fewer than 16 inputs or outputs, a convolution with fewer than 16 channels unless grouped. The scan is no layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibration.graph import Graph, attribute
from edge.errors import ModelError

if TYPE_CHECKING:
    from onnx import NodeProto

FLOAT = 1  # onnx.TensorProto.FLOAT
QDQ = ("QuantizeLinear", "DequantizeLinear")
MIN_CHANNELS = 16  # below this the INT8 kernels of TensorRT lose to float; the rule of nvidia-modelopt


@dataclass(frozen=True)
class Layer:
    """A node with constant weights.

    Attributes:
        node: Conv, Gemm or MatMul.
        input: the activation it reads.
        weight: its weights' initializer.
        bias: its bias' initializer, None where it has none.
        output: what it makes.
        axis: the weights' axis of output channels.
    """

    node: NodeProto
    input: str
    weight: str
    bias: str | None
    output: str
    axis: int

    @property
    def name(self) -> str:
        """The node's name, or its output's where it has none."""
        return self.node.name or self.output


def layers_from_graph(graph: Graph) -> tuple[Layer, ...]:
    """All layers of a graph with constant weights, in the graph's order."""
    layers = (_layer(node, graph) for node in graph.model.graph.node)
    return tuple(layer for layer in layers if layer is not None)


def int8_layers(graph: Graph) -> tuple[Layer, ...]:
    """The layers that may run in INT8, in the graph's order."""
    layers = layers_from_graph(graph)
    behind = _outputs_with_a_layer_behind(graph, layers)
    return tuple(layer for layer in layers if layer.output in behind and _is_wide(layer, graph))


def check_float(graph: Graph) -> None:
    """Refuse a graph that somebody has quantized: its steps are not ours, and the lowerings would change them.

    Raises:
        ModelError: it has Q/DQ.
    """
    found = [node.op_type for node in graph.model.graph.node if node.op_type in QDQ]
    if found:
        raise ModelError(
            f"The graph is quantized already ({len(found)} QuantizeLinear and DequantizeLinear).",
            "Give the float model, or compile this one with --precision fp32.",
        )


def integer_result(node: NodeProto, graph: Graph) -> str | None:
    """The tensor that a layer's INT8 kernel must write as integers.

    ONNX Runtime has no integer convolution with a float result, and it fuses a linear layer with the ReLU behind it
    into a float kernel unless a QuantizeLinear follows.

    Args:
        node: the layer.
        graph: where it is.

    Returns:
        The ReLU's output where only a ReLU reads the layer, a convolution's own; None where a float result will do.
    """
    reader = graph.only_consumer(node.output[0])
    if reader is not None and reader.op_type == "Relu":
        return str(reader.output[0])
    return str(node.output[0]) if node.op_type == "Conv" else None


def _layer(node: NodeProto, graph: Graph) -> Layer | None:
    if node.op_type not in ("Conv", "Gemm", "MatMul") or node.domain not in ("", "ai.onnx"):
        return None
    source, weight = node.input[:2]
    bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
    if weight not in graph.constants or graph.constants[weight].data_type != FLOAT or source in graph.constants:
        return None
    if bias and bias not in graph.constants:
        return None
    dims = graph.constants[weight].dims
    if node.op_type == "Conv":
        return Layer(node, source, weight, bias, node.output[0], 0)
    plain = [attribute(node, n, d) == d for n, d in (("alpha", 1.0), ("beta", 1.0), ("transA", 0))]
    if len(dims) != 2 or not all(plain) or (bias and tuple(graph.constants[bias].dims) != (dims[_linear_axis(node)],)):
        return None
    return Layer(node, source, weight, bias, node.output[0], _linear_axis(node))


def _linear_axis(node: NodeProto) -> int:
    return 0 if attribute(node, "transB", 0) else 1


def _is_wide(layer: Layer, graph: Graph) -> bool:
    dims = graph.constants[layer.weight].dims
    if layer.node.op_type == "Conv" and attribute(layer.node, "group", 1) > 1:
        return True
    return bool(min(dims[:2]) >= MIN_CHANNELS)


def _outputs_with_a_layer_behind(graph: Graph, layers: tuple[Layer, ...]) -> set[str]:
    """Tensors from which some layer can be reached."""
    found: set[str] = set()
    waiting = [layer.input for layer in layers]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            node = graph.producers.get(name)
            waiting += [source for source in node.input if source] if node is not None else []
    return found
