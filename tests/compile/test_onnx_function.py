"""The model-local function against the numpy reference, and what other runtimes need to find in it."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from compile.kernels.reference import selective_scan_2d_ref
from compile.onnx_function import DOMAIN, IR_VERSION, OP_TYPE, OPSET, PLUGIN_ATTRIBUTES, selective_scan_function

NAMES = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
ROUTE_SETS = [(0, 1, 2, 3), (0, 2), (1, 3), (3,), (2, 1)]


def operands(batch: int, height: int, width: int, d: int, rank: int, n: int, k: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    shapes = [
        (batch, height, width, d),
        (batch, height, width, k * (rank + 2 * n)),
        (k, d, rank),
        (k, d),
        (k, d, n),
        (k, d),
    ]
    values = {name: rng.normal(size=shape).astype(np.float32) for name, shape in zip(NAMES, shapes, strict=True)}
    values["A"] = -np.exp(values["A"])
    return values


def run(values: dict[str, NDArray[np.float32]], routes: tuple[int, ...]) -> NDArray[np.float32]:
    types = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in values.items()}
    node = helper.make_node(OP_TYPE, NAMES, ["y"], domain=DOMAIN, routes=routes, layout="last", **PLUGIN_ATTRIBUTES)
    inputs = [helper.make_tensor_value_info(name, types[name], values[name].shape) for name in NAMES]
    output = helper.make_tensor_value_info("y", types["u"], values["u"].shape)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    graph = helper.make_graph([node], "scan", inputs, [output])
    model = helper.make_model(graph, opset_imports=opsets, functions=[selective_scan_function()], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, values)[0]


@pytest.mark.parametrize("routes", ROUTE_SETS)
def test_function_equals_the_reference_for_every_route_set(routes: tuple[int, ...]) -> None:
    values = operands(2, 5, 7, 6, 3, 2, len(routes))
    expected = selective_scan_2d_ref(*values.values(), routes)
    np.testing.assert_allclose(run(values, routes), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 4), (1, 6, 1)])
def test_function_equals_the_reference_on_degenerate_maps(shape: tuple[int, int, int]) -> None:
    values = operands(*shape, d=4, rank=1, n=1, k=4)
    expected = selective_scan_2d_ref(*values.values(), (0, 1, 2, 3))
    np.testing.assert_allclose(run(values, (0, 1, 2, 3)), expected, rtol=1e-5, atol=1e-5)


def test_half_precision_maps_are_computed_in_float32_and_come_back_as_half() -> None:
    values = operands(1, 4, 4, 8, 2, 1, 2)
    halved = {name: value.astype(np.float16) if name in ("u", "x_dbl") else value for name, value in values.items()}
    got = run(halved, (0, 2))
    assert got.dtype == np.float16
    expected = selective_scan_2d_ref(*halved.values(), (0, 2))
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-3)


def test_large_time_steps_do_not_overflow() -> None:
    values = operands(1, 3, 3, 4, 2, 1, 2)
    values["dt_bias"] = np.full_like(values["dt_bias"], 200.0)
    expected = selective_scan_2d_ref(*values.values(), (0, 2))
    np.testing.assert_allclose(run(values, (0, 2)), expected, rtol=1e-5, atol=1e-4)


def test_function_declares_the_attributes_that_tensorrt_looks_for() -> None:
    assert set(PLUGIN_ATTRIBUTES) < set(selective_scan_function().attribute)


def test_function_holds_one_scan_and_no_softplus() -> None:
    kinds = [node.op_type for node in selective_scan_function().node]
    assert kinds.count("Scan") == 1
    assert "Softplus" not in kinds


def test_function_uses_standard_operators_of_the_pinned_opset_only() -> None:
    function = selective_scan_function()
    assert [(entry.domain, entry.version) for entry in function.opset_import] == [("", OPSET)]
    assert {node.domain for node in function.node} == {""}
    assert TensorProto.FLOAT == 1  # the number the Cast nodes are written with


def test_scan_body_names_no_dimension() -> None:
    """ONNX Runtime 1.17 takes equal names in two Scan nodes for equal sizes and reuses a buffer of the wrong one."""
    scan = next(node for node in selective_scan_function().node if node.op_type == "Scan")
    body = next(attr.g for attr in scan.attribute if attr.name == "body")
    dims = [dim for value in (*body.input, *body.output) for dim in value.type.tensor_type.shape.dim]
    assert len(dims) == 2 * 5
    assert not any(dim.dim_param or dim.dim_value for dim in dims)
