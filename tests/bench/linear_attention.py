"""A float graph with its scans as standard operators around ONNX Runtime's LinearAttention: without a kernel of ours.

::

    u, x_dbl --Gather in the order of each route--> delta, B, C --LinearAttention, routes as a batch--> Gather back, sum

One head a channel, keys and values of one number: the gated update S = exp(g) S + k v, y = q S is the selective scan of
d_state 1, with g = delta A, k = delta, v = B u, q = C. Batch 1.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, parser

from calibration.graph import Graph, attribute, constant, drop_unused_constants, graph_from_model
from compile.onnx_function import DOMAIN, OP_TYPE, OPSET

BENCH_DOMAIN = "bench"
MICROSOFT = "com.microsoft"

_FUNCTION = """
<opset_import: ["" : {opset}, "com.microsoft" : 1], domain: "bench">
{name} (u, x_dbl, dt_weight, dt_bias, A, D, source, pixel, target) => (y)
{{
  x_shape = Constant <value_ints = [{length}, {k}, {values}]> ()
  x_rows_shape = Constant <value_ints = [{rows}, {values}]> ()
  x_parts = Constant <value_ints = [{rank}, 1, 1]> ()
  u_shape = Constant <value_ints = [{length}, {d_inner}]> ()
  steps_shape = Constant <value_ints = [{k}, {length}, {d_inner}]> ()
  y_rows_shape = Constant <value_ints = [{rows}, {d_inner}]> ()
  y_shape = Constant <value_ints = [1, {height}, {width}, {d_inner}]> ()
  zero_axis = Constant <value_ints = [0]> ()
  one_axis = Constant <value_ints = [1]> ()
  one = Constant <value_float = 1.0> ()

  x_pixels = Reshape (x_dbl, x_shape)
  x_routes = Transpose <perm = [1, 0, 2]> (x_pixels)
  x_rows = Reshape (x_routes, x_rows_shape)
  x = Gather <axis = 0> (x_rows, source)
  dt, B, C = Split <axis = -1> (x, x_parts)
  dt_weight_t = Transpose <perm = [0, 2, 1]> (dt_weight)
  dt_product = MatMul (dt, dt_weight_t)
  dt_bias_row = Unsqueeze (dt_bias, one_axis)
  z = Add (dt_product, dt_bias_row)
  z_abs = Abs (z)
  z_negative = Neg (z_abs)
  z_exp = Exp (z_negative)
  z_exp_1 = Add (one, z_exp)
  z_log = Log (z_exp_1)
  z_relu = Relu (z)
  delta = Add (z_relu, z_log)
  A_row = Transpose <perm = [0, 2, 1]> (A)
  g = Mul (delta, A_row)
  u_rows = Reshape (u, u_shape)
  u_steps = Gather <axis = 0> (u_rows, pixel)
  v = Mul (u_steps, B)
  q = Expand (C, steps_shape)
  y_steps, state = com.microsoft.LinearAttention <update_rule = "gated", scale = 1.0, q_num_heads = {d_inner},
      kv_num_heads = {d_inner}> (q, delta, v, past_state, g)
  y_rows = Reshape (y_steps, y_rows_shape)
  y_routes = Gather <axis = 0> (y_rows, target)
  y_scan = ReduceSum <keepdims = 0> (y_routes, zero_axis)
  D_sum = ReduceSum <keepdims = 0> (D, zero_axis)
  y_direct = Mul (u_rows, D_sum)
  y_pixels = Add (y_scan, y_direct)
  y = Reshape (y_pixels, y_shape)
}}
"""


def linear_attention_from_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a float graph with batch 1 whose scans are standard operators and LinearAttention."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = graph_from_model(changed)
    functions: dict[str, onnx.FunctionProto] = {}
    for node in changed.graph.node:
        if (node.domain, node.op_type) == (DOMAIN, OP_TYPE):
            function = _function(node, graph)
            functions[function.name] = function
            _replace(node, function.name, changed, graph)
    del changed.functions[:]
    changed.functions.extend(functions.values())
    changed.opset_import.extend([helper.make_opsetid(BENCH_DOMAIN, 1), helper.make_opsetid(MICROSOFT, 1)])
    changed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    drop_unused_constants(changed)
    return changed


def _function(node: onnx.NodeProto, graph: Graph) -> onnx.FunctionProto:
    """The scan for the sizes of one node."""
    (_, height, width, d_inner), (k, _, rank) = graph.shapes[node.input[0]], graph.shapes[node.input[2]]
    length = height * width
    sizes = {"height": height, "width": width, "d_inner": d_inner, "k": k, "rank": rank, "values": rank + 2}
    name = "_".join(["Scan", *map(str, (height, width, d_inner, k, rank))])
    text = _FUNCTION.format(name=name, opset=OPSET, length=length, rows=k * length, **sizes)
    function = parser.parse_function(text)
    for inner in function.node:
        if inner.op_type == "LinearAttention":
            inner.input[3] = ""  # no state before the first step; the parser cannot say so
    return function


def _replace(node: onnx.NodeProto, function: str, model: onnx.ModelProto, graph: Graph) -> None:
    _, height, width, _ = graph.shapes[node.input[0]]
    routes = attribute(node, "routes")
    tables = {
        f"{kind}_{height}_{width}_{routes}": table
        for kind, table in zip(("source", "pixel", "target"), _tables(height, width, routes), strict=True)
    }
    node.input.extend(constant(model, name, table) for name, table in tables.items())
    node.domain, node.op_type = BENCH_DOMAIN, function
    del node.attribute[:]


def _tables(height: int, width: int, routes: list[int]) -> tuple[NDArray[np.int64], ...]:
    """(K,L) each: row of (route, pixel) at each step, pixel at each step, row of (route, step) at each pixel."""
    rows = np.arange(height * width)
    columns = rows.reshape(height, width).T.ravel()
    orders = np.stack([(columns if route % 2 else rows)[:: -1 if route >= 2 else 1] for route in routes])
    offsets = np.arange(len(routes))[:, None] * height * width
    return orders + offsets, orders, orders.argsort(axis=1) + offsets
