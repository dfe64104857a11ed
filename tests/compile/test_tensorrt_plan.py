"""plan_from_onnx with TensorRT for RTX, which parses and builds without a driver: what it takes, what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calibration.artifact import Artifact, artifact_from_file
from compile.gpu_sources import FOLDER, parts_from_sources
from compile.kernels.build_plugin import plugin_digest, plugin_from_sources
from compile.lowerings.fp16 import fp16_from_qdq
from compile.quantize import qdq_from_onnx
from compile.tensorrt_plan import PlanOptions, timing_cache_from_bytes
from edge.backends.tensorrt_library import kernels_from_plugin
from edge.errors import UsageError
from tests.compile.conftest import Tiny
from tests.compile.plugin_harness import headers_or_skip
from tests.compile.rtx_environment import environment_or_absent
from tests.conftest import Made, absent

pytestmark = pytest.mark.trt

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300
SCANS = 6  # of the shipped student

Build = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """build(MODEL...) -> what came of each; "twin" among them registers the scan's plugin for those behind it."""
    environment = environment_or_absent(tmp_path_factory.mktemp("rtx"))

    def run(*models: Path | str) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "tests.compile.plan_child", *map(str, models)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture
def qdq(tiny: Tiny, qdq_path: Path) -> Artifact:
    return qdq_from_onnx(tiny.smooth, tiny.table, qdq_path)


@pytest.fixture
def model(qdq: Artifact, tmp_path: Path) -> Path:
    return fp16_from_qdq(qdq, tmp_path / "tiny.onnx", function=False).path


def test_every_form_of_the_shipped_student_builds_with_its_scans_as_plugins(
    shipped: Made, build: Build, tmp_path: Path
) -> None:
    qdq = artifact_from_file(shipped.work / "qdq.onnx")
    forms = {
        f"{convolutions} {half}": fp16_from_qdq(
            qdq, tmp_path / f"{convolutions}{half}.onnx", half=half, convolutions=convolutions, function=False
        ).path
        for convolutions in (False, True)
        for half in (False, True)
    }
    for found in build("twin", *forms.values()):
        assert found["scans"] == SCANS
        assert found["layers"] > 500
        assert found["plan_bytes"] > 3_000_000
        assert 0 <= found["shares"][0] < found["shares"][1] <= 1
        assert any("Building engine" in stage for stage in found["stages"])


def test_float_models_build_too(tiny: Tiny, build: Build, tmp_path: Path) -> None:
    halves = [fp16_from_qdq(tiny.model, tmp_path / f"{half}.onnx", half=half, function=False) for half in (True, False)]
    assert [found["scans"] for found in build("twin", *(half.path for half in halves))] == [3, 3]


def test_a_plan_without_a_driver_is_refused_in_one_line(model: Path, build: Build) -> None:
    (found,) = build("twin", model)
    if found["loaded"] == "ok":
        pytest.skip("this machine has a CUDA device")
    assert found["loaded"].startswith("DeviceError: TensorRT ")
    assert "refuses the plan" in found["loaded"]
    assert "\n" not in found["loaded"]


def test_a_graph_whose_plugin_is_missing_is_refused(model: Path, build: Build) -> None:
    (found,) = build(model)
    assert found["error"] == "DeviceError"
    assert "cannot read the graph" in found["text"]
    assert "SelectiveScan2D" in found["text"]


def test_a_scan_that_is_expanded_into_a_loop_is_refused(qdq: Artifact, build: Build, tmp_path: Path) -> None:
    """With the local function in the file and no plugin, the parser says nothing and takes the slow body."""
    (found,) = build(fp16_from_qdq(qdq, tmp_path / "function.onnx").path)
    assert found["error"] == "DeviceError"
    assert "took 0 of 3 scans as plugins" in found["text"]


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x08\x09"])
def test_what_is_no_graph_is_refused(content: bytes, build: Build, tmp_path: Path) -> None:
    file = tmp_path / "broken.onnx"
    file.write_bytes(content)
    (found,) = build("twin", file)
    assert (found["error"], "cannot read the graph" in found["text"]) == ("DeviceError", True)
    assert "\n" not in found["text"]


def test_what_is_no_plugin_is_refused(model: Path, build: Build, tmp_path: Path) -> None:
    (tmp_path / "plugin.so").write_bytes(b"no library")
    (found,) = build(f"{model}={tmp_path / 'plugin.so'}")
    assert (found["error"], "refuses the plugin" in found["text"]) == ("DeviceError", True)


def test_the_plugin_of_the_carried_sources_takes_every_scan(model: Path, build: Build, tmp_path: Path) -> None:
    """The sources as a bundle carries them, compiled for Orin, loaded from memory by TensorRT's registry."""
    headers = headers_or_skip()
    if shutil.which("nvcc") is None:
        absent("no nvcc")
    for name, content in parts_from_sources().items():
        file = tmp_path / "sources" / name.removeprefix(FOLDER)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    plugin = plugin_from_sources(tmp_path / "plugin", (87,), headers, root=tmp_path / "sources")
    assert kernels_from_plugin(plugin.path.read_bytes()) == plugin_digest()
    (found,) = build(f"{model}={plugin.path}")
    assert (found["scans"], found["log"]) == (3, [])


def test_a_build_can_be_stopped(model: Path, build: Build) -> None:
    (found,) = build("twin", model.rename(model.with_name("stopped.onnx")))
    assert found["error"] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("accepted", "expected"), [((b"old", b""), b"old"), ((b"",), b""), ((), None)], ids=["kept", "refused", "none"]
)
@pytest.mark.parametrize("refuses", ["create", "set"])
def test_a_timing_cache_that_is_refused_is_begun_anew(
    refuses: str, accepted: tuple[bytes, ...], expected: bytes | None
) -> None:
    config = SimpleNamespace(
        create_timing_cache=lambda content: content if refuses == "set" or content in accepted else None,
        set_timing_cache=lambda cache, ignore_mismatch: cache in accepted and not ignore_mismatch,
    )
    assert timing_cache_from_bytes(config, b"old") == expected


@pytest.mark.parametrize("options", [{"max_batch": 0}, {"workspace_mib": 0}, {"level": 6}, {"level": -1}])
def test_options_that_mean_nothing_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="cannot be built"):
        PlanOptions(**options)
