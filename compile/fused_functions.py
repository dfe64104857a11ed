"""The library's fused operators as ONNX model-local functions of standard operators: what runs where it is missing.

::

    LayerNormQuantize    x -> LayerNormalization -> rows -> uint8
    AddLayerNormQuantize x + branch = sum -> LayerNormalization -> rows -> uint8
    GeluQuantize         x -> Gelu -> uint8
    SiluQuantize         uint8 -> x * sigmoid(x) = active -> rows -> uint8
    AddQuantize2, 3      the sum of 2 or 3 maps, uint8 -> uint8
    ConvReluQuantize     x, channels first -> Conv -> Relu -> uint8, channels last
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compile.onnx_function import DOMAIN

if TYPE_CHECKING:
    import onnx

_BODIES = {
    "LayerNormQuantize": """<epsilon> (x, weight, bias, scale, zero) => (rows) {
  normal = LayerNormalization <axis = -1, epsilon: float = @epsilon> (x, weight, bias)
  normal_rows = Flatten <axis = -1> (normal)
  rows = QuantizeLinear (normal_rows, scale, zero)
}""",
    "AddLayerNormQuantize": """<epsilon> (x, branch, weight, bias, scale, zero) => (sum, rows) {
  shape = Shape (x)
  branch_map = Reshape (branch, shape)
  sum = Add (x, branch_map)
  normal = LayerNormalization <axis = -1, epsilon: float = @epsilon> (sum, weight, bias)
  normal_rows = Flatten <axis = -1> (normal)
  rows = QuantizeLinear (normal_rows, scale, zero)
}""",
    "GeluQuantize": """(x, scale, zero) => (codes) {
  active = Gelu (x)
  codes = QuantizeLinear (active, scale, zero)
}""",
    "SiluQuantize": """(codes, codes_scale, codes_zero, scale, zero) => (active, rows) {
  x = DequantizeLinear (codes, codes_scale, codes_zero)
  gate = Sigmoid (x)
  active = Mul (x, gate)
  active_rows = Flatten <axis = -1> (active)
  rows = QuantizeLinear (active_rows, scale, zero)
}""",
    "ConvReluQuantize": """<strides, pads> (x, weight, bias, scale, zero) => (codes) {
  sums = Conv <strides: ints = @strides, pads: ints = @pads> (x, weight, bias)
  active = Relu (sums)
  codes_first = QuantizeLinear (active, scale, zero)
  codes = Transpose <perm = [0, 2, 3, 1]> (codes_first)
}""",
    "AddQuantize2": """(a, a_scale, a_zero, b, b_scale, b_zero, scale, zero) => (codes) {
  a_map = DequantizeLinear (a, a_scale, a_zero)
  b_map = DequantizeLinear (b, b_scale, b_zero)
  ab = Add (a_map, b_map)
  codes = QuantizeLinear (ab, scale, zero)
}""",
    "AddQuantize3": """(a, a_scale, a_zero, b, b_scale, b_zero, c, c_scale, c_zero, scale, zero) => (codes) {
  a_map = DequantizeLinear (a, a_scale, a_zero)
  b_map = DequantizeLinear (b, b_scale, b_zero)
  c_map = DequantizeLinear (c, c_scale, c_zero)
  ab = Add (a_map, b_map)
  abc = Add (ab, c_map)
  codes = QuantizeLinear (abc, scale, zero)
}""",
}


def fused_function(op_type: str, opset: int) -> onnx.FunctionProto:
    """The function of a fused operator; rows are (all axes but the last, last axis).

    Args:
        op_type: one of those in this module's picture.
        opset: of the model that gets it: a function of another one is refused where an operator differs between them.
    """
    import onnx.parser

    header = f'<opset_import: ["" : {opset}], domain: "{DOMAIN}">'
    return onnx.parser.parse_function(f"{header} {op_type} {_BODIES[op_type]}")
