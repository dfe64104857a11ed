"""The first convolution, float from few channels, with its ReLU and the rounding behind it, channels last.

::

    frame -> Conv -> Relu -> QuantizeLinear -> DequantizeLinear -> Conv
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.graph import Graph, attribute, graph_from_model
from compile.lowerings.fused_graph import FIRST, convolutions_quantizer, fused_node, note_shape, put_fused

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MOST_CHANNELS = 128  # of the result; the library's limit
MOST_INPUTS = 4  # with more a matrix product is faster
FLOAT = 1  # onnx.TensorProto


def fused_stem(model: ModelProto) -> None:
    """Fuse every float convolution of few channels whose ReLU makes codes for convolutions.

    Args:
        model: with uint8 activations, changed in place.
    """
    from onnx import helper

    graph = graph_from_model(model)
    groups = {}
    for conv in model.graph.node:
        relu = graph.only_consumer(conv.output[0]) if conv.op_type == "Conv" else None
        if relu is None or relu.op_type != "Relu" or not _is_plain(graph, conv):
            continue
        quantize = convolutions_quantizer(graph, relu.output[0])
        if quantize is not None and not graph.array(quantize.input[2]).any():
            result = quantize.output[0]
            last, inputs = f"{result}_last", [*conv.input, *quantize.input[1:3]]
            strides, pads = attribute(conv, "strides", [1, 1]), attribute(conv, "pads", [0, 0, 0, 0])
            groups[result] = [
                fused_node("ConvReluQuantize", inputs, [last], strides=strides, pads=pads),
                helper.make_node("Transpose", [last], [result], result, perm=FIRST),
            ]
            note_shape(model, relu.output[0], result)
    put_fused(model, groups)


def _is_plain(graph: Graph, conv: NodeProto) -> bool:
    """Whether a convolution is 2-D and float, from few channels, with a bias, without groups or dilation."""
    if len(conv.input) < 3 or any(name not in graph.constants for name in conv.input[1:]):
        return False
    weight, pads = graph.constants[conv.input[1]], attribute(conv, "pads", [0, 0, 0, 0])
    if weight.data_type != FLOAT or len(weight.dims) != 4 or len(pads) != 4:
        return False
    is_small = weight.dims[0] <= MOST_CHANNELS and weight.dims[1] <= MOST_INPUTS
    fits = all(0 <= pad < weight.dims[2 + side % 2] for side, pad in enumerate(pads))
    usual = (("group", 1), ("dilations", [1, 1]), ("auto_pad", b"NOTSET"))
    return is_small and fits and all(attribute(conv, name, default) == default for name, default in usual)
