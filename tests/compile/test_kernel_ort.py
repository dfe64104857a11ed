"""The native kernel as a custom operator of ONNX Runtime: the same answers as the local function, and really used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from calibration.artifact import Artifact
from compile.export import onnx_from_student
from compile.kernels.reference import selective_scan_2d_ref
from compile.model.spec import ModelSpec
from compile.model.students import student_from_name
from compile.onnx_function import DOMAIN, IR_VERSION, OP_TYPE, OPSET, PLUGIN_ATTRIBUTES
from edge.backends.ort import ort_from_model
from edge.preprocess import Preprocess
from tests.compile.scan_cases import check, operands

NAMES = ("u", "x_dbl", "dt_weight", "dt_bias", "A", "D")
SIZE_PX = 96
SCANS = 6  # VSS blocks of edge_n


@pytest.fixture(scope="module")
def edge_n(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """edge_n with random weights and the local function in its file."""
    spec = ModelSpec("edge_n", tuple("abcde"), preprocess=Preprocess(size_px=SIZE_PX))
    return onnx_from_student(student_from_name("edge_n", 5).eval(), spec, tmp_path_factory.mktemp("m") / "edge_n.onnx")


def images(batch: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(batch, 1, SIZE_PX, SIZE_PX)).astype(np.float32)


def values_of(batch: int, d: int, n: int, routes: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """Operands by name."""
    tensors = operands(batch, 5, 7, d, 3, n, routes)
    return {name: tensor.numpy() for name, tensor in zip(NAMES, tensors, strict=True)}


def node_model(values: dict[str, NDArray[np.float32]], constants: Sequence[str], **attributes: object) -> bytes:
    """One node, without the local function, of any batch."""
    node = helper.make_node(OP_TYPE, NAMES, ["y"], domain=DOMAIN, **attributes, **PLUGIN_ATTRIBUTES)
    shapes = {name: (["batch", *value.shape[1:]] if value.ndim == 4 else value.shape) for name, value in values.items()}
    inputs = [helper.make_tensor_value_info(name, 1, shapes[name]) for name in NAMES if name not in constants]
    graph = helper.make_graph(
        [node],
        "scan",
        inputs,
        [helper.make_tensor_value_info("y", 1, shapes["u"])],
        [numpy_helper.from_array(values[name], name) for name in constants],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION).SerializeToString()


def session(model: bytes, library: Artifact, threads: int = 2, profile: Path | None = None) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(str(library.path))
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("constants", [NAMES[2:], (), ("A",)], ids=["packed once", "packed a run", "some"])
@pytest.mark.parametrize("states", [1, 3])
def test_operator_is_the_reference(library: Artifact, constants: Sequence[str], states: int) -> None:
    routes = (2, 1, 0)
    values = values_of(2, 21, states, routes)
    feeds = {name: value for name, value in values.items() if name not in constants}
    (y,) = session(node_model(values, constants, routes=routes, layout="last"), library).run(None, feeds)
    check(y, selective_scan_2d_ref(*values.values(), routes))


def test_operator_takes_channels_first(library: Artifact) -> None:
    values = values_of(2, 9, 1, (0, 3))
    first = {name: np.moveaxis(v, -1, 1) if v.ndim == 4 else v for name, v in values.items()}
    (y,) = session(node_model(first, (), routes=(0, 3), layout="first"), library).run(None, first)
    check(np.moveaxis(y, 1, -1), selective_scan_2d_ref(*values.values(), (0, 3)))


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_batch_is_dynamic(library: Artifact, batch: int) -> None:
    weights = values_of(1, 8, 1, (0, 1))
    maps = {name: values_of(batch, 8, 1, (0, 1))[name] for name in ("u", "x_dbl")}
    run = session(node_model(weights, NAMES[2:], routes=(0, 1), layout="last"), library).run
    expected = selective_scan_2d_ref(*{**weights, **maps}.values(), (0, 1))
    check(run(None, maps)[0], expected)


@pytest.mark.parametrize(
    ("attributes", "text"),
    [({"routes": (0, 4)}, "route"), ({"layout": "middle"}, "layout"), ({"routes": (0, 1, 2)}, "weights")],
)
def test_wrong_attributes_are_an_error_and_no_crash(
    library: Artifact, attributes: dict[str, object], text: str
) -> None:
    values = values_of(1, 8, 1, (0, 1))
    model = node_model(values, NAMES[2:], **{"routes": (0, 1), "layout": "last", **attributes})
    with pytest.raises(Exception, match=text):  # ORT's exceptions share no base
        session(model, library).run(None, {name: values[name] for name in ("u", "x_dbl")})


def test_wrong_map_is_an_error_and_no_crash(library: Artifact) -> None:
    values = values_of(1, 8, 1, (0, 1))
    run = session(node_model(values, NAMES[2:], routes=(0, 1), layout="last"), library).run
    with pytest.raises(Exception, match=r"x_dbl|dimension"):
        run(None, {"u": values["u"], "x_dbl": values["x_dbl"][:, :4]})


def test_a_student_answers_as_with_the_local_function(library: Artifact, edge_n: Artifact) -> None:
    model, frames = edge_n.path.read_bytes(), images(3)
    plain, native = (ort_from_model(model, 2, False, parts) for parts in ((), (library.path.read_bytes(),)))
    np.testing.assert_allclose(native.logits_from_input(frames), plain.logits_from_input(frames), rtol=1e-4, atol=1e-4)


def test_a_student_runs_the_operator_and_not_the_function(library: Artifact, edge_n: Artifact, tmp_path: Path) -> None:
    running = session(edge_n.path.read_bytes(), library, profile=tmp_path / "profile")
    running.run(["logits"], {"frame": images(1)})
    events = json.loads(Path(running.end_profiling()).read_text())
    ran = [event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time")]
    assert ran.count(OP_TYPE) == SCANS
    assert "Scan" not in ran


def test_concurrent_runs_share_one_session(library: Artifact, edge_n: Artifact) -> None:
    running, frames = session(edge_n.path.read_bytes(), library), images(1)
    (alone,) = running.run(["logits"], {"frame": frames})
    with ThreadPoolExecutor(2) as pool:
        for (logits,) in pool.map(lambda _: running.run(["logits"], {"frame": frames}), range(8)):
            np.testing.assert_array_equal(logits, alone)


def test_the_file_without_its_function_runs_as_well(library: Artifact, edge_n: Artifact) -> None:
    model = onnx.load(edge_n.path)
    del model.functions[:]
    (logits,) = session(model.SerializeToString(), library).run(["logits"], {"frame": images(1)})
    assert np.isfinite(logits).all()
