"""Which range of a tensor disturbs the layers that read it least.

::

    a few images' values of the tensor --int8 at each range--> the layer alone --> error / signal of its output
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.activations import open_run
from calibration.graph import Graph
from calibration.layers import Layer
from calibration.observers import LEVELS
from calibration.weights import int8_from_weights, weights_from_int8

if TYPE_CHECKING:
    from onnx import ModelProto


def output_errors(
    layer: Layer, graph: Graph, values: NDArray[np.float32], ranges: Mapping[str, float], threads: int = 0
) -> dict[str, float]:
    """What INT8 changes in one layer's output.

    Args:
        layer: the layer.
        graph: where its weights are.
        values: what it reads, some images.
        ranges: name -> amax to try.
        threads: threads of one operator, 0 for one per core.

    Returns:
        Name -> mean square of the change / mean square of the float output (without its mean).

    Raises:
        ModelError: a weight is NaN or infinite.
    """
    weight = np.asarray(graph.array(layer.weight), np.float32)
    coarse = weights_from_int8(*int8_from_weights(weight, layer.axis, layer.weight), layer.axis)
    run = open_run(_layer_alone(layer), threads)
    (expected,) = run({"x": values, "w": weight})
    signal = float(expected.var()) or 1.0
    errors = {}
    for amax in dict.fromkeys(ranges.values()):
        (got,) = run({"x": rounded(values, amax), "w": coarse})
        errors[amax] = float(np.square(got - expected).mean()) / signal
    return {name: errors[amax] for name, amax in ranges.items()}


def best_range(errors: Sequence[Mapping[str, float]], preferred: Sequence[str], tolerance: float = 0.02) -> str:
    """The range with the least error over all layers that read the tensor.

    Args:
        errors: for each layer, name -> error.
        preferred: all names; an earlier one is taken unless a later one is better by more than the tolerance.
        tolerance: relative; smaller differences are chance on a few images.
    """
    total = {name: sum(layer[name] for layer in errors) for name in preferred}
    limit = min(total.values()) * (1 + tolerance)
    return next(name for name in preferred if total[name] <= limit)


def rounded(values: NDArray[np.float32], amax: float) -> NDArray[np.float32]:
    """Values as int8 with range [-amax, amax] gives them back."""
    scale = np.float32(amax / LEVELS)
    coarse: NDArray[np.float32] = np.clip(np.rint(values / scale), -LEVELS - 1, LEVELS) * scale
    return coarse


def _layer_alone(layer: Layer) -> ModelProto:
    """A model of just this node without bias: x, w -> y."""
    from onnx import TensorProto, helper

    node = helper.make_node(layer.node.op_type, ["x", "w"], ["y"])
    node.attribute.extend(layer.node.attribute)
    x, w, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xwy")
    graph = helper.make_graph([node], "layer", [x, w], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
