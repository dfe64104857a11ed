"""Files timed against each other, each in a process of its own."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from calibration.benchmark import Timing, timings_from_files
from edge.backends.ort import ort_from_model
from edge.errors import EdgeError, ModelError, TrustError
from edge.keyring import Keyring
from edge.session import NATIVE_FOLDER
from tests.calibration.conftest import onnx_of_bands
from tests.conftest import Command
from tests.edge.conftest import MANIFEST, gate_parts

SMALL_MB = 200  # a process with ONNX Runtime and no network has some 60; pytest's own, with torch in it, over 400


def onnx_of_side(path: Path, side: int | str, width: int = 4) -> Path:
    """A convolution over a frame of that side."""
    weight = numpy_helper.from_array(np.ones((width, 1, 3, 3), np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["frame", "weight"], ["maps"])],
        "conv",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, ["batch", 1, side, side])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, None)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def timed(keyring: Keyring, *files: Path, runs: int = 5, size_px: int = 32) -> tuple[Timing, ...]:
    return timings_from_files(files, 1, runs, size_px, keyring, lambda *_: None)


def test_files_are_timed_side_by_side_in_small_processes(tmp_path: Path, keyring: Keyring) -> None:
    small, large = onnx_of_side(tmp_path / "small.onnx", 16), onnx_of_side(tmp_path / "large.onnx", 512, width=32)
    shares: list[float] = []
    timings = timings_from_files([small, large], 1, 15, 32, keyring, lambda _, share: shares.append(share))
    assert [timing.file for timing in timings] == ["small.onnx", "large.onnx"]
    assert timings[0].p50_ms < timings[1].p50_ms
    for timing in timings:
        assert 0 < timing.p50_ms <= timing.p90_ms <= timing.p99_ms
        assert timing.images_per_s == pytest.approx(1000 / timing.p50_ms)
        assert 10 < timing.peak_mb < SMALL_MB
    assert (len(shares), shares[-1]) == (20, 1.0)


def test_a_side_that_the_file_leaves_open_is_the_callers(tmp_path: Path, keyring: Keyring) -> None:
    file = onnx_of_side(tmp_path / "open.onnx", "side")
    (small,), (large,) = (timed(keyring, file, size_px=size_px) for size_px in (16, 512))
    assert small.p50_ms < large.p50_ms


def test_a_bundle_and_an_onnx_file_run_beside_each_other(tmp_path: Path, planes: Any) -> None:
    timings = timed(planes.maker.keyring, planes.bundle(), onnx_of_side(tmp_path / "a.onnx", 16))
    assert [timing.file for timing in timings] == ["planes.edge", "a.onnx"]


def test_what_the_engine_has_to_say_is_told(planes: Any, edge: Command) -> None:
    manifest, model = replace(MANIFEST, name="native"), onnx_of_bands((0, 1, 2))
    parts = {"model.cpu.onnx": model, f"{NATIVE_FOLDER}{platform.machine()}/selective_scan.so": b"no library"}
    parts |= gate_parts(manifest, ort_from_model(model, threads=1, spin=False))
    bundle = planes.maker.pack("native.edge", manifest, parts)
    (timing,) = timed(planes.maker.keyring, bundle)
    assert any("slower local function" in notice for notice in timing.notices)
    done = edge("benchmark", bundle, "--runs", 3, "--json", home=planes.maker.keyring.home)
    assert done.document["files"][0]["notices"] == list(timing.notices)
    assert "note: native.edge: " in done.err


@pytest.mark.parametrize(
    ("name", "kind", "match"),
    [("broken.onnx", ModelError, "cannot load .*broken.onnx"), ("broken.edge", TrustError, "bundle")],
)
def test_a_broken_file_gives_its_own_error_with_cause_and_cure(
    tmp_path: Path, keyring: Keyring, name: str, kind: type[EdgeError], match: str
) -> None:
    good, broken = onnx_of_side(tmp_path / "good.onnx", 16), tmp_path / name
    broken.write_bytes(b"neither ONNX nor a bundle")
    with pytest.raises(kind, match=match) as refusal:
        timed(keyring, good, broken)
    assert refusal.value.cause and refusal.value.cure


def test_a_graph_of_another_input_is_an_error_and_no_trace(
    tmp_path: Path, keyring: Keyring, capfd: pytest.CaptureFixture[str]
) -> None:
    path = onnx_of_side(tmp_path / "x.onnx", 16)
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))
    onnx.save(model, path)
    with pytest.raises(ModelError, match="does not answer one image"):
        timed(keyring, path)
    assert "Traceback" not in capfd.readouterr().err
