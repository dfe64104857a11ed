"""The canonical file -> the strongly typed graph that TensorRT builds literally, by ordered passes.

::

    modern_opset -> plain_weights [-> token_convolutions] [-> half_types] [-> without_function]

TensorRT 10.3 to 11 takes every type from the file: int8 between Q and DQ, float16 (or float32) elsewhere. The same file
runs in ONNX Runtime on a CPU as long as the local function is in it: that is how the numbers are checked without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calibration.artifact import Artifact
from calibration.graph import (
    attribute,
    constant,
    drop_unused_constants,
    graph_from_model,
    load_model,
    opset_of,
    replace_all,
)
from calibration.graph import save_model as saved
from compile.lowerings.half_types import FLOAT, FLOAT16, half_types
from compile.lowerings.token_convolutions import token_convolutions
from compile.onnx_function import DOMAIN
from edge.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

FIRST_OPSET = 19  # the first whose QuantizeLinear takes float16
OPSET = 20  # the canonical file's


@dataclass(frozen=True)
class Pass:
    """One step of the lowering.

    Attributes:
        name: what it does.
        bound: by how much it may change the value of a tensor, against the graph before it.
        run: changes a model in place.
    """

    name: str
    bound: str
    run: Callable[[ModelProto], None]


def modern_opset(model: ModelProto) -> None:
    """Bring somebody else's older graph to the canonical opset.

    Raises:
        ModelError: onnx cannot convert it.
    """
    from onnx import version_converter

    opset = opset_of(model)
    if opset >= FIRST_OPSET:
        return
    try:
        model.CopyFrom(version_converter.convert_version(model, OPSET))
    except Exception as error:  # the converter's exceptions share no base below Exception
        raise ModelError(
            f"The graph has opset {opset} and cannot be brought to {OPSET}: {str(error).splitlines()[0][:200]}.",
            f"Export it with opset {OPSET}.",
        ) from error


def plain_weights(model: ModelProto) -> None:
    """Weights that are stored as float16 behind a Cast become float32 initializers again."""
    graph = graph_from_model(model)
    kept = []
    for node in model.graph.node:
        stored = graph.constants.get(node.input[0]) if node.op_type == "Cast" else None
        if stored is not None and stored.data_type == FLOAT16 and attribute(node, "to") == FLOAT:
            constant(model, node.output[0], graph.array(node.input[0]).astype(np.float32))
        else:
            kept.append(node)
    replace_all(model.graph.node, kept)


def without_function(model: ModelProto) -> None:
    """Drop the scan's local function: TensorRT before 10.7 would expand it in place of the plugin."""
    replace_all(model.functions, [function for function in model.functions if function.domain != DOMAIN])


MODERN_OPSET = Pass("modern_opset", "0: the same operators", modern_opset)
PLAIN_WEIGHTS = Pass("plain_weights", "0: the same values", plain_weights)
TOKEN_CONVOLUTIONS = Pass("token_convolutions", "0 between Q and DQ; else the order of a sum", token_convolutions)
HALF_TYPES = Pass(
    "half_types", "2^-11 of each value, scale and weight; 2^-25 absolute where that is less than 6e-5", half_types
)
WITHOUT_FUNCTION = Pass("without_function", "0: the plugin computes the same operator", without_function)


def engine_passes(half: bool = True, convolutions: bool = False, function: bool = True) -> tuple[Pass, ...]:
    """The passes for TensorRT, in their order.

    Args:
        half: float16 where the canonical file has float32; False for `--precision fp32`.
        convolutions: linear layers over maps as 1x1 convolutions.
        function: keep the scan's local function, for ONNX Runtime.
    """
    chosen = (
        (MODERN_OPSET, True),
        (PLAIN_WEIGHTS, True),
        (TOKEN_CONVOLUTIONS, convolutions),
        (HALF_TYPES, half),
        (WITHOUT_FUNCTION, not function),
    )
    return tuple(step for step, wanted in chosen if wanted)


def fp16_from_qdq(
    qdq: Artifact, path: Path, *, half: bool = True, convolutions: bool = False, function: bool = True
) -> Artifact:
    """Lower the canonical file for TensorRT.

    Args:
        qdq: the canonical file of any precision, with or without Q/DQ.
        path: the ONNX file to write.
        half: see `engine_passes`, as the rest.
        convolutions: 1x1 convolutions in place of matrix products.
        function: keep the local function.

    Returns:
        A graph with float32 input and outputs.

    Raises:
        ModelError: the graph cannot be read, or a weight is beyond float16.
        MachineError: the file cannot be written.
    """
    model = load_model(qdq.path)
    for step in engine_passes(half, convolutions, function):
        step.run(model)
    drop_unused_constants(model)
    return saved(model, path, {"qdq": qdq.sha256})
