"""The CPU's form of the canonical file: integer kernels, and each pass within its bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper, parser

from calibration.artifact import Artifact
from calibration.graph import constant, drop_unused_constants, graph_from_model, load_model, save_model
from calibration.smoothing import smoothed_from_onnx
from calibration.table import load_table, table_from_onnx
from compile.canonical import canonical_from_model
from compile.lowerings.cpu import Pass, cpu_from_qdq, cpu_passes
from compile.lowerings.fp16_weights import SMALLEST_SIZE, fp16_weights_from_onnx
from compile.lowerings.integer_bias import integer_biases
from compile.lowerings.sites import sites_from_graph
from compile.lowerings.unsigned import unsigned_activations
from compile.quantize import qdq_from_onnx
from tests.compile.conftest import Tiny, output_of

FOREIGN = """
<ir_version: 7, opset_import: ["" : 13]>
foreign (float[1, 16, 5, 5] image) => (float[1, 3] logits)
{
  conv = Conv <pads = [1, 1, 1, 1]> (image, conv_w)
  relu = Relu (conv)
  conv2 = Conv (relu, conv2_w)
  sum = Add (relu, conv2)
  shape = Constant <value_ints = [1, 16, 25]> ()
  flat = Reshape (sum, shape)
  tokens = Transpose <perm = [0, 2, 1]> (flat)
  product = MatMul (tokens, fc_w)
  fc = Add (product, fc_b)
  act = Relu (fc)
  mean = ReduceMean <axes = [1], keepdims = 0> (act)
  logits = MatMul (mean, head_w)
}
"""

PERCEPTRON = """
<ir_version: 7, opset_import: ["" : 13]>
perceptron (float[1, 64] image) => (float[1, 3] logits)
{
  fc1 = Gemm <transB = 1> (image, fc1_w, fc1_b)
  act1 = Relu (fc1)
  fc2 = Gemm <transB = 1> (act1, fc2_w, fc2_b)
  act2 = Relu (fc2)
  logits = Gemm <transB = 1> (act2, head_w)
}
"""


@pytest.fixture
def qdq(tiny: Tiny, qdq_path: Path) -> Artifact:
    return qdq_from_onnx(tiny.smooth, tiny.table, qdq_path)


def optimized(artifact: Artifact, path: Path) -> Counter[str]:
    """Operators of the graph that ONNX Runtime makes of a file."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(artifact.path, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def relative_error(expected: Artifact, got: Artifact, tiny: Tiny) -> float:
    a, b = output_of(expected, tiny.images), output_of(got, tiny.images)
    return float(np.sqrt(np.square(b - a).mean()) / (a - a.mean(axis=0)).std())


def test_onnxruntime_runs_every_int8_layer_with_an_integer_kernel(tiny: Tiny, qdq: Artifact, tmp_path: Path) -> None:
    found = optimized(cpu_from_qdq(qdq, tiny.table, tmp_path / "cpu.onnx"), tmp_path / "optimized.onnx")
    assert found["QGemm"] == 12
    assert found["QLinearConv"] == 13
    assert found["Gemm"] == 3 + 1  # x_proj has only 8 outputs here; the head
    assert found["Conv"] + found["FusedConv"] == 1  # the first, with one input channel


def test_lowered_logits_are_near_the_float_ones(tiny: Tiny, qdq: Artifact, tmp_path: Path) -> None:
    assert relative_error(tiny.model, cpu_from_qdq(qdq, tiny.table, tmp_path / "cpu.onnx"), tiny) < 0.2


def test_seven_bit_weights_stay_within_63_and_near_the_float_logits(tiny: Tiny, qdq: Artifact, tmp_path: Path) -> None:
    lowered = cpu_from_qdq(qdq, tiny.table, tmp_path / "cpu.onnx", reduce_range=True)
    graph = graph_from_model(load_model(lowered.path))
    assert max(np.abs(graph.array(site.weight.input[0])).max() for site in sites_from_graph(graph)) == 63
    assert relative_error(tiny.model, lowered, tiny) < 0.3


def test_unsigned_activations_change_nothing(tiny: Tiny, qdq: Artifact, tmp_path: Path) -> None:
    model = load_model(qdq.path)
    unsigned_activations(model)
    same = save_model(model, tmp_path / "unsigned.onnx", {})
    assert relative_error(qdq, same, tiny) < 1e-5


@pytest.mark.parametrize("step", cpu_passes(reduce_range=True), ids=lambda step: step.name)
def test_each_pass_alone_keeps_a_valid_graph_near_the_canonical_one(
    step: Pass, tiny: Tiny, qdq: Artifact, tmp_path: Path
) -> None:
    model = load_model(qdq.path)
    step.run(model, load_table(tiny.table.path))
    drop_unused_constants(model)
    assert relative_error(qdq, save_model(model, tmp_path / "step.onnx", {}), tiny) < 0.2


def test_passes_state_their_bounds_under_different_names() -> None:
    steps = cpu_passes(reduce_range=True)
    assert len({step.name for step in steps}) == len(steps) == 10
    assert all(step.bound for step in steps)


def test_bias_too_large_for_int32_gets_a_coarser_scale(tiny: Tiny, qdq: Artifact, tmp_path: Path) -> None:
    model = load_model(qdq.path)
    graph = graph_from_model(model)
    site = next(site for site in sites_from_graph(graph) if len(site.node.input) > 2)
    scales = graph.array(site.weight.input[1]).copy()
    scales[0] = 2.0**-24
    constant(model, site.weight.input[1], scales)
    bias = graph.array(site.node.input[2]).copy()
    bias[0] = 1000.0
    constant(model, site.node.input[2], bias)
    before = save_model(model, tmp_path / "before.onnx", {})
    integer_biases(model)
    drop_unused_constants(model)
    after = save_model(model, tmp_path / "after.onnx", {})
    output = site.node.output[0]
    expected, got = (output_of(artifact, tiny.images, output) for artifact in (before, after))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4 * np.abs(expected).max())


def test_convolution_result_that_is_already_quantized_gets_no_second_pair(
    tiny: Tiny, qdq: Artifact, tmp_path: Path
) -> None:
    graph = graph_from_model(load_model(cpu_from_qdq(qdq, tiny.table, tmp_path / "cpu.onnx").path))
    sources = [node.input[0] for node in graph.model.graph.node if node.op_type == "QuantizeLinear"]
    assert len(sources) == len(set(sources))


def test_sums_of_residual_branches_are_not_requantized_for_the_next_sum(
    tiny: Tiny, qdq: Artifact, tmp_path: Path
) -> None:
    graph = graph_from_model(load_model(cpu_from_qdq(qdq, tiny.table, tmp_path / "cpu.onnx").path))
    for node in graph.model.graph.node:
        if node.op_type == "Add":
            sources = (graph.producers.get(name) for name in node.input)
            quantized = (graph.producers[n.input[0]].input[0] for n in sources if n and n.op_type == "DequantizeLinear")
            assert all(graph.producers[name].op_type != "Add" for name in quantized)


def test_someone_elses_classifier_passes_through_the_whole_chain(tmp_path: Path) -> None:
    """Opset 13, a batch of one, MatMul and Add as linear layers, a ReLU read twice, and only logits."""
    rng = np.random.default_rng(0)
    shapes = {"conv_w": (16, 16, 3, 3), "conv2_w": (16, 16, 1, 1), "fc_w": (16, 32), "fc_b": (32,), "head_w": (32, 3)}
    arrays = {name: 0.3 * rng.normal(size=shape) for name, shape in shapes.items()}
    model = parser.parse_model(FOREIGN)
    model.graph.initializer.extend(numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items())
    model = canonical_from_model(model)
    source = save_model(model, tmp_path / "model.onnx", {})

    def images() -> Iterator[NDArray[np.float32]]:
        yield np.random.default_rng(1).normal(size=(6, 16, 5, 5)).astype(np.float32)

    smooth = smoothed_from_onnx(source, images, tmp_path / "smooth.onnx", threads=1)
    table = table_from_onnx(smooth, images, tmp_path / "table.json", "d", threads=1)
    qdq = qdq_from_onnx(smooth, table, tmp_path / "qdq.onnx")
    lowered = cpu_from_qdq(qdq, table, tmp_path / "cpu.onnx")
    found = optimized(lowered, tmp_path / "optimized.onnx")
    assert (found["QLinearConv"], found["QGemm"]) == (2, 1)
    expected = output_of(source, images)
    for artifact in (qdq, lowered):
        assert np.abs(output_of(artifact, images) - expected).max() < 0.1 * np.abs(expected).max()


def test_fp16_weights_halve_the_file_and_keep_the_logits(tiny: Tiny, tmp_path: Path) -> None:
    half = fp16_weights_from_onnx(tiny.model, tmp_path / "half.onnx")
    assert half.path.stat().st_size < 0.75 * tiny.model.path.stat().st_size
    assert relative_error(tiny.model, half, tiny) < 0.01


def test_weight_beyond_the_range_of_float16_stays_float32(tiny: Tiny, tmp_path: Path) -> None:
    model = load_model(tiny.model.path)
    graph = graph_from_model(model)
    name = next(n for n, tensor in graph.constants.items() if len(graph.array(n).ravel()) >= SMALLEST_SIZE)
    values = graph.array(name).copy()
    values.flat[0] = 1e6
    constant(model, name, values)
    large = save_model(model, tmp_path / "large.onnx", {})
    half = graph_from_model(load_model(fp16_weights_from_onnx(large, tmp_path / "half.onnx").path))
    assert half.array(name).dtype == np.float32


def test_linear_layers_in_front_of_a_relu_get_integer_kernels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = parser.parse_model(PERCEPTRON)
    for name, shape in (
        ("fc1_w", (32, 64)),
        ("fc1_b", (32,)),
        ("fc2_w", (32, 32)),
        ("fc2_b", (32,)),
        ("head_w", (3, 32)),
    ):
        constant(model, name, rng.normal(0, 0.2, shape).astype(np.float32))
    file = save_model(canonical_from_model(model), tmp_path / "model.onnx", {})
    images = [rng.standard_normal((1, 64)).astype(np.float32) for _ in range(8)]
    table = table_from_onnx(file, lambda: iter(images), tmp_path / "table.json", "d", threads=1)
    canonical = qdq_from_onnx(file, table, tmp_path / "qdq.onnx")
    found = optimized(cpu_from_qdq(canonical, table, tmp_path / "cpu.onnx"), tmp_path / "optimized.onnx")
    assert (found["QGemm"], found["Gemm"], found["FusedGemm"]) == (2, 1, 0)
