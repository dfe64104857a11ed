from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cpu import load_cpu
from edge.decision import NOT_MEASURED, Decision
from edge.errors import DeviceError, GateError, ImageError, InputError, TrustError, UsageError
from edge.keyring import Keyring
from edge.manifest import Gate, Notice
from edge.session import open_session

Tissue = Callable[[int], NDArray[np.uint8]]


def test_the_engine_names_the_plane(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    with open_session(bundles.null(), keyring=keyring, backend="null") as session:
        prediction = session.classify(tissue(1))
    assert (prediction.plane, prediction.answer, prediction.accepted) == ("femur", "femur", True)
    assert prediction.top[0] == ("femur", prediction.probability)
    assert prediction.latency_ms > 0


def test_a_colour_frame_of_gray_answers_as_the_gray_one(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    with open_session(bundles.null(), keyring=keyring, backend="null") as session:
        gray, colour = session.classify(tissue(0)), session.classify(np.stack([tissue(0)] * 3, axis=-1))
    assert gray.top == colour.top


def test_a_reject_label_answers_not_standard(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    with open_session(bundles.null(), keyring=keyring, backend="null") as session:
        prediction = session.classify(tissue(2))
    assert (prediction.answer, prediction.accepted) == ("not_standard", False)
    assert prediction.plane in ("abdomen", "femur")


def test_without_a_measured_threshold_nothing_is_accepted(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    path = bundles.null(decision=NOT_MEASURED)
    with open_session(path, keyring=keyring, backend="null") as session:
        prediction = session.classify(tissue(0))
        assert any("threshold" in notice.en for notice in session.notices)
    assert (prediction.plane, prediction.answer, prediction.accepted) == ("abdomen", "not_covered", False)


def test_below_the_threshold_is_not_standard(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    path = bundles.null(decision=Decision(0.5, 0.999, 10, 0.5, "test"))
    with open_session(path, keyring=keyring, backend="null") as session:
        assert session.classify(tissue(0)).answer == "not_standard"


def test_an_unfit_frame_is_not_covered_with_the_reason(bundles: Any, keyring: Keyring) -> None:
    with open_session(bundles.null(), keyring=keyring, backend="null") as session:
        prediction = session.classify(np.zeros((64, 64), np.uint8))
    assert (prediction.answer, prediction.accepted) == ("not_covered", False)
    assert prediction.reason.startswith("blank")


def test_a_bundle_may_switch_input_checks_off(bundles: Any, keyring: Keyring) -> None:
    with open_session(bundles.null(input_checks=()), keyring=keyring, backend="null") as session:
        assert not session.classify(np.zeros((64, 64), np.uint8)).reason.startswith("blank")


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((64, 64), np.float32),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((3, 64, 64), np.uint8),
        np.zeros((8, 64), np.uint8),
        np.zeros(64, np.uint8),
        [[0]],
    ],
)
def test_an_array_that_is_no_frame_is_refused(bundles: Any, keyring: Keyring, frame: Any) -> None:
    with open_session(bundles.null(), keyring=keyring, backend="null") as session, pytest.raises(ImageError):
        session.classify(frame)


def test_onnx_runtime_answers_the_gate_and_gives_features(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    with open_session(bundles.onnx(), threads=1, keyring=keyring) as session:
        assert session.backend.startswith("onnxruntime")
        assert session.gate_error < 0.01
        assert session.classify(tissue(0)).plane in ("abdomen", "femur")
        assert session.features(tissue(0)).shape == (4, 4, 4)


def test_an_engine_that_answers_otherwise_is_refused(bundles: Any, keyring: Keyring) -> None:
    with pytest.raises(GateError, match="does not answer as the float model") as caught:
        open_session(bundles.onnx(), keyring=keyring, backend="null")
    assert caught.value.exit_code == 5


def test_a_refused_engine_does_not_count_as_opened(bundles: Any, keyring: Keyring) -> None:
    with pytest.raises(GateError):
        open_session(bundles.onnx(release=9), keyring=keyring, backend="null")
    open_session(bundles.onnx(release=8), keyring=keyring).close()


def test_a_broken_model_is_a_device_error(bundles: Any, keyring: Keyring, manifest: Any) -> None:
    path = bundles.pack("broken.edge", manifest, {"model.qdq.onnx": b"no model"})
    with pytest.raises(DeviceError, match="cannot load the model"):
        open_session(path, keyring=keyring)


def test_a_bundle_without_gate_frames_is_refused(bundles: Any, keyring: Keyring, manifest: Any) -> None:
    path = bundles.pack("bare.edge", manifest, {"sbom.json": b"{}"})
    with pytest.raises(DeviceError, match=r"no part 'gate\.frames\.npy'"):
        open_session(path, keyring=keyring, backend="null")


def test_an_older_release_is_refused_after_a_newer_one(bundles: Any, keyring: Keyring) -> None:
    open_session(bundles.null(release=4), keyring=keyring, backend="null").close()
    with pytest.raises(TrustError, match="older than installed"):
        open_session(bundles.null(release=3), keyring=keyring, backend="null")


def test_a_keyring_that_cannot_be_written_still_opens(bundles: Any, keyring: Keyring) -> None:
    path = bundles.null()
    (keyring.home / ".lock").unlink()
    (keyring.home / ".lock").mkdir()
    with open_session(path, keyring=keyring, backend="null") as session:
        assert any("read-only" in notice.en for notice in session.notices)


def test_a_development_key_is_told_at_each_start(bundles: Any, keyring: Keyring) -> None:
    path = bundles.null()
    for _ in range(2):
        with open_session(path, keyring=keyring, backend="null") as session:
            assert any("development key" in notice.en for notice in session.notices)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runtime_min": "99.0.0"}, r"needs vmamba-edge 99\.0\.0"),
        ({"isa": ("avx9000",)}, "avx9000"),
        ({"input_checks": ("smell",)}, "smell"),
    ],
)
def test_what_does_not_fit_the_device_is_refused(
    bundles: Any, keyring: Keyring, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        open_session(bundles.null(**change), keyring=keyring, backend="null")
    assert caught.value.exit_code == 4


def test_a_skipped_gate_and_a_watermark_are_told(bundles: Any, keyring: Keyring) -> None:
    gate = Gate(8, False, True, None, None, None, None, 0.01)
    with open_session(bundles.null(gate=gate, watermark="PHANTOM"), keyring=keyring, backend="null") as session:
        assert Notice("PHANTOM", "模型标注：PHANTOM") in session.notices
        assert any("gate was skipped" in notice.en for notice in session.notices)


def test_gate_frames_of_another_size_are_refused(bundles: Any, keyring: Keyring, manifest: Any) -> None:
    parts = {"gate.frames.npy": b"\x93NUMPY", "gate.logits.npy": b""}
    with pytest.raises(TrustError, match="gate frames"):
        open_session(bundles.pack("x.edge", manifest, parts), keyring=keyring, backend="null")
    other = bundles.null("small.edge", preprocess=replace(manifest.preprocess, size_px=16))
    assert other.exists()


def test_a_closed_session_says_so(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    session = open_session(bundles.null(), keyring=keyring, backend="null")
    session.close()
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.classify(tissue(0))


@pytest.mark.parametrize("arguments", [{"backend": "abacus"}, {"threads": 0}, {"gate_frames": 0}])
def test_an_argument_without_sense_is_a_usage_error(bundles: Any, keyring: Keyring, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        open_session(bundles.null(), keyring=keyring, **arguments)


def test_what_is_no_file_is_an_input_error(keyring: Keyring, tmp_path: Path) -> None:
    for path in (tmp_path / "none.edge", tmp_path, Path("/dev/zero")):
        with pytest.raises(InputError):
            open_session(path, keyring=keyring)


def test_concurrent_calls_agree(bundles: Any, keyring: Keyring, tissue: Tissue) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with open_session(bundles.onnx(), threads=1, keyring=keyring) as session, ThreadPoolExecutor(4) as pool:
        tops = [p.top for p in pool.map(session.classify, [tissue(0)] * 16)]
    assert tops == [tops[0]] * 16


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_native_library_of_the_bundle_is_registered(
    bundles: Any, keyring: Keyring, manifest: Any, tmp_path: Path
) -> None:
    source, library = tmp_path / "refuse.c", tmp_path / "refuse.so"
    source.write_text("void *RegisterCustomOps(void *options, const void *api) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    good = bundles.onnx()
    from edge.loading import load_bundle

    parts = {name: bytes(part) for name, part in load_bundle(good, keyring).parts.items()}
    native = f"native/{load_cpu().machine}/libvmamba.so"
    loaded = bundles.pack("n.edge", manifest, {**parts, native: library.read_bytes()})
    with open_session(loaded, keyring=keyring) as session:
        assert not any("local function" in notice.en for notice in session.notices)
    refused = bundles.pack("m.edge", manifest, {**parts, native: b"no library"})
    with open_session(refused, keyring=keyring) as session:
        assert any("cannot load" in notice.en and "local function runs" in notice.en for notice in session.notices)
