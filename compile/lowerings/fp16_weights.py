"""Weights stored as float16, computed in float32: half the file, the same speed on a CPU, for `--precision fp16`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.artifact import Artifact
from calibration.graph import constant, graph_from_model, load_model, replace_all, save_model

if TYPE_CHECKING:
    from onnx import ModelProto

BOUND = "2^-11 of each weight, 2^-25 absolute below 6e-5"  # half a unit in float16's last place
SMALLEST_SIZE = 1024  # weights; a Cast costs more than it saves below


def fp16_weights_from_onnx(model: Artifact, path: Path) -> Artifact:
    """Store a float graph's large weights as float16.

    Args:
        model: float ONNX.
        path: the ONNX file to write.

    Returns:
        An ONNX file whose weights pass through Cast nodes, which ONNX Runtime folds when it loads the file.

    Raises:
        ModelError: the graph cannot be read.
        MachineError: the file cannot be written.
    """
    changed = load_model(model.path)
    fp16_weights(changed)
    return save_model(changed, path, {"model": model.sha256})


def fp16_weights(model: ModelProto) -> None:
    """Replace each large float32 weight by a float16 one and a Cast; one beyond float16's range stays.

    Args:
        model: changed in place.
    """
    from onnx import TensorProto, helper

    graph = graph_from_model(model)
    casts = []
    for tensor in tuple(model.graph.initializer):
        size = int(np.prod(tensor.dims))
        if tensor.data_type != TensorProto.FLOAT or size < SMALLEST_SIZE:
            continue
        values = graph.array(tensor.name)
        if np.abs(values).max() <= np.finfo(np.float16).max:
            casts.append(helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], f"{tensor.name}_cast", to=1))
            constant(model, f"{tensor.name}_half", values.astype(np.float16))
    names = {node.output[0] for node in casts}
    replace_all(model.graph.initializer, [t for t in model.graph.initializer if t.name not in names])
    replace_all(model.graph.node, [*casts, *model.graph.node])
