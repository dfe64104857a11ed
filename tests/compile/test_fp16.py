"""The strongly typed form for TensorRT: its types, its structure, and its numbers in ONNX Runtime on a CPU."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from calibration.artifact import Artifact
from calibration.graph import Graph, constant, graph_from_model, load_model, save_model
from compile.lowerings.fp16 import Pass, engine_passes, fp16_from_qdq
from compile.lowerings.fp16_weights import fp16_weights_from_onnx
from compile.lowerings.half_range import Underflow, underflows_from_model
from compile.lowerings.half_types import SMALLEST, half_from_floats
from compile.lowerings.transposes import cancel_transposes
from compile.onnx_function import OP_TYPE
from compile.quantize import qdq_from_onnx
from edge.errors import ModelError
from tests.compile.conftest import Tiny, output_of

CLOSE = {"int8": 0.2, "float": 0.01}  # of the spread of random logits: INT8 steps flip, else float16 itself
OLD = """
<ir_version: 7, opset_import: ["" : 13]>
old (float[1, 16] image) => (float[1, 3] logits)
{
  product = MatMul (image, weight)
  small = ReduceSum <keepdims = 1> (product, axes)
  logits = Sub (product, small)
}
"""
LOOP = """
<ir_version: 9, opset_import: ["" : 20]>
loop (float[1, 3] image, bool flag) => (float[1, 3] logits)
{
  logits = If (flag) <
    then_branch = yes () => (float[1, 3] a) { a = Relu (image) },
    else_branch = no () => (float[1, 3] b) { b = Neg (image) }
  >
}
"""
CHAIN = """
<ir_version: 9, opset_import: ["" : 20]>
chain (float[1, 2, 3, 4] x) => (float[1, 2, 3, 4] y, float[1, 3, 4, 2] z)
{
  last = Transpose <perm = [0, 2, 3, 1]> (x)
  act = Gelu (last)
  first = Transpose <perm = [0, 3, 1, 2]> (act)
  y = Relu (first)
  z = Transpose <perm = [0, 2, 3, 1]> (y)
}
"""


@pytest.fixture
def qdq(tiny: Tiny, qdq_path: Path) -> Artifact:
    return qdq_from_onnx(tiny.smooth, tiny.table, qdq_path)


def lowered(qdq: Artifact, folder: Path, **options: bool) -> tuple[Artifact, Graph]:
    artifact = fp16_from_qdq(qdq, folder / "gpu.onnx", **options)
    return artifact, graph_from_model(load_model(artifact.path))


def relative_error(expected: Artifact, got: Artifact, tiny: Tiny) -> float:
    a, b = output_of(expected, tiny.images), output_of(got, tiny.images)
    return float(np.sqrt(np.square(b - a).mean()) / (a - a.mean(axis=0)).std())


def operators(graph: Graph) -> Counter[str]:
    return Counter(node.op_type for node in graph.model.graph.node)


def test_only_the_ends_and_the_scans_weights_are_float32(qdq: Artifact, tmp_path: Path) -> None:
    _, graph = lowered(qdq, tmp_path)
    ends = (*graph.model.graph.input, *graph.model.graph.output)
    assert {value.name: value.type.tensor_type.elem_type for value in ends} == dict.fromkeys(
        ("frame", "logits", "features"), TensorProto.FLOAT
    )
    scans = [node for node in graph.model.graph.node if node.op_type == OP_TYPE]
    weights = {name for node in scans for name in node.input[2:]}
    floats = {name for name, tensor in graph.constants.items() if tensor.data_type == TensorProto.FLOAT}
    assert floats == weights
    assert len(scans) == 3
    casts = [node.input[0] for node in graph.model.graph.node if node.op_type == "Cast"]
    assert casts == ["frame", "logits_half", "features_half"]


def test_scales_are_float16_as_their_tensors_and_never_zero(qdq: Artifact, tmp_path: Path) -> None:
    _, graph = lowered(qdq, tmp_path)
    steps = [n.input[1] for n in graph.model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    scales = np.concatenate([graph.array(name).ravel() for name in steps])
    assert scales.dtype == np.float16
    assert scales.min() > 0


def test_normalizations_stay_whole(qdq: Artifact, tmp_path: Path) -> None:
    before, after = graph_from_model(load_model(qdq.path)), lowered(qdq, tmp_path)[1]
    for kind in ("LayerNormalization", "Gelu", OP_TYPE, "QuantizeLinear", "DequantizeLinear"):
        assert operators(before)[kind] == operators(after)[kind] > 0


@pytest.mark.parametrize("convolutions", [False, True])
def test_int8_logits_in_float16_are_near_the_canonical_ones(
    convolutions: bool, tiny: Tiny, qdq: Artifact, tmp_path: Path
) -> None:
    artifact, _ = lowered(qdq, tmp_path, convolutions=convolutions)
    assert relative_error(qdq, artifact, tiny) < CLOSE["int8"]


def test_a_float_model_in_float16_is_nearer_still(tiny: Tiny, tmp_path: Path) -> None:
    assert relative_error(tiny.model, lowered(tiny.model, tmp_path)[0], tiny) < CLOSE["float"]


def test_weights_stored_as_float16_come_out_as_they_are(tiny: Tiny, tmp_path: Path) -> None:
    stored = fp16_weights_from_onnx(tiny.model, tmp_path / "stored.onnx")
    artifact, graph = lowered(stored, tmp_path)
    assert operators(graph)["Cast"] == 3
    assert relative_error(stored, artifact, tiny) < CLOSE["float"]


def test_features_agree_too(tiny: Tiny, tmp_path: Path) -> None:
    artifact, _ = lowered(tiny.model, tmp_path)
    expected, got = (output_of(a, tiny.images, "features") for a in (tiny.model, artifact))
    assert np.abs(got - expected).max() < 0.02 * np.abs(expected).max()


def test_fp32_changes_no_type(tiny: Tiny, tmp_path: Path) -> None:
    artifact, graph = lowered(tiny.model, tmp_path, half=False, convolutions=True)
    assert not [t for t in graph.constants.values() if t.data_type == TensorProto.FLOAT16]
    assert relative_error(tiny.model, artifact, tiny) < 1e-5


def test_linear_layers_become_convolutions_but_for_the_head(qdq: Artifact, tmp_path: Path) -> None:
    before, after = graph_from_model(load_model(qdq.path)), lowered(qdq, tmp_path, convolutions=True)[1]
    moved = operators(before)["Gemm"] - 1
    assert operators(after)["Gemm"] == 1
    assert operators(after)["Conv"] == operators(before)["Conv"] + moved
    for node in after.model.graph.node:
        if node.op_type == "Conv" and node.output[0].endswith("_first"):
            weight = after.producers.get(node.input[1])
            shape = after.constants[weight.input[0] if weight is not None else node.input[1]].dims
            assert list(shape[2:]) == [1, 1]


def test_int8_weights_of_convolutions_are_the_same_integers(qdq: Artifact, tmp_path: Path) -> None:
    before, after = graph_from_model(load_model(qdq.path)), lowered(qdq, tmp_path, convolutions=True)[1]
    moved = {name: after.array(name) for name in after.constants if name.endswith("_kernel")}
    assert moved
    for name, kernel in moved.items():
        gemm = before.producers[name.removesuffix("_kernel")]
        weight = before.producers.get(gemm.input[1])
        if weight is not None:
            np.testing.assert_array_equal(kernel[:, :, 0, 0], before.array(weight.input[0]).T)


def test_the_function_is_dropped_on_request(qdq: Artifact, tmp_path: Path) -> None:
    assert [f.name for f in lowered(qdq, tmp_path)[1].model.functions] == [OP_TYPE]
    _, graph = lowered(qdq, tmp_path, function=False)
    assert not graph.model.functions
    assert operators(graph)[OP_TYPE] == 3


@pytest.mark.parametrize("step", engine_passes(convolutions=True, function=False), ids=lambda step: step.name)
def test_each_pass_alone_keeps_a_valid_graph(step: Pass, qdq: Artifact, tmp_path: Path) -> None:
    model = load_model(qdq.path)
    step.run(model)
    save_model(model, tmp_path / "step.onnx", {})
    assert step.bound


def test_passes_have_different_names() -> None:
    steps = engine_passes(convolutions=True, function=False)
    assert len({step.name for step in steps}) == len(steps) == 5
    assert [step.name for step in engine_passes(half=False)] == ["modern_opset", "plain_weights"]


def test_a_weight_beyond_float16_is_refused_by_name(tiny: Tiny, tmp_path: Path) -> None:
    model = load_model(tiny.model.path)
    constant(model, "head.bias", np.full(5, 1e6, np.float32))
    large = save_model(model, tmp_path / "large.onnx", {})
    with pytest.raises(ModelError, match=r"head\.bias holds 1e\+06; float16 ends at 65504"):
        lowered(large, tmp_path)


def test_values_too_small_for_float16_are_counted(tiny: Tiny, tmp_path: Path) -> None:
    model = load_model(tiny.model.path)
    constant(model, "head.bias", np.array([1, 1e-9, 0, -1e-9, 2], np.float32))
    found = [lost for lost in underflows_from_model(model) if lost.tensor == "head.bias"]
    assert found == [Underflow("head.bias", zeroed=2, total=4)]
    assert found[0].text == "head.bias (2 of 4)"


def test_a_scale_too_small_for_float16_becomes_the_smallest() -> None:
    assert half_from_floats(np.array([1e-12], np.float32), "scale", is_scale=True)[0] == np.float16(SMALLEST) > 0
    assert half_from_floats(np.array([1e-12], np.float32), "weight", is_scale=False)[0] == 0


def test_an_attention_mask_keeps_its_infinity() -> None:
    assert np.isneginf(half_from_floats(np.array([-np.inf, 1], np.float32), "mask", is_scale=False)[0])


def test_an_older_graph_is_brought_to_the_opset_with_float16_scales(tmp_path: Path) -> None:
    model = parser.parse_model(OLD)
    weight = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    axes = numpy_helper.from_array(np.array([1]), "axes")
    model.graph.initializer.extend([numpy_helper.from_array(weight, "weight"), axes])
    artifact, graph = lowered(save_model(model, tmp_path / "old.onnx", {}), tmp_path)
    assert max(entry.version for entry in graph.model.opset_import) >= 19
    import onnxruntime

    image = np.random.default_rng(1).normal(size=(1, 16)).astype(np.float32)
    session = onnxruntime.InferenceSession(artifact.path, providers=["CPUExecutionProvider"])
    product = image @ weight
    np.testing.assert_allclose(session.run(None, {"image": image})[0], product - product.sum(), atol=0.02)


def test_branches_are_refused(tmp_path: Path) -> None:
    model = parser.parse_model(LOOP)
    del model.graph.input[1]
    constant(model, "flag", np.array(True))
    with pytest.raises(ModelError, match="cannot write in float16: If"):
        lowered(save_model(model, tmp_path / "loop.onnx", {}), tmp_path)


def test_transposes_cancel_across_pointwise_operators_and_outputs_stay() -> None:
    model = parser.parse_model(CHAIN)
    cancel_transposes(model)
    assert [node.op_type for node in model.graph.node] == ["Gelu", "Relu", "Transpose"]
    onnx.checker.check_model(model)
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 4)).astype(np.float32)
    expected, got = (
        onnx.reference.ReferenceEvaluator(form).run(None, {"x": x}) for form in (parser.parse_model(CHAIN), model)
    )
    assert all(np.array_equal(a, b) for a, b in zip(expected, got, strict=True))


def test_constants_read_as_float32_and_as_float16_are_kept_in_both(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Resize", ["image", "", "scales"], ["wide"], mode="nearest"),
        helper.make_node("Mul", ["wide", "scales"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "axes"], ["logits"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "resize",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 2, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4])],
        [
            numpy_helper.from_array(np.ones(4, np.float32), "scales"),
            numpy_helper.from_array(np.array([1, 2]), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    _, after = lowered(save_model(model, tmp_path / "resize.onnx", {}), tmp_path)
    assert after.constants["scales"].data_type == TensorProto.FLOAT
    assert after.constants["scales_half"].data_type == TensorProto.FLOAT16


def test_a_layer_over_something_else_than_the_pixels_of_a_map_stays_a_matrix_product(tmp_path: Path) -> None:
    """Squeeze and excite with one layer: its Reshapes are of channels first."""
    text = """
    <ir_version: 9, opset_import: ["" : 20]>
    excite (float[B, 8, 4, 4] frame) => (float[B, 8, 1, 1] logits)
    {
      pooled = GlobalAveragePool (frame)
      rows = Reshape (pooled, rows_shape)
      product = Gemm (rows, weight)
      logits = Reshape (product, map_shape)
    }
    """
    model = parser.parse_model(text)
    arrays = {
        "rows_shape": np.array([-1, 8]),
        "map_shape": np.array([-1, 8, 1, 1]),
        "weight": np.eye(8, dtype=np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    source = save_model(onnx.shape_inference.infer_shapes(model), tmp_path / "model.onnx", {})
    lowered = fp16_from_qdq(source, tmp_path / "gpu.onnx", half=False, convolutions=True)
    assert Counter(node.op_type for node in load_model(lowered.path).graph.node)["Gemm"] == 1
