"""plan_from_bundle on a simulated device: both forms are built, tried and timed; the faster is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from calibration.artifact import Artifact
from compile import engine
from compile.engine import TIMED_RUNS, Machine, latency_from_backend, plan_from_bundle
from compile.gpu_sources import parts_from_sources, sources_from_bundle
from compile.kernels.build_plugin import SOURCES, plugin_digest
from compile.quantize import qdq_from_onnx
from compile.tensorrt_plan import Built, PlanOptions
from edge.backends.null import NullBackend
from edge.bundle import Bundle
from edge.errors import DeviceError, GateError, UsageError
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.plans import PlanCache
from edge.preprocess import Preprocess
from tests.compile.conftest import Tiny
from tests.edge.conftest import MANIFEST, Maker
from tests.edge.tensorrt_simulator import SIDE_PX, SimulatedCuda, SimulatedEngine, SimulatedTensorRt
from tests.edge.test_session_tensorrt import parts

CREATED = "2026-11-21T00:00:00+00:00"
OPTIONS = PlanOptions(max_batch=4)


class Workshop:
    """A machine whose TensorRT notes what it was asked for; the plan's bytes are the form's name."""

    def __init__(self, broken: dict[str, Exception] | None = None) -> None:
        self.graphs: list[onnx.ModelProto] = []
        self.timings: list[bytes] = []
        self.sources: list[str] = []
        self.broken = broken or {}
        self.cuda = SimulatedCuda()
        module: Any = SimulatedTensorRt(SimulatedEngine(self.cuda))
        self.machine = Machine(module, self.cuda.gpu, lambda: self.cuda, self.plugin)

    def plugin(self, sources: Path, progress: Any) -> bytes:
        self.sources = sorted(file.relative_to(sources).as_posix() for file in sources.rglob("*") if file.is_file())
        return b"plugin"

    def plan(
        self,
        trt: Any,
        model: bytes,
        plugin: bytes,
        options: PlanOptions,
        timing: bytes,
        progress: Any,
        lines: list[str],
    ) -> Built:
        self.graphs.append(onnx.load_from_string(model))
        self.timings.append(timing)
        form = "matmul" if sum(n.op_type == "Gemm" for n in self.graphs[-1].graph.node) > 1 else "conv"
        lines.append(f"I {form}")
        if form in self.broken:
            raise self.broken[form]
        return Built(form.encode(), timing + b"+", trt.__version__, 700, 3, tuple(lines))


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A machine whose convolutions are faster."""
    made = Workshop()
    monkeypatch.setattr(engine, "plan_from_onnx", made.plan)
    latencies = {1: 2.0, 2: 1.0}
    monkeypatch.setattr(engine, "latency_from_backend", lambda backend, frame: latencies[len(made.graphs)])
    yield made


@pytest.fixture
def qdq(tiny: Tiny, qdq_path: Path) -> Artifact:
    return qdq_from_onnx(tiny.smooth, tiny.table, qdq_path)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "home")


def packed(qdq: Artifact, keyring: Keyring, folder: Path, slope: float = 1.0, **more: bytes) -> Bundle:
    """A bundle with a real graph, and gate frames of the simulated network."""
    manifest = replace(MANIFEST, target="jetson-orin", preprocess=Preprocess(size_px=SIDE_PX))
    content = {**parts(manifest, slope), "model.qdq.onnx": qdq.path.read_bytes(), **parts_from_sources(), **more}
    return load_bundle(Maker(keyring, folder).pack("cart.edge", manifest, content), keyring)


@pytest.fixture
def bundle(qdq: Artifact, keyring: Keyring, tmp_path: Path) -> Bundle:
    return packed(qdq, keyring, tmp_path)


def finished(bundle: Bundle, keyring: Keyring, workshop: Workshop, linear: str = "auto") -> engine.Finished:
    cache = PlanCache(keyring.home)
    return plan_from_bundle(bundle, workshop.machine, cache, OPTIONS, linear, CREATED, lambda stage, share: None)


def logs(bundle: Bundle, keyring: Keyring) -> dict[str, str]:
    """Form -> its log, of those that are there."""
    paths = {form: PlanCache(keyring.home).log(bundle.digest, form) for form in engine.FORMS}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths.values() if path.exists())
    return {form: path.read_text() for form, path in paths.items() if path.exists()}


def test_the_faster_form_is_kept_with_its_facts(bundle: Bundle, keyring: Keyring, workshop: Workshop) -> None:
    done = finished(bundle, keyring, workshop)
    assert done.latency_ms == {"matmul": 2.0, "conv": 1.0}
    assert done.gate_error < 1e-5
    plan = PlanCache(keyring.home).find(bundle.digest, "10.3.0", workshop.cuda.gpu, "")
    assert (plan.plan, plan.plugin) == (b"conv", b"plugin")
    assert plan.facts.options == {"linear": "conv", "max_batch": "4", "workspace_mib": "1024", "level": "3"}
    assert (plan.facts.layers, plan.facts.scans, plan.facts.created) == (700, 3, CREATED)
    assert logs(bundle, keyring) == {"matmul": "I matmul\n", "conv": "I conv\n"}


@pytest.mark.parametrize("linear", ["matmul", "conv"])
def test_one_form_can_be_asked_for(linear: str, bundle: Bundle, keyring: Keyring, workshop: Workshop) -> None:
    done = finished(bundle, keyring, workshop, linear)
    assert list(done.latency_ms) == [linear]


def test_an_unknown_form_is_refused(bundle: Bundle, keyring: Keyring, workshop: Workshop) -> None:
    with pytest.raises(UsageError, match="no form 'fast'"):
        finished(bundle, keyring, workshop, "fast")


def test_tensorrt_gets_float16_without_the_function(bundle: Bundle, keyring: Keyring, workshop: Workshop) -> None:
    finished(bundle, keyring, workshop)
    for graph in workshop.graphs:
        assert not graph.functions
        assert sum(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.graph.initializer) > 50


def test_timings_of_one_build_serve_the_next(bundle: Bundle, keyring: Keyring, workshop: Workshop) -> None:
    finished(bundle, keyring, workshop)
    assert workshop.timings == [b"", b"+"]
    assert PlanCache(keyring.home).load_timing("10.3.0", workshop.cuda.gpu) == b"++"


@pytest.mark.parametrize(("form", "other"), [("matmul", "conv"), ("conv", "matmul")])
def test_a_form_that_cannot_be_built_is_told_and_the_other_serves(
    form: str, other: str, bundle: Bundle, keyring: Keyring, workshop: Workshop
) -> None:
    workshop.broken = {form: DeviceError("TensorRT cannot.", "Upgrade.")}
    done = finished(bundle, keyring, workshop)
    assert list(done.latency_ms) == [other]
    log = PlanCache(keyring.home).log(bundle.digest, form)
    assert done.messages == (f"Not built as {form}: TensorRT cannot. TensorRT's log: {log}",)
    assert logs(bundle, keyring) == {form: f"I {form}\nE TensorRT cannot.\n", other: f"I {other}\n"}


@pytest.mark.parametrize(("form", "other"), [("matmul", "conv"), ("conv", "matmul")])
def test_a_form_that_the_gate_refuses_is_told_so(
    form: str, other: str, bundle: Bundle, keyring: Keyring, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gate(*_: Any) -> float:
        if len(workshop.graphs) == engine.FORMS.index(form) + 1:
            raise GateError("It errs by 3.", "Do not use it.")
        return 0.0

    monkeypatch.setattr(engine, "check_gate", gate)
    done = finished(bundle, keyring, workshop)
    assert list(done.latency_ms) == [other]
    assert done.messages[0].startswith(f"Refused as {form}: It errs by 3. TensorRT's log: ")
    assert logs(bundle, keyring)[form] == f"I {form}\nE It errs by 3.\n"


def test_where_nothing_can_be_built_nothing_is_kept(bundle: Bundle, keyring: Keyring, workshop: Workshop) -> None:
    workshop.broken = {form: DeviceError("TensorRT cannot.", "Upgrade.") for form in ("matmul", "conv")}
    with pytest.raises(DeviceError, match="TensorRT cannot") as caught:
        finished(bundle, keyring, workshop)
    assert caught.value.cure == f"Upgrade. TensorRT's log: {PlanCache(keyring.home).log(bundle.digest, 'conv')}"
    assert logs(bundle, keyring) == {form: f"I {form}\nE TensorRT cannot.\n" for form in ("matmul", "conv")}
    assert PlanCache(keyring.home).facts() == ()


def test_an_engine_that_answers_otherwise_is_not_kept(
    qdq: Artifact, keyring: Keyring, workshop: Workshop, tmp_path: Path
) -> None:
    other = packed(qdq, keyring, tmp_path, slope=2.0)
    with pytest.raises(GateError, match="does not answer as the float model") as caught:
        finished(other, keyring, workshop)
    assert str(PlanCache(keyring.home).log(other.digest, "conv")) in caught.value.cure
    assert [log.splitlines()[0] for log in logs(other, keyring).values()] == ["I matmul", "I conv"]
    assert PlanCache(keyring.home).load_timing("10.3.0", workshop.cuda.gpu) == b"++"
    assert PlanCache(keyring.home).facts() == ()
    assert workshop.cuda.closed == 2


def test_the_plugin_is_compiled_of_the_bundles_own_sources(
    bundle: Bundle, keyring: Keyring, workshop: Workshop
) -> None:
    finished(bundle, keyring, workshop)
    assert "selective_scan.h" in workshop.sources
    assert "tensorrt/plugin.cpp" in workshop.sources
    assert any(name.startswith("cuda/") for name in workshop.sources)


def test_a_bundles_sources_are_those_of_the_installation_that_made_it(bundle: Bundle, tmp_path: Path) -> None:
    sources_from_bundle(bundle, tmp_path / "sources")
    assert plugin_digest(tmp_path / "sources") == plugin_digest(SOURCES)


def test_a_bundle_with_a_scan_and_without_sources_is_told(
    qdq: Artifact, keyring: Keyring, workshop: Workshop, tmp_path: Path
) -> None:
    manifest = replace(MANIFEST, target="jetson-orin", preprocess=Preprocess(size_px=SIDE_PX))
    content = {**parts(manifest), "model.qdq.onnx": qdq.path.read_bytes()}
    bare = load_bundle(Maker(keyring, tmp_path).pack("bare.edge", manifest, content), keyring)
    with pytest.raises(DeviceError, match="holds no sources"):
        finished(bare, keyring, workshop)


def test_a_latency_is_the_median_of_many_runs() -> None:
    import numpy as np

    calls = []

    class Counting(NullBackend):
        def logits_from_input(self, network_input: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            calls.append(len(network_input))
            return super().logits_from_input(network_input)

    assert latency_from_backend(Counting(3), np.zeros((1, 1, 8, 8), np.float32)) > 0
    assert calls == [1] * TIMED_RUNS
