"""The layers that INT8 hurts most are found, and only those."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calibration.artifact import artifact_from_file
from calibration.graph import graph_from_model, load_model
from calibration.layers import int8_layers
from calibration.table import json_from_table, load_table
from compile.sensitivity import MAX_FLOAT_LAYERS, sensitive_layers
from tests.compile.conftest import Tiny


def test_a_layer_whose_range_is_far_too_wide_is_named_first(tiny: Tiny, tmp_path: Path) -> None:
    layer = int8_layers(graph_from_model(load_model(tiny.smooth.path)))[-1]
    table = load_table(tiny.table.path)
    bad = replace(table.ranges[layer.input], amax=table.ranges[layer.input].amax * 60, error=1.0)
    (tmp_path / "table.json").write_text(json_from_table(replace(table, ranges={**table.ranges, layer.input: bad})))
    found = sensitive_layers(tiny.smooth, artifact_from_file(tmp_path / "table.json"), tiny.images, threads=1)
    assert found[0] == layer.name


def test_no_more_layers_are_named_than_asked_for(tiny: Tiny) -> None:
    assert len(sensitive_layers(tiny.smooth, tiny.table, tiny.images, threads=1)) <= MAX_FLOAT_LAYERS
    assert sensitive_layers(tiny.smooth, tiny.table, tiny.images, limit=0, threads=1) == ()
