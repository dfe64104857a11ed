"""The table of activation ranges: which tensors, which method, and what makes it usable again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from calibration.activations import Batches, activations_from_model
from calibration.artifact import Artifact
from calibration.graph import constant, load_model, save_model
from calibration.observers import METHODS
from calibration.output_error import best_range
from calibration.table import PREFERRED, load_table, table_from_json, table_from_onnx
from edge.errors import InputError, ModelError, UsageError


def test_table_has_the_inputs_of_int8_layers_and_the_results_of_convolutions(
    small: Artifact, images: Batches, tmp_path: Path
) -> None:
    table = load_table(table_from_onnx(small, images, tmp_path / "t.json", "d", threads=1).path)
    assert set(table.ranges) == {"frame", "relu", "conv2", "norm_rows", "gelu"}


def test_table_says_what_it_was_made_from(small: Artifact, images: Batches, tmp_path: Path) -> None:
    artifact = table_from_onnx(small, images, tmp_path / "t.json", "digest", threads=1)
    table = load_table(artifact.path)
    assert (table.model, table.dataset) == (small.sha256, "digest")
    assert artifact.made_from == {"model": small.sha256, "dataset": "digest"}
    assert {r.images for r in table.ranges.values()} == {12}


def test_the_same_images_give_the_same_bytes(small: Artifact, images: Batches, tmp_path: Path) -> None:
    tables = [table_from_onnx(small, images, tmp_path / name, "d", threads=1) for name in ("a.json", "b.json")]
    assert tables[0].sha256 == tables[1].sha256


def test_minmax_ranges_are_the_largest_activations(small: Artifact, images: Batches, tmp_path: Path) -> None:
    table = load_table(table_from_onnx(small, images, tmp_path / "t.json", "d", "minmax", threads=1).path)
    seen = [values["gelu"] for _, values in activations_from_model(load_model(small.path), ["gelu"], images, 1)]
    assert table.ranges["gelu"].amax == pytest.approx(np.abs(np.concatenate(seen)).max())


def test_auto_errs_no_more_than_any_single_method(small: Artifact, images: Batches, tmp_path: Path) -> None:
    tables = {
        method: load_table(table_from_onnx(small, images, tmp_path / f"{method}.json", "d", method, threads=1).path)
        for method in ("auto", *METHODS)
    }
    for name, chosen in tables["auto"].ranges.items():
        assert chosen.error <= 1.03 * min(tables[method].ranges[name].error for method in METHODS)


def test_a_method_that_is_trusted_more_wins_a_near_tie() -> None:
    errors = [{"mse": 1.0, "entropy": 1.01, "minmax": 2.0}]
    assert best_range(errors, ("entropy", "mse", "minmax")) == "entropy"
    assert best_range(errors, ("minmax", "mse", "entropy")) == "mse"


def test_every_kind_of_layer_tries_every_method() -> None:
    assert all(set(order) == set(METHODS) for order in PREFERRED.values())


def test_unknown_method_is_refused(small: Artifact, images: Batches, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="median"):
        table_from_onnx(small, images, tmp_path / "t.json", "d", "median")


def test_no_image_is_refused(small: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No calibration image"):
        table_from_onnx(small, lambda: iter(()), tmp_path / "t.json", "d", threads=1)


def test_activation_that_is_not_finite_is_refused(small: Artifact, images: Batches, tmp_path: Path) -> None:
    model = load_model(small.path)
    constant(model, "fc1_b", np.full(32, np.inf, np.float32))
    broken = save_model(model, tmp_path / "broken.onnx", {})
    with pytest.raises(ModelError, match="NaN or infinity"):
        table_from_onnx(broken, images, tmp_path / "t.json", "d", threads=1)


def test_fixed_batch_of_one_gives_the_same_ranges(small: Artifact, images: Batches, tmp_path: Path) -> None:
    model = load_model(small.path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    fixed = save_model(model, tmp_path / "fixed.onnx", {})
    tables = [
        load_table(table_from_onnx(artifact, images, tmp_path / f"{index}.json", "d", threads=1).path)
        for index, artifact in enumerate((small, fixed))
    ]
    for name, expected in tables[0].ranges.items():
        assert tables[1].ranges[name].amax == pytest.approx(expected.amax, rel=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": 2}',
        '{"schema": 1, "model": "m", "dataset": "d"}',
        '{"schema": 1, "model": "m", "dataset": "d", "ranges": {"x": {"amax": 1}}}',
        '{"schema": 1, "model": "m", "dataset": "d", '
        '"ranges": {"x": {"amax": 0, "method": "mse", "images": 1, "error": 0}}}',
        '{"schema": 1, "model": "m", "dataset": "d", '
        '"ranges": {"x": {"amax": NaN, "method": "mse", "images": 1, "error": 0}}}',
        '{"schema": 1, "model": "m", "dataset": "d", '
        '"ranges": {"x": {"amax": "1", "method": "mse", "images": 1, "error": 0}}}',
    ],
)
def test_text_that_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        table_from_json(text)


def test_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError):
        load_model(tmp_path / "x.onnx")


def test_opset_before_13_is_refused(small: Artifact, tmp_path: Path) -> None:
    model = load_model(small.path)
    model.opset_import[0].version = 12
    (tmp_path / "old.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="opset 12"):
        load_model(tmp_path / "old.onnx")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").write_bytes(onnx.ModelProto().SerializeToString())
    with pytest.raises(ModelError):
        load_model(tmp_path / "empty.onnx")
