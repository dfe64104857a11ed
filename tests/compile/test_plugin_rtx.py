"""TensorRT's own parser and builder (TensorRT for RTX, which needs no driver) on the canonical INT8 files.

Each SelectiveScan2D node must become a plugin layer: nothing fails where it silently becomes a loop.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from calibration.table import table_from_onnx
from compile.export import onnx_from_student
from compile.kernels.build_plugin import plugin_from_sources
from compile.model.spec import ModelSpec
from compile.model.vmamba import vmamba_from_name
from compile.onnx_function import DOMAIN, IR_VERSION, OP_TYPE, OPSET, PLUGIN_ATTRIBUTES, selective_scan_function
from compile.quantize import qdq_from_onnx
from edge.preprocess import Preprocess
from tests.compile.plugin_harness import headers_or_skip
from tests.compile.rtx_environment import environment_or_absent
from tests.compile.scan_cases import operands
from tests.conftest import Made

pytestmark = pytest.mark.trt

ROOT = Path(__file__).parents[2]
PATIENCE_S = 600
SIZE_PX = 224
LOOP = ("TRIP_LIMIT", "RECURRENCE", "ITERATOR", "LOOP_OUTPUT")
SCANS = {"edge_n": 6, "vmamba_t": 14}
SCALES = {"u_scale": 0.05, "x_dbl_scale": 0.04, "y_scale": 0.5}
MAPS = {"FLOAT": 1, "HALF": 10, "INT8": 3}  # TensorRT's name -> onnx's number

Found = Mapping[str, Any]
Build = Callable[..., dict[str, Found]]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """build(PLUGIN, {name: model}) -> {name: what came out}, in a process of its own."""
    environment = environment_or_absent(tmp_path_factory.mktemp("rtx"))

    def run(plugin: str, models: Mapping[str, Path]) -> dict[str, Found]:
        command = [sys.executable, "-m", "tests.compile.rtx_build", plugin, *map(str, models.values())]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found = [{**json.loads(line), "stderr": done.stderr} for line in done.stdout.splitlines()]
        return dict(zip(models, found, strict=True))

    return run


@pytest.fixture(scope="module")
def networks(shipped: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The canonical INT8 files of the shipped student and of a VMamba-T with random weights."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    spec = ModelSpec("vmamba_t", tuple("abcde"), preprocess=Preprocess(SIZE_PX, channels=3))
    model = onnx_from_student(vmamba_from_name("vmamba_t", 5, in_channels=3).eval(), spec, folder / "t.onnx")
    image = np.random.default_rng(0).normal(size=(1, 3, SIZE_PX, SIZE_PX)).astype(np.float32)
    table = table_from_onnx(model, lambda: iter([image]), folder / "table.json", "random", threads=1)
    return {
        "edge_n": shipped.work / "qdq.onnx",
        "vmamba_t": qdq_from_onnx(model, table, folder / "vmamba_t.onnx").path,
    }


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One node each, with maps of every type; int8 maps between Q and DQ."""
    folder = tmp_path_factory.mktemp("nodes")
    cases = {
        "float": node_model("FLOAT", "FLOAT"),
        "half": node_model("HALF", "HALF"),
        "int8": node_model("INT8", "INT8", scales=SCALES),
        "int8 to half": node_model("INT8", "HALF", scales={**SCALES, "y_scale": 0.0}),
        "int8 without scales": node_model("INT8", "HALF"),
        "no such route": node_model("FLOAT", "FLOAT", routes=(0, 4)),
    }
    paths = {name: folder / f"{name}.onnx" for name in cases}
    for name, model in cases.items():
        onnx.save(model, paths[name])
    return paths


def node_model(
    maps: str, y: str, routes: Sequence[int] = (0, 3), scales: Mapping[str, float] | None = None
) -> onnx.ModelProto:
    """SelectiveScan2D, weights constant, batch open; `u` and `x_dbl` come in as floats and are quantized for INT8."""
    names = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
    values = {name: t.numpy() for name, t in zip(names, operands(1, 5, 7, 16, 3, 1, routes), strict=True)}
    weights = [numpy_helper.from_array(values[name], name) for name in names[2:]]
    outside = MAPS["HALF" if maps == "HALF" else "FLOAT"]
    inputs = [helper.make_tensor_value_info(n, outside, ("batch", *values[n].shape[1:])) for n in names[:2]]
    graph_nodes, maps_read = [], list(names[:2])
    if maps == "INT8":
        weights += [
            numpy_helper.from_array(np.float32(SCALES[f"{name}_scale"]), f"{name}_s") for name in ("u", "x_dbl")
        ]
        weights += [numpy_helper.from_array(np.float32(SCALES["y_scale"]), "y_s")]
        weights += [numpy_helper.from_array(np.zeros((), np.int8), "zero")]
        for index, name in enumerate(names[:2]):
            maps_read[index] = f"{name}_q"
            graph_nodes.append(helper.make_node("QuantizeLinear", [name, f"{name}_s", "zero"], [f"{name}_q"]))
    attributes: dict[str, Any] = {"routes": routes, "layout": "last", **PLUGIN_ATTRIBUTES, **(scales or {})}
    last = "y_q" if y == "INT8" else "y"
    graph_nodes.append(helper.make_node(OP_TYPE, [*maps_read, *names[2:]], [last], domain=DOMAIN, **attributes))
    if y == "INT8":
        graph_nodes.append(helper.make_node("DequantizeLinear", ["y_q", "y_s", "zero"], ["y"]))
    result = helper.make_tensor_value_info("y", MAPS["HALF" if y == "HALF" else "FLOAT"], ("batch", 5, 7, 16))
    graph = helper.make_graph(graph_nodes, "scan", inputs, [result], weights)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    functions = [] if scales else [selective_scan_function()]  # it has no scales
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, functions=functions)


@pytest.fixture(scope="module")
def built(build: Build, networks: dict[str, Path], nodes: dict[str, Path]) -> dict[str, Found]:
    """Everything with the Python twin."""
    return build("twin", {**networks, **nodes})


def check_network(found: Found, name: str) -> None:
    layers = found["layers"]
    assert found["parsed"], found["log"]
    assert layers.get("PLUGIN_V3") == SCANS[name]
    assert not any(layers.get(kind) for kind in LOOP)
    assert layers["QUANTIZE"] > 40  # the INT8 graph it is
    assert found["plan_names"] >= SCANS[name]


def check_node(found: Found, maps: str, y: str) -> None:
    assert found["parsed"], found["log"]
    assert [scan["types"] for scan in found["scans"]] == [[maps, maps, *["FLOAT"] * 4, y]]
    assert found["scans"][0]["shapes"][-1] == [-1, 5, 7, 16]
    assert found["plan_names"], found["log"]


def check_refused(found: dict[str, Found], reason: str) -> None:
    assert found["int8 without scales"]["parsed"]
    assert found["int8 without scales"]["plan_names"] is None
    assert not found["no such route"]["parsed"]
    assert reason in found["no such route"]["stderr"]


NODES = [
    ("float", "FLOAT", "FLOAT"),
    ("half", "HALF", "HALF"),
    ("int8", "INT8", "INT8"),
    ("int8 to half", "INT8", "HALF"),
]


@pytest.mark.parametrize("name", SCANS)
def test_every_scan_becomes_the_twin(built: dict[str, Found], name: str) -> None:
    check_network(built[name], name)


@pytest.mark.parametrize("case", NODES, ids=str)
def test_the_twin_builds_with_maps_of_every_type(built: dict[str, Found], case: tuple[str, str, str]) -> None:
    check_node(built[case[0]], *case[1:])


def test_the_twin_refuses_what_no_kernel_can_run(built: dict[str, Found]) -> None:
    check_refused(built, "has routes (0, 4)")


def test_without_a_plugin_the_scans_are_loops(build: Build, networks: dict[str, Path]) -> None:
    for name, found in build("none", networks).items():
        assert "PLUGIN_V3" not in found["layers"]
        assert found["layers"]["TRIP_LIMIT"] == SCANS[name]


def test_every_scan_becomes_the_plugin_library(
    build: Build, networks: dict[str, Path], nodes: dict[str, Path], tmp_path: Path
) -> None:
    """The C++ plugin, with its kernels compiled by nvcc; nothing is launched."""
    headers = headers_or_skip()
    library = plugin_from_sources(tmp_path, (87,), headers).path
    found = build(str(library), {**networks, **nodes})
    for name in SCANS:
        check_network(found[name], name)
    for name, maps, y in NODES:
        check_node(found[name], maps, y)
    check_refused(found, "a route is not one of 0, 1, 2, 3")
