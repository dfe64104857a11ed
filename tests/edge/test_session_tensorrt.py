"""A bundle for a GPU on this device: its plan is found, loaded and tried, or the next step is told in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.backends.tensorrt_library import PLUGIN, load_plugin
from edge.doctor import findings_from_machine
from edge.errors import DeviceError, GateError, TrustError
from edge.gpu import Gpu
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.manifest import Manifest
from edge.plans import SCHEMA, Plan, PlanCache, PlanFacts
from edge.preprocess import Preprocess, input_from_square
from edge.session import open_session
from tests.conftest import Command, check_told
from tests.edge.conftest import Maker, npy
from tests.edge.tensorrt_simulator import SIDE_PX, SimulatedCuda, SimulatedEngine, SimulatedTensorRt

GPU = SimulatedCuda().gpu


def parts(manifest: Manifest, slope: float = 1.0) -> dict[str, bytes]:
    """Gate frames with the answers of the simulated network, or of one that answers otherwise."""
    squares = np.random.default_rng(0).integers(0, 255, (manifest.gate.n, SIDE_PX, SIDE_PX), dtype=np.uint8)
    inputs = np.concatenate([input_from_square(square, manifest.preprocess) for square in squares])
    logits = np.outer(inputs.mean((1, 2, 3)), [1, 2, 3 * slope]).astype(np.float32)
    return {"gate.frames.npy": npy(squares), "gate.logits.npy": npy(logits), "model.qdq.onnx": b"never parsed here"}


@pytest.fixture
def bundle(bundles: Maker, manifest: Manifest) -> Path:
    wanted = replace(manifest, target="jetson-orin", preprocess=Preprocess(size_px=SIDE_PX), input_checks=())
    return bundles.pack("cart.edge", wanted, parts(wanted))


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> list[SimulatedCuda]:
    """TensorRT and a device that are simulated; gets every device that is opened."""
    opened: list[SimulatedCuda] = []

    def open_simulated() -> SimulatedCuda:
        opened.append(SimulatedCuda())
        return opened[-1]

    monkeypatch.setattr("edge.backends.cuda.open_cuda", open_simulated)
    monkeypatch.setattr("edge.doctor.open_cuda", open_simulated)
    monkeypatch.setattr("edge.backends.tensorrt_library.tensorrt_module", lambda: LateModule(opened))
    return opened


class LateModule:
    """The module whose engines belong to the device that was opened last."""

    ILogger, __version__ = SimulatedTensorRt.ILogger, SimulatedTensorRt.__version__

    def __init__(self, opened: list[SimulatedCuda]) -> None:
        self._opened = opened
        self._module: SimulatedTensorRt | None = None

    def __getattr__(self, name: str) -> Any:
        if self._module is None:
            self._module = SimulatedTensorRt(SimulatedEngine(self._opened[-1]))
        return getattr(self._module, name)


def planned(bundle: Path, keyring: Keyring, tensorrt: str = "10.3.0", gpu: Gpu = GPU) -> Path:
    """A sealed plan of the bundle."""
    loaded = load_bundle(bundle, keyring)
    facts = PlanFacts(SCHEMA, loaded.digest, "test-planes", "now", tensorrt, gpu, "", {}, 800, 6, 0)
    return PlanCache(keyring.home).save(Plan(facts, b"plugin", b"plan"))


def test_without_tensorrt_the_way_to_a_cpu_is_told(bundle: Path, keyring: Keyring, edge: Command) -> None:
    done = edge("verify", bundle, home=keyring.home)
    check_told(done, 4, "The bundle is for jetson-orin.")
    assert f"edge compile {bundle} -o CPU.edge --target cpu" in done.err


def test_without_a_plan_the_command_is_told(bundle: Path, keyring: Keyring, device: list[SimulatedCuda]) -> None:
    with pytest.raises(DeviceError, match=r"no plan yet for TensorRT 10\.3\.0 on Simulated") as caught:
        open_session(bundle, keyring=keyring)
    assert f"edge compile {bundle} --target tensorrt" in caught.value.cure
    assert device[-1].closed == 1


def test_a_plan_of_another_version_is_told(bundle: Path, keyring: Keyring, device: list[SimulatedCuda]) -> None:
    planned(bundle, keyring, tensorrt="10.16.1")
    with pytest.raises(DeviceError, match=r"was built now by TensorRT 10\.16\.1 on .*; this is TensorRT 10\.3\.0 on"):
        open_session(bundle, keyring=keyring)


def test_an_altered_plan_never_reaches_tensorrt(bundle: Path, keyring: Keyring, device: list[SimulatedCuda]) -> None:
    file = planned(bundle, keyring)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(TrustError, match="its seal does not hold"):
        open_session(bundle, keyring=keyring)
    assert device[-1].memory == {}


def test_a_plan_answers_the_gate_frames_and_then_frames(
    bundle: Path, keyring: Keyring, device: list[SimulatedCuda]
) -> None:
    planned(bundle, keyring)
    with open_session(bundle, keyring=keyring) as session:
        assert session.backend == "tensorrt 10.3.0 on Simulated"
        assert session.gate_error < 1e-5
        bright = session.classify(np.full((64, 64), 255, np.uint8))
        dark = session.classify(np.zeros((64, 64), np.uint8))
        assert (bright.plane, dark.plane) == ("femur", "abdomen")
        assert session.features(np.zeros((64, 64), np.uint8)).shape == (1, 1, 1)
    assert device[-1].closed == 1


def test_a_plan_that_answers_otherwise_is_refused(
    bundles: Maker, manifest: Manifest, keyring: Keyring, device: list[SimulatedCuda]
) -> None:
    wanted = replace(manifest, target="tensorrt", preprocess=Preprocess(size_px=SIDE_PX))
    bundle = bundles.pack("other.edge", wanted, parts(wanted, slope=2.0))
    planned(bundle, keyring)
    with pytest.raises(GateError, match="does not answer as the float model"):
        open_session(bundle, keyring=keyring)
    assert device[-1].closed == 1


def test_a_bundle_for_a_gpu_can_be_opened_without_its_engine(bundle: Path, keyring: Keyring) -> None:
    with pytest.raises(GateError):  # the null backend answers otherwise than the network: it was opened
        open_session(bundle, keyring=keyring, backend="null")


def test_the_doctor_tells_the_device_and_its_plans(bundle: Path, keyring: Keyring, device: list[SimulatedCuda]) -> None:
    assert "plans" not in {finding.name for finding in findings_from_machine(keyring)}
    file = planned(bundle, keyring)
    found = {finding.name: finding for finding in findings_from_machine(keyring)}
    assert (found["gpu"].status, found["gpu"].detail) == ("ok", GPU.text)
    assert found["plans"].detail == f"test-planes: built now by TensorRT 10.3.0 on {GPU.text}"
    file.write_bytes(b"altered")
    found = {finding.name: finding for finding in findings_from_machine(keyring)}
    assert (found["plans"].status, found["plans"].detail) == ("missing", "1 of 1 were altered or are too old")


def test_the_doctor_of_a_machine_without_a_gpu_says_so(keyring: Keyring) -> None:
    found = {finding.name: finding for finding in findings_from_machine(keyring)}
    if found["gpu"].status == "ok":
        pytest.skip("this machine has a CUDA device")
    assert found["gpu"].detail.startswith("for TensorRT engines: ")
    assert found["gpu"].cure


def test_the_plugin_of_another_bundle_needs_another_process() -> None:
    """TensorRT's registry holds one SelectiveScan2D a process; the same sources may give other bytes."""
    module, mark = SimulatedTensorRt(None), b"vmamba_plugin_sources="
    load_plugin(module, b"plugin one " + mark + b"0" * 16, [])
    load_plugin(module, b"plugin two " + mark + b"0" * 16, [])
    with pytest.raises(DeviceError, match="of other kernels; TensorRT holds one a process") as caught:
        load_plugin(module, b"plugin two " + mark + b"1" * 16, [])
    assert caught.value.cure.startswith("Restart the program")
    assert len(module.libraries) == 1


def test_a_plugin_that_somebody_else_registered_serves() -> None:
    module = SimulatedTensorRt(None)
    module.creators.add(PLUGIN)
    load_plugin(module, b"plugin", [])
    assert module.libraries == []
