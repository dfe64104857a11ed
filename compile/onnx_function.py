"""SelectiveScan2D as an ONNX model-local function: standard operators only, so that any runtime can run the graph.

A runtime with a registered custom operator (or plugin) of the same domain and name runs that instead.

::

    x_dbl -> dt, B, C at their pixels -> delta -> exp(delta A), delta B u      all pixels at once, routes first
          -> Gather into the order of each route -> Scan h = a h + b           one step per pixel, all routes at once
          -> Gather back to the pixels -> sum over routes of C h + D u -> y
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

DOMAIN = "vmamba"
DOMAIN_VERSION = 1
OP_TYPE = "SelectiveScan2D"
OPSET = 20  # first with Gelu; ONNX Runtime 1.17 and TensorRT 10.3 read it
IR_VERSION = 9  # the newest that ONNX Runtime 1.17 reads

# TensorRT looks a plugin up by name, version and namespace; undeclared, it silently expands the function instead.
PLUGIN_ATTRIBUTES = {"plugin_version": "1", "plugin_namespace": ""}

_FUNCTION = f"""
<opset_import: ["" : {OPSET}], domain: "{DOMAIN}">
{OP_TYPE} <routes, layout, plugin_version, plugin_namespace> (u, x_dbl, dt_weight, dt_bias, A, D) => (y)
{{
  u_float = Cast <to = 1> (u)
  x_float = Cast <to = 1> (x_dbl)
  route = Constant <value_ints: ints = @routes> ()
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  minus_one = Constant <value_ints = [-1]> ()
  flat = Constant <value_ints = [1, -1]> ()
  zero_axis = Constant <value_ints = [0]> ()
  one_axis = Constant <value_ints = [1]> ()
  two_axis = Constant <value_ints = [2]> ()
  last_axis = Constant <value_ints = [-1]> ()
  row_axes = Constant <value_ints = [1, 2]> ()
  sum_axes = Constant <value_ints = [0, 3]> ()
  batch = Shape <start = 0, end = 1> (u)
  height_width = Shape <start = 1, end = 3> (u)
  height = Shape <start = 1, end = 2> (u)
  width = Shape <start = 2, end = 3> (u)
  d_inner = Shape <start = 3, end = 4> (u)
  routes_n = Shape (route)
  rank = Shape <start = 2, end = 3> (dt_weight)
  d_state = Shape <start = 2, end = 3> (A)
  length = Mul (height, width)
  length_scalar = Squeeze (length)
  routes_scalar = Squeeze (routes_n)

  pixel = Range (zero, length_scalar, one)
  rows = Reshape (pixel, flat)
  last = Sub (length, one)
  image = Reshape (pixel, height_width)
  image_t = Transpose <perm = [1, 0]> (image)
  columns = Reshape (image_t, flat)
  width_height = Concat <axis = 0> (width, height)
  steps = Reshape (pixel, width_height)
  steps_t = Transpose <perm = [1, 0]> (steps)
  columns_inverse = Reshape (steps_t, flat)
  rows_reversed = Sub (last, rows)
  columns_reversed = Sub (last, columns)
  columns_reversed_inverse = Sub (last, columns_inverse)
  pixel_of_step_all = Concat <axis = 0> (rows, columns, rows_reversed, columns_reversed)
  step_of_pixel_all = Concat <axis = 0> (rows, columns_inverse, rows_reversed, columns_reversed_inverse)
  pixel_of_step = Gather <axis = 0> (pixel_of_step_all, route)
  step_of_pixel = Gather <axis = 0> (step_of_pixel_all, route)
  k = Range (zero, routes_scalar, one)
  k_column = Unsqueeze (k, one_axis)
  k_offset = Mul (k_column, length)
  source_k = Add (pixel_of_step, k_offset)
  source = Transpose <perm = [1, 0]> (source_k)
  step_offset = Mul (step_of_pixel, routes_n)
  target = Add (step_offset, k_column)

  x_shape = Concat <axis = 0> (batch, length, routes_n, minus_one)
  x_batched = Reshape (x_float, x_shape)
  x = Transpose <perm = [2, 1, 0, 3]> (x_batched)
  x_parts = Concat <axis = 0> (rank, d_state, d_state)
  dt, B, C = Split <axis = -1> (x, x_parts)
  dt_shape = Concat <axis = 0> (routes_n, minus_one, rank)
  dt_rows = Reshape (dt, dt_shape)
  dt_weight_float = Cast <to = 1> (dt_weight)
  dt_weight_t = Transpose <perm = [0, 2, 1]> (dt_weight_float)
  dt_product = MatMul (dt_rows, dt_weight_t)
  dt_bias_float = Cast <to = 1> (dt_bias)
  dt_bias_row = Unsqueeze (dt_bias_float, one_axis)
  z = Add (dt_product, dt_bias_row)
  z_abs = Abs (z)
  z_negative = Neg (z_abs)
  z_exp = Exp (z_negative)
  one_float = Constant <value_float = 1.0> ()
  z_exp_1 = Add (one_float, z_exp)
  z_log = Log (z_exp_1)
  z_relu = Relu (z)
  delta_rows = Add (z_relu, z_log)
  one_state = Shape <start = 0, end = 1> (one_axis)
  delta_shape = Concat <axis = 0> (routes_n, length, batch, one_state, d_inner)
  delta = Reshape (delta_rows, delta_shape)

  A_float = Cast <to = 1> (A)
  A_t = Transpose <perm = [0, 2, 1]> (A_float)
  A_wide = Unsqueeze (A_t, row_axes)
  delta_A = Mul (delta, A_wide)
  decay = Exp (delta_A)
  u_shape = Concat <axis = 0> (batch, length, d_inner)
  u_batched = Reshape (u_float, u_shape)
  u_pixels = Transpose <perm = [1, 0, 2]> (u_batched)
  u_wide = Unsqueeze (u_pixels, two_axis)
  delta_u = Mul (delta, u_wide)
  B_wide = Unsqueeze (B, last_axis)
  drive = Mul (delta_u, B_wide)
  routes_length = Mul (routes_n, length)
  rows_shape = Concat <axis = 0> (routes_length, minus_one)
  decay_rows = Reshape (decay, rows_shape)
  drive_rows = Reshape (drive, rows_shape)
  decay_steps = Gather <axis = 0> (decay_rows, source)
  drive_steps = Gather <axis = 0> (drive_rows, source)
  h_shape = Shape <start = 1> (decay_steps)
  h_first = ConstantOfShape (h_shape)
  h_last, h_steps = Scan <num_scan_inputs = 2, body = step (float[?, ?] h_before,
      float[?, ?] decay_step, float[?, ?] drive_step)
      => (float[?, ?] h_after, float[?, ?] h_out) {{
    h_kept = Mul (h_before, decay_step)
    h_after = Add (h_kept, drive_step)
    h_out = Identity (h_after)
  }}> (h_first, decay_steps, drive_steps)

  h_rows = Reshape (h_steps, rows_shape)
  h_pixels = Gather <axis = 0> (h_rows, target)
  h_pixels_shape = Shape (drive)
  h = Reshape (h_pixels, h_pixels_shape)
  C_wide = Unsqueeze (C, last_axis)
  y_routes = Mul (h, C_wide)
  y_scan = ReduceSum <keepdims = 0> (y_routes, sum_axes)
  D_float = Cast <to = 1> (D)
  D_sum = ReduceSum <keepdims = 0> (D_float, zero_axis)
  y_direct = Mul (u_pixels, D_sum)
  y_pixels = Add (y_scan, y_direct)
  y_batched = Transpose <perm = [1, 0, 2]> (y_pixels)
  y_shape = Shape (u)
  y_float = Reshape (y_batched, y_shape)
  y = CastLike (y_float, u)
}}
"""


def selective_scan_function() -> onnx.FunctionProto:
    """The function, channels last ("first" is for custom operators; the exporter never writes it).

    Returns:
        A FunctionProto with inputs u (B,H,W,D), x_dbl (B,H,W,K*(R+2N)), dt_weight (K,D,R), dt_bias (K,D), A (K,D,N),
        D (K,D), output y (B,H,W,D) of u's type; attributes `routes` (ints), `layout` and TensorRT's two.

    Source:
        compile/kernels/reference.py; softplus as max(z,0) + log(1 + exp(-|z|)), which cannot overflow and is 4 times
        as fast in ONNX Runtime as its Softplus.
    """
    import onnx.parser

    return onnx.parser.parse_function(_FUNCTION)
