"""Weights of 7 bits, for x86 without VNNI: its u8 x s8 instruction adds two products in 16 bits and saturates.

255 * 63 * 2 = 32130 fits 16 signed bits, 255 * 127 * 2 does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration.graph import constant, graph_from_model
from compile.lowerings.sites import scale_array, sites_from_graph

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST = 63


def seven_bit_weights(model: ModelProto) -> None:
    """Round all int8 weights to -63..63.

    Args:
        model: Q/DQ graph, changed in place.
    """
    graph = graph_from_model(model)
    for site in sites_from_graph(graph):
        integers = graph.array(site.weight.input[0]).astype(np.float32)
        constant(model, site.weight.input[0], np.rint(integers * (LARGEST / 127)).astype(np.int8))
        scale = scale_array(graph, site.weight) * np.float32(127 / LARGEST)
        constant(model, site.weight.input[1], scale.astype(np.float32))
