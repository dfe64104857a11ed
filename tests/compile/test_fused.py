"""The CPU's fused graph: everything between the products is in the library's operators, and the answers stay."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper, parser

from calibration.activations import Batches
from calibration.artifact import Artifact
from calibration.graph import graph_from_model, load_model, replace_all, save_model
from calibration.table import table_from_onnx
from compile.canonical import canonical_from_model
from compile.lowerings.cpu import FUSED, Pass, cpu_from_qdq
from compile.model.students import StudentShape
from compile.onnx_function import DOMAIN, OP_TYPE
from compile.quantize import qdq_from_onnx
from tests.compile.conftest import Tiny, output_of, tiny_from_shape

SHAPE = StudentShape((32, 32, 96, 96), (2, 1, 2, 1), mlp_ratio=2.0)  # wide enough for an INT8 x_proj
BLOCKS = 3  # that hold a scan


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, images: Batches) -> Tiny:
    return tiny_from_shape(SHAPE, tmp_path_factory.mktemp("fused"), images)


@pytest.fixture(scope="module")
def plain(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return lowered(tiny, tmp_path_factory.mktemp("plain"), fused=False)


@pytest.fixture(scope="module")
def fused(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return lowered(tiny, tmp_path_factory.mktemp("fused"))


def lowered(tiny: Tiny, folder: Path, fused: bool = True, reduce_range: bool = False) -> Artifact:
    qdq = qdq_from_onnx(tiny.smooth, tiny.table, folder / "qdq.onnx")
    return cpu_from_qdq(qdq, tiny.table, folder / "cpu.onnx", reduce_range, fused)


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def session(model: Artifact, library: Artifact | None, profile: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if library:
        options.register_custom_ops_library(str(library.path))
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return ort.InferenceSession(model.path, options, providers=["CPUExecutionProvider"])


def logits(model: Artifact, library: Artifact | None, tiny: Tiny) -> NDArray[np.float32]:
    running = session(model, library)
    return np.concatenate([running.run(["logits"], {"frame": images})[0] for images in tiny.images()])


def test_every_pattern_of_a_student_is_fused(fused: Artifact) -> None:
    found = operators(load_model(fused.path))
    assert found["LayerNormQuantize"] + found["AddLayerNormQuantize"] == 3 * BLOCKS
    assert found["GeluQuantize"] == found["SiluQuantize"] == found[OP_TYPE] == BLOCKS
    assert (found["AddQuantize2"], found["AddQuantize3"]) == (2, 1)
    assert found["ConvReluQuantize"] == 1
    assert found["LayerNormalization"] == 1  # of the features
    assert not found["Gelu"] + found["Sigmoid"] + found["Mul"]


def test_the_library_runs_the_fused_operators(library: Artifact, fused: Artifact, tiny: Tiny, tmp_path: Path) -> None:
    running = session(fused, library, tmp_path / "profile")
    running.run(["logits"], {"frame": next(tiny.images())})
    events = json.loads(Path(running.end_profiling()).read_text())
    ran = Counter(event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time"))
    expected = Counter(node.op_type for node in load_model(fused.path).graph.node if node.domain == DOMAIN)
    assert {name: ran[name] for name in expected} == expected
    assert ran["LayerNormalization"] == 1
    assert ran["Transpose"] == 0


def test_without_the_library_the_functions_give_the_same_answers(plain: Artifact, fused: Artifact, tiny: Tiny) -> None:
    expected = logits(plain, None, tiny)
    np.testing.assert_allclose(logits(fused, None, tiny), expected, atol=0.01 * expected.std())


@pytest.mark.parametrize("reduce_range", [False, True])
def test_with_the_library_the_answers_are_within_the_rounding(
    library: Artifact, tiny: Tiny, tmp_path: Path, reduce_range: bool
) -> None:
    for name in ("plain", "fused"):
        (tmp_path / name).mkdir()
    plain, fused = (lowered(tiny, tmp_path / name, name == "fused", reduce_range) for name in ("plain", "fused"))
    expected = logits(plain, library, tiny)
    assert np.abs(logits(fused, library, tiny) - expected).max() < 0.05 * expected.std()


def test_codes_in_front_of_the_products_differ_by_one_step_at_most(
    library: Artifact, plain: Artifact, fused: Artifact, tiny: Tiny, tmp_path: Path
) -> None:
    """The first fused operator of each kind in the graph: behind it, differences of one step multiply."""
    model = load_model(plain.path)
    graph = graph_from_model(load_model(fused.path))
    first = {node.op_type: node.output[-1] for node in reversed(graph.model.graph.node) if node.domain == DOMAIN}
    for op_type in ("ConvReluQuantize", "AddQuantize2"):
        name = first[op_type].removesuffix("_last")
        got, expected = (tensor(m, name, library, tiny, tmp_path) for m in (graph.model, model))
        different = np.abs(got.astype(int) - expected)
        assert different.max() <= 1
        assert different.mean() < 0.002


def tensor(model: ModelProto, name: str, library: Artifact, tiny: Tiny, folder: Path) -> NDArray[np.uint8]:
    """A tensor of codes inside a graph."""
    changed = ModelProto()
    changed.CopyFrom(model)
    replace_all(changed.graph.output, [helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, [None] * 4)])
    running = session(save_model(changed, folder / "tensor.onnx", {}), library)
    return np.asarray(running.run([name], {"frame": next(tiny.images())})[0])


@pytest.mark.parametrize("step", FUSED, ids=lambda step: step.name)
def test_a_graph_without_uint8_codes_stays_as_it_is(step: Pass, tiny: Tiny, qdq_path: Path) -> None:
    for model in (tiny.smooth, qdq_from_onnx(tiny.smooth, tiny.table, qdq_path)):
        changed = load_model(model.path)
        step.run(changed, None)  # type: ignore[arg-type]  # these passes need no table
        assert changed == load_model(model.path)


@pytest.mark.parametrize("step", FUSED, ids=lambda step: step.name)
def test_what_is_an_output_of_the_graph_is_still_made(
    step: Pass, library: Artifact, plain: Artifact, tiny: Tiny, tmp_path: Path
) -> None:
    """Every float map that a pass could swallow is asked for."""
    model = load_model(plain.path)
    swallowed = ("Add", "LayerNormalization", "Gelu", "Mul", "Relu")
    names = [node.output[0] for node in model.graph.node if node.op_type in swallowed and node.output[0] != "features"]
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4) for name in names]
    replace_all(model.graph.output, outputs)
    expected = save_model(model, tmp_path / "expected.onnx", {})
    step.run(model, None)  # type: ignore[arg-type]  # these passes need no table
    got = save_model(model, tmp_path / "got.onnx", {})
    feeds = {"frame": next(tiny.images())}
    pairs = zip(session(got, library).run(names, feeds), session(expected, library).run(names, feeds), strict=True)
    for a, b in pairs:
        assert np.sqrt(np.square(a - b).mean()) < 0.05 * b.std() + 1e-6


def test_a_norm_over_another_axis_or_with_another_reader_is_left(plain: Artifact, tmp_path: Path) -> None:
    model = load_model(plain.path)
    norms = [node for node in model.graph.node if node.op_type == "LayerNormalization"]
    model.graph.node.append(helper.make_node("Relu", [norms[0].output[0]], ["also"]))
    model.graph.output.append(helper.make_tensor_value_info("also", onnx.TensorProto.FLOAT, [None] * 4))
    next(a for a in norms[1].attribute if a.name == "axis").i = -2
    for step in FUSED:
        step.run(model, None)  # type: ignore[arg-type]  # these passes need no table
    left = {node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"}
    assert left == {norms[0].output[0], norms[1].output[0], "features"}


TOKENS = """
<ir_version: 8, opset_import: ["" : %d]>
tokens (float[B, 4, 32] frame) => (float[B, 32] logits)
{
  normal = LayerNormalization (frame, gain, shift)
  first = MatMul (normal, weight)
  active = Relu (first)
  second = MatMul (active, weight)
  sum = Add (frame, second)
  %s
}
"""
OPSETS = {
    17: "logits = ReduceMean <axes = [1], keepdims = 0> (sum)",
    21: "logits = ReduceMean <keepdims = 0> (sum, one)",
}


@pytest.mark.parametrize("opset", OPSETS)
def test_a_graph_of_another_opset_is_fused_too(opset: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"gain": np.ones(32), "shift": np.zeros(32), "weight": rng.normal(size=(32, 32)) / 6}
    given = parser.parse_model(TOKENS % (opset, OPSETS[opset]))
    given.graph.initializer.extend(numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items())
    given.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    source = save_model(canonical_from_model(given), tmp_path / "model.onnx", {})

    def images() -> Iterator[NDArray[np.float32]]:
        yield np.random.default_rng(1).normal(size=(6, 4, 32)).astype(np.float32)

    table = table_from_onnx(source, images, tmp_path / "table.json", "d", threads=1)
    qdq = qdq_from_onnx(source, table, tmp_path / "qdq.onnx")
    artifact = cpu_from_qdq(qdq, table, tmp_path / "cpu.onnx")
    assert operators(load_model(artifact.path))["LayerNormQuantize"] == 1
    np.testing.assert_allclose(output_of(artifact, images), output_of(source, images), atol=0.1)
