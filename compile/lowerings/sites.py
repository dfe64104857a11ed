"""The INT8 layers of a Q/DQ graph, with their integers and scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.graph import Graph, attribute

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True)
class Site:
    """One INT8 layer.

    Attributes:
        node: Conv, Gemm or MatMul.
        activation: the DequantizeLinear of what it reads.
        weight: the DequantizeLinear of its weights.
    """

    node: NodeProto
    activation: NodeProto
    weight: NodeProto

    @property
    def axis(self) -> int:
        """The weights' axis of output channels."""
        return int(attribute(self.weight, "axis", 1))


def sites_from_graph(graph: Graph) -> tuple[Site, ...]:
    """The INT8 layers of a Q/DQ graph, in the graph's order."""
    sites = []
    for node in graph.model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            activation, weight = (graph.producers.get(name) for name in node.input[:2])
            if _is_dequantize(activation) and _is_dequantize(weight):
                assert activation is not None and weight is not None  # for the type checker
                sites.append(Site(node, activation, weight))
    return tuple(sites)


def _is_dequantize(node: NodeProto | None) -> bool:
    return node is not None and node.op_type == "DequantizeLinear"


def quantizers(graph: Graph) -> tuple[NodeProto, ...]:
    """The QuantizeLinear nodes of a graph: one an activation."""
    return tuple(node for node in graph.model.graph.node if node.op_type == "QuantizeLinear")


def scale_array(graph: Graph, node: NodeProto) -> NDArray[np.float32]:
    """Scale, or scales per channel, of a QuantizeLinear or DequantizeLinear."""
    return np.asarray(graph.array(node.input[1]), np.float32)
