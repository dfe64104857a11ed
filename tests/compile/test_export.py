"""torch module -> ONNX: the same function, in the form that the quantizer and old runtimes read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from calibration.graph import attribute, graph_from_model
from compile.canonical import canonical_from_model
from compile.export import onnx_from_student
from compile.model.spec import METADATA_KEY, ModelSpec, spec_from_json
from compile.model.zoo import model_from_name
from compile.onnx_function import IR_VERSION, OPSET
from edge.preprocess import Preprocess
from tests.compile.conftest import Tiny, randomized

LOGITS_TOLERANCE = 1e-3  # of the logits, float32 rounding over some fifty layers


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("name", ["edge_n", "edge_s", "vmamba_t"])
def test_exported_model_answers_as_torch_does_for_one_and_several_images(name: str, tmp_path: Path) -> None:
    module = model_from_name(name, 8, in_channels=1).eval()
    randomized(module)
    spec = ModelSpec(name, tuple("abcdefgh"), preprocess=Preprocess(size_px=64))
    artifact = onnx_from_student(module, spec, tmp_path / "model.onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(artifact.path, options, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        frames = torch.randn(batch, 1, 64, 64, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            logits, features = (value.numpy() for value in module(frames))
        got_logits, got_features = session.run(["logits", "features"], {"frame": frames.numpy()})
        assert np.abs(got_logits - logits).max() <= LOGITS_TOLERANCE
        np.testing.assert_allclose(got_features, features, atol=1e-3 * np.abs(features).max())


def test_versions_are_those_old_runtimes_read(tiny: Tiny) -> None:
    model = onnx.load(tiny.model.path)
    assert model.ir_version == IR_VERSION
    assert {entry.domain: entry.version for entry in model.opset_import} == {"": OPSET, "vmamba": 1}


def test_every_linear_layer_is_a_gemm_and_every_norm_one_node(tiny: Tiny) -> None:
    found = kinds(onnx.load(tiny.model.path))
    assert found["MatMul"] == found["BatchNormalization"] == 0
    assert found["Gemm"] == 3 * 5 + 1  # in, x, out projection and two of the MLP in three blocks, and the head
    assert found["LayerNormalization"] == 3 * 3 + 1
    assert found["Gelu"] == found["SelectiveScan2D"] == 3


def test_scan_nodes_carry_routes_layout_and_what_tensorrt_needs(tiny: Tiny) -> None:
    nodes = [node for node in onnx.load(tiny.model.path).graph.node if node.op_type == "SelectiveScan2D"]
    assert [attribute(node, "routes") for node in nodes] == [[0, 2], [1, 3], [0, 2]]
    for node in nodes:
        assert attribute(node, "layout") == b"last"
        assert attribute(node, "plugin_version") == b"1"
        assert attribute(node, "plugin_namespace") == b""


def test_description_travels_in_the_file(tiny: Tiny) -> None:
    properties = {entry.key: entry.value for entry in onnx.load(tiny.model.path).metadata_props}
    assert spec_from_json(properties[METADATA_KEY]).labels == tuple("abcde")


def test_no_path_of_this_machine_is_in_the_file(tiny: Tiny) -> None:
    content = tiny.model.path.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content
    assert b"site-packages" not in content


def test_module_keeps_its_training_mode(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).train()
    spec = ModelSpec("flat", ("a", "b", "c"), preprocess=Preprocess(size_px=8))
    artifact = onnx_from_student(module, spec, tmp_path / "model.onnx")
    assert module.training
    assert [value.name for value in onnx.load(artifact.path).graph.output] == ["logits"]


def test_matmul_and_add_of_a_foreign_graph_become_one_gemm() -> None:
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(16, 24)), "b": rng.normal(size=24)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["b", "m"], ["y"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5, 16])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5, 24])]
    initializers = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    canonical = canonical_from_model(model)
    assert kinds(canonical) == {"Reshape": 2, "Gemm": 1}
    x = rng.normal(size=(2, 5, 16)).astype(np.float32)
    got = ort.InferenceSession(canonical.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(got, x @ arrays["w"].astype(np.float32) + arrays["b"].astype(np.float32), atol=1e-5)


def test_batch_norm_behind_a_convolution_is_folded() -> None:
    rng = np.random.default_rng(0)
    shapes = {"w": (4, 3, 1, 1), "gain": (4,), "shift": (4,), "mean": (4,), "variance": (4,)}
    arrays = {name: np.abs(rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "gain", "shift", "mean", "variance"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 2, 2])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 2, 2])]
    initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    canonical = canonical_from_model(model)
    assert kinds(canonical) == {"Conv": 1}
    x = rng.normal(size=(1, 3, 2, 2)).astype(np.float32)
    expected, got = (ort.InferenceSession(m.SerializeToString()).run(None, {"x": x})[0] for m in (model, canonical))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_weights_behind_reshape_and_transpose_become_plain_initializers() -> None:
    nodes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[4, 16]),
        helper.make_node("Reshape", ["w", "shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["y"]),
    ]
    weight = np.arange(64, dtype=np.float32).reshape(2, 2, 16)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    indexed = graph_from_model(canonical_from_model(model))
    assert [node.op_type for node in indexed.model.graph.node] == ["Gemm"]
    np.testing.assert_array_equal(indexed.array(indexed.model.graph.node[0].input[1]), weight.reshape(4, 16).T)
