"""SmoothQuant keeps the function and evens out the channels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper, parser

from calibration.activations import Batches, activations_from_model
from calibration.artifact import Artifact
from calibration.graph import graph_from_model, load_model, save_model
from calibration.smoothing import smoothed_from_onnx
from calibration.table import load_table, table_from_onnx
from edge.errors import ModelError, UsageError


def values_of(artifact: Artifact, name: str, images: Batches) -> NDArray[np.float32]:
    model = load_model(artifact.path)
    return np.concatenate([values[name] for _, values in activations_from_model(model, [name], images, 1)])


def test_smoothed_graph_is_the_same_function(small: Artifact, images: Batches, tmp_path: Path) -> None:
    smooth = smoothed_from_onnx(small, images, tmp_path / "smooth.onnx", threads=1)
    assert smooth.sha256 != small.sha256
    expected = values_of(small, "logits", images)
    np.testing.assert_allclose(values_of(smooth, "logits", images), expected, atol=1e-4 * np.abs(expected).max())


def test_channels_of_the_norm_become_more_alike(small: Artifact, images: Batches, tmp_path: Path) -> None:
    smooth = smoothed_from_onnx(small, images, tmp_path / "smooth.onnx", threads=1)
    before, after = (np.abs(values_of(a, "norm_rows", images)).max(axis=0) for a in (small, smooth))
    assert after.max() / after.min() < 0.5 * before.max() / before.min()


def test_int8_error_behind_the_norm_does_not_grow(small: Artifact, images: Batches, tmp_path: Path) -> None:
    smooth = smoothed_from_onnx(small, images, tmp_path / "smooth.onnx", threads=1)
    errors = [
        load_table(table_from_onnx(a, images, tmp_path / f"{a.sha256}.json", "d", threads=1).path)
        .ranges["norm_rows"]
        .error
        for a in (small, smooth)
    ]
    assert errors[1] <= errors[0]


def test_norm_that_is_also_an_output_is_left_alone(small: Artifact, images: Batches, tmp_path: Path) -> None:
    model = load_model(small.path)
    model.graph.output.append(model.graph.value_info.pop())
    shown = save_model(model, tmp_path / "shown.onnx", {})
    smooth = load_model(smoothed_from_onnx(shown, images, tmp_path / "smooth.onnx", threads=1).path)
    np.testing.assert_array_equal(graph_from_model(smooth).array("gain"), graph_from_model(model).array("gain"))


def test_graph_without_a_norm_passes_unchanged(small: Artifact, images: Batches, tmp_path: Path) -> None:
    model = load_model(small.path)
    norm = next(node for node in model.graph.node if node.op_type == "LayerNormalization")
    norm.op_type = "Identity"
    del norm.input[1:], norm.attribute[:]
    plain = save_model(model, tmp_path / "plain.onnx", {})
    smooth = smoothed_from_onnx(plain, images, tmp_path / "smooth.onnx", threads=1)
    np.testing.assert_array_equal(values_of(smooth, "logits", images), values_of(plain, "logits", images))


def test_no_image_is_refused(small: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No calibration image"):
        smoothed_from_onnx(small, lambda: iter(()), tmp_path / "smooth.onnx", threads=1)


TOKENS = """
<ir_version: 8, opset_import: ["" : 17]>
tokens (float[B, 4, 32] frame) => (float[B, 4, 32] logits)
{
  rows = LayerNormalization (frame, gain, shift)
  %s
}
"""


def tokens(rest: str, path: Path) -> Artifact:
    rng = np.random.default_rng(0)
    model = parser.parse_model(TOKENS % rest)
    arrays = {"gain": np.linspace(0.01, 9, 32), "shift": np.zeros(32), "weight": rng.normal(size=(32, 32)) / 6}
    model.graph.initializer.extend(numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items())
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.1, np.float32), "step"))
    return save_model(model, path, {})


def frames() -> Iterator[NDArray[np.float32]]:
    yield np.random.default_rng(1).normal(size=(4, 4, 32)).astype(np.float32)


def test_a_norm_that_a_branch_reads_stays_as_it_is(tmp_path: Path) -> None:
    rest = """first = MatMul (rows, weight) second = MatMul (first, weight)
    other = If (yes) <then_branch = a () => (float[B, 4, 32] a1) { a1 = Sigmoid (rows) },
                      else_branch = b () => (float[B, 4, 32] b1) { b1 = Neg (rows) }>
    logits = Add (second, other)"""
    model = tokens(rest, tmp_path / "model.onnx")
    smooth = smoothed_from_onnx(model, frames, tmp_path / "smooth.onnx", threads=1)
    expected = values_of(model, "logits", frames)
    np.testing.assert_allclose(values_of(smooth, "logits", frames), expected, atol=1e-4 * np.abs(expected).max())


def test_a_graph_that_is_quantized_already_is_refused(tmp_path: Path) -> None:
    rest = """codes = QuantizeLinear (rows, step) again = DequantizeLinear (codes, step)
    first = MatMul (again, weight) logits = MatMul (first, weight)"""
    with pytest.raises(ModelError, match="is quantized already"):
        smoothed_from_onnx(tokens(rest, tmp_path / "model.onnx"), frames, tmp_path / "smooth.onnx", threads=1)
