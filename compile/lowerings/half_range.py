"""What float16 takes from a graph's weights: values too small for it, told by tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calibration.graph import graph_from_model

if TYPE_CHECKING:
    from onnx import ModelProto

FLOAT = 1  # onnx.TensorProto.FLOAT
ZEROED = 2.0**-25  # float16 rounds smaller values to 0


@dataclass(frozen=True)
class Underflow:
    """A float32 tensor that loses values.

    Attributes:
        tensor: its name.
        zeroed: values that become 0.
        total: values that are not 0.
    """

    tensor: str
    zeroed: int
    total: int

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.tensor} ({self.zeroed} of {self.total})"


def underflows_from_model(model: ModelProto) -> tuple[Underflow, ...]:
    """The weights of a float graph that lose values in float16, in the graph's order.

    Args:
        model: float32 weights, before `half_types`.
    """
    graph, found = graph_from_model(model), []
    for name, tensor in graph.constants.items():
        if tensor.data_type == FLOAT and graph.consumers.get(name):
            sizes = np.abs(graph.array(name))
            zeroed = int(((sizes > 0) & (sizes <= ZEROED)).sum())
            if zeroed:
                found.append(Underflow(name, zeroed, int((sizes > 0).sum())))
    return tuple(found)
