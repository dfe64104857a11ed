"""The canonical INT8 file: what is quantized, what stays float, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from calibration.artifact import Artifact, artifact_from_file
from calibration.graph import Graph, attribute, constant, graph_from_model, load_model, save_model
from calibration.layers import int8_layers, layers_from_graph
from calibration.table import json_from_table, load_table
from compile.quantize import qdq_from_onnx
from edge.errors import InputError, ModelError
from tests.compile.conftest import Tiny, output_of


@pytest.fixture
def qdq(tiny: Tiny, qdq_path: Path) -> Artifact:
    return qdq_from_onnx(tiny.smooth, tiny.table, qdq_path)


@pytest.fixture
def graph(qdq: Artifact) -> Graph:
    return graph_from_model(load_model(qdq.path))


def is_dequantized(graph: Graph, tensor: str) -> bool:
    node = graph.producers.get(tensor)
    return node is not None and node.op_type == "DequantizeLinear"


def table_with(tiny: Tiny, path: Path, factor: float, tensor: str = "") -> Artifact:
    """The table with one range (or all of them) multiplied."""
    table = load_table(tiny.table.path)
    ranges = {
        name: replace(r, amax=r.amax * factor) if name == (tensor or name) else r for name, r in table.ranges.items()
    }
    path.write_text(json_from_table(replace(table, ranges=ranges)))
    return artifact_from_file(path)


def test_int8_logits_are_near_the_float_ones(tiny: Tiny, qdq: Artifact) -> None:
    expected, got = output_of(tiny.model, tiny.images), output_of(qdq, tiny.images)
    spread = (expected - expected.mean(axis=0)).std()
    assert np.sqrt(np.square(got - expected).mean()) < 0.15 * spread


def test_ranges_four_times_too_wide_are_visibly_worse(tiny: Tiny, qdq: Artifact, tmp_path: Path) -> None:
    wide = qdq_from_onnx(tiny.smooth, table_with(tiny, tmp_path / "wide.json", 4.0), tmp_path / "wide.onnx")
    expected = output_of(tiny.model, tiny.images)
    errors = [np.square(output_of(artifact, tiny.images) - expected).mean() for artifact in (qdq, wide)]
    assert errors[1] > 4 * errors[0]


def test_every_int8_layer_reads_dequantized_activations_and_weights(tiny: Tiny, graph: Graph) -> None:
    names = {layer.name for layer in int8_layers(graph_from_model(load_model(tiny.smooth.path)))}
    nodes = [node for node in graph.model.graph.node if node.name in names]
    assert (
        len(nodes) == len(names) == 12 + 13
    )  # x_proj has 8 outputs here and stays float, as does the first convolution
    assert all(is_dequantized(graph, name) for node in nodes for name in node.input[:2])


def test_head_first_convolution_scan_norms_and_sums_stay_float(graph: Graph) -> None:
    floats = {"SelectiveScan2D", "LayerNormalization", "Add", "Gelu", "Mul", "Sigmoid", "ReduceMean"}
    for node in graph.model.graph.node:
        if node.op_type in floats or node.output[0] == "logits" or "frame" in node.input:
            assert not any(is_dequantized(graph, name) for name in node.input)


def test_activations_are_symmetric_int8_with_one_scale(graph: Graph) -> None:
    for node in graph.model.graph.node:
        if node.op_type == "QuantizeLinear":
            zero, scale = graph.array(node.input[2]), graph.array(node.input[1])
            assert zero.dtype == np.int8 and zero == 0 and scale.shape == ()


def test_weights_are_symmetric_int8_with_a_scale_per_output_channel(tiny: Tiny, graph: Graph) -> None:
    before = {layer.name: layer for layer in layers_from_graph(graph_from_model(load_model(tiny.smooth.path)))}
    for node in graph.model.graph.node:
        if node.name in before and is_dequantized(graph, node.input[1]):
            weight = graph.producers[node.input[1]]
            integers, scales, zeros = (graph.array(name) for name in weight.input)
            assert integers.dtype == np.int8 and integers.min() >= -127
            assert attribute(weight, "axis") == before[node.name].axis
            assert scales.shape == zeros.shape == (integers.shape[before[node.name].axis],)
            assert not zeros.any()


def test_biases_stay_float(graph: Graph) -> None:
    for node in graph.model.graph.node:
        if node.op_type in ("Conv", "Gemm") and len(node.input) > 2:
            assert graph.array(node.input[2]).dtype == np.float32


def test_two_layers_that_read_one_tensor_share_its_pair(graph: Graph) -> None:
    sources = [node.input[0] for node in graph.model.graph.node if node.op_type == "QuantizeLinear"]
    assert len(sources) == len(set(sources))


def test_named_layers_stay_float(tiny: Tiny, qdq_path: Path) -> None:
    layer = int8_layers(graph_from_model(load_model(tiny.smooth.path)))[3]
    graph = graph_from_model(load_model(qdq_from_onnx(tiny.smooth, tiny.table, qdq_path, [layer.name]).path))
    node = next(node for node in graph.model.graph.node if node.name == layer.name)
    assert not any(is_dequantized(graph, name) for name in node.input)


def test_description_and_versions_are_kept(tiny: Tiny, qdq: Artifact) -> None:
    before, after = onnx.load(tiny.model.path), onnx.load(qdq.path)
    assert after.metadata_props == before.metadata_props
    assert (after.ir_version, after.opset_import) == (before.ir_version, before.opset_import)


def test_file_says_what_it_was_made_from(tiny: Tiny, qdq: Artifact) -> None:
    assert qdq.made_from == {"model": tiny.smooth.sha256, "table": tiny.table.sha256}


def test_table_of_another_graph_is_refused(tiny: Tiny, qdq_path: Path) -> None:
    with pytest.raises(InputError, match="Calibrate this graph"):
        qdq_from_onnx(tiny.model, tiny.table, qdq_path)
    assert not qdq_path.exists()


def test_table_that_lacks_a_tensor_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    table = load_table(tiny.table.path)
    (tmp_path / "short.json").write_text(json_from_table(replace(table, ranges={})))
    with pytest.raises(InputError, match="no range for tensor"):
        qdq_from_onnx(tiny.smooth, artifact_from_file(tmp_path / "short.json"), tmp_path / "qdq.onnx")


def test_weight_that_is_nan_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    model = load_model(tiny.smooth.path)
    graph = graph_from_model(model)
    layer = int8_layers(graph)[0]
    values = graph.array(layer.weight).copy()
    values.flat[0] = np.nan
    constant(model, layer.weight, values)
    broken = save_model(model, tmp_path / "broken.onnx", {})
    table = replace(load_table(tiny.table.path), model=broken.sha256)
    (tmp_path / "table.json").write_text(json_from_table(table))
    with pytest.raises(ModelError, match="NaN"):
        qdq_from_onnx(broken, artifact_from_file(tmp_path / "table.json"), tmp_path / "qdq.onnx")
