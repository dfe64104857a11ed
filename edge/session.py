"""A bundle at work: path in, `Session` out; frame in, `Prediction` out.

::

    path -> bytes -> Bundle        size, signature, digests, schema      edge/bundle.py, keyring.py
                  -> no rollback                                         edge/releases.py
                  -> runs here?    version, CPU features                 edge/compatibility.py
                  -> Backend       the model is parsed only now          edge/backends/
                  -> gate frames   answers as the float model            edge/gate.py

    frame -> unfit? -> input -> logits -> Prediction                     quality.py, preprocess.py, postprocess.py
                             -> features -> map of one plane             attention.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import edge
from edge.attention import Head, head_from_bundle, map_from_features, map_on_frame
from edge.backends import Backend
from edge.bundle import Bundle
from edge.compatibility import check_compatible
from edge.cpu import Cpu, load_cpu
from edge.errors import DeviceError, GateError, UsageError
from edge.gate import LOAD_FRAMES, check_gate, gate_from_bundle
from edge.keyring import Keyring, home_from_environment
from edge.loading import load_bundle, notices_from_bundle
from edge.manifest import Manifest, Notice
from edge.postprocess import prediction_from_logits
from edge.prediction import Prediction
from edge.preprocess import input_from_frame
from edge.quality import check_frame, unfit_from_frame
from edge.releases import Releases

if TYPE_CHECKING:
    from numpy.typing import NDArray

CPU_MODEL = "model.cpu.onnx"  # lowered for ONNX Runtime on a CPU
CANONICAL_MODEL = "model.qdq.onnx"  # runs anywhere, slower
NATIVE_FOLDER = "native/"  # native/<machine>/*.so: operators for ONNX Runtime on that machine's CPU
BACKENDS = ("auto", "ort", "tensorrt", "null")


class Session:
    """A loaded engine with everything it needs to answer; close it, or use it in a `with` statement.

    Attributes:
        manifest: what the bundle says about itself.
        digest: hexadecimal; names exactly this bundle.
        notices: what a person must be told at each start.
        gate_error: largest error on the gate frames answered at load, see `edge.gate.errors_from_logits`.
    """

    def __init__(self, bundle: Bundle, backend: Backend, notices: tuple[Notice, ...], gate_error: float) -> None:
        self.manifest: Manifest = bundle.manifest
        self.digest: str = bundle.digest
        self.notices: tuple[Notice, ...] = notices
        self.gate_error: float = gate_error
        self._backend: Backend | None = backend
        self._head: Head | None = head_from_bundle(bundle)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def backend(self) -> str:
        """What runs the network, with its version."""
        return self._open().name

    def classify(self, frame: NDArray[np.uint8]) -> Prediction:
        """Answer one frame.

        Args:
            frame: uint8 (H,W), or (H,W,3) in RGB order, 0..255.

        Raises:
            ImageError: the frame has another type or shape.
            GateError: the engine's answer is not finite.
        """
        started = time.perf_counter()
        check_frame(frame)
        manifest = self.manifest
        unfit = unfit_from_frame(frame, manifest.input_checks)
        logits = self._open().logits_from_input(input_from_frame(frame, manifest.preprocess))[0]
        if not np.isfinite(logits).all():
            raise GateError("The engine's answer is not a finite number.", "Run edge verify on the bundle.")
        latency_ms = (time.perf_counter() - started) * 1e3
        return prediction_from_logits(
            logits, manifest.label_ids, manifest.reject_labels, manifest.decision, unfit, latency_ms
        )

    def features(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's last map for one frame.

        Args:
            frame: uint8 (H,W), or (H,W,3) in RGB order, 0..255.

        Returns:
            (h,w,D).

        Raises:
            ImageError: the frame has another type or shape.
        """
        check_frame(frame)
        maps = self._open().features_from_input(input_from_frame(frame, self.manifest.preprocess))
        return np.asarray(maps[0])

    def attention(self, frame: NDArray[np.uint8], label: str | None = None) -> NDArray[np.float32]:
        """Where the engine sees a plane in a frame: Grad-CAM of its last map, see `edge.attention`.

        Args:
            frame: uint8 (H,W), or (H,W,3) in RGB order, 0..255.
            label: one of the bundle's; None: the most probable plane.

        Returns:
            (H,W), the frame's pixels, 0..1 in units of the map's own maximum; all 0 where nothing speaks for the plane.

        Raises:
            UsageError: the bundle gives no attention maps, or has no such label.
            ImageError: the frame has another type or shape.
            GateError: the engine's answer is not finite.
        """
        return map_on_frame(self.small_map(frame, label), frame, self.manifest.preprocess)

    def small_map(self, frame: NDArray[np.uint8], label: str | None = None) -> NDArray[np.float32]:
        """What `attention` lays over the frame, as small as the network's last map: (h,w), over the whole square.

        Args and errors as of `attention`.
        """
        head, labels = self.head, self.manifest.label_ids
        if label is not None and label not in labels:
            raise UsageError(f"The model has no label {label!r}.", f"Give one of: {', '.join(labels)}.")
        features = self.features(frame)
        if not np.isfinite(features).all():
            raise GateError("The engine's last map is not finite.", "Run edge verify on the bundle.")
        if label is None:
            logits = head.logits_from_features(features)
            label = prediction_from_logits(logits, labels, self.manifest.reject_labels, self.manifest.decision).plane
        return map_from_features(features, head, labels.index(label))

    @property
    def head(self) -> Head:
        """The network's linear head, which attention maps are made with.

        Raises:
            UsageError: the bundle carries none.
        """
        if self._head is None:
            raise UsageError(
                f"{self.manifest.name} gives no attention maps: it carries no linear head.",
                "Compile it again with this version; networks with a norm or more layers behind the mean have none.",
                "no_map",
            )
        return self._head

    def logits(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network alone, on an input that is already preprocessed: (B,C,S,S) -> (B,K)."""
        return self._open().logits_from_input(network_input)

    def close(self) -> None:
        """Free the engine; a second call does nothing."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _open(self) -> Backend:
        if self._backend is None:
            raise UsageError("The session is closed.", "Open another one with open_session.")
        return self._backend


def open_session(
    path: Path | str,
    *,
    threads: int = 2,
    keyring: Keyring | None = None,
    backend: str = "auto",
    spin: bool = False,
    gate_frames: int = LOAD_FRAMES,
) -> Session:
    """Verify a bundle, load its engine and let it answer gate frames.

    Args:
        path: of the `.edge` file.
        threads: of the engine, 1..256.
        keyring: the keys to trust; None: this user's, the one the command line uses.
        backend: "auto" (what the bundle was made for), "ort", "tensorrt" or "null".
        spin: idle threads keep their core busy; faster only where nothing else runs.
        gate_frames: how many gate frames to answer now, at least 1.

    Raises:
        TrustError: signature, digest, key or release that must not be trusted.
        DeviceError: the bundle does not fit this device or runtime.
        GateError: the engine does not answer as the float model.
        InputError: there is no such file.
        UsageError: an argument makes no sense.
    """
    if backend not in BACKENDS:
        raise UsageError(f"There is no backend {backend!r}.", f"Choose one of: {', '.join(BACKENDS)}.")
    if threads < 1 or gate_frames < 1:
        raise UsageError("threads and gate_frames must be at least 1.", "Give 1 or more.")
    keyring = keyring or Keyring(home_from_environment(os.environ))
    bundle = load_bundle(Path(path), keyring)
    manifest, releases = bundle.manifest, Releases(keyring.home)
    releases.check(manifest.name, manifest.release)
    cpu = load_cpu()
    check_compatible(manifest, edge.__version__, cpu)
    notices = notices_from_bundle(bundle, keyring.key_from_fingerprint(bundle.fingerprint))
    if backend == "tensorrt" or (backend == "auto" and manifest.target != "cpu"):
        engine: Backend = _tensorrt_from_bundle(bundle, Path(path), keyring.home)
    else:
        engine, remarks = _backend_from_bundle(bundle, backend, threads, spin, cpu)
        notices = (*notices, *remarks)
    try:
        error = check_gate(engine, gate_from_bundle(bundle), manifest, gate_frames)
        if not releases.record(manifest.name, manifest.release):
            en = "The keyring is read-only: this device cannot remember which release it has seen."
            notices = (*notices, Notice(en, "密钥库为只读：本机无法记录已使用过的模型版本。"))
        return Session(bundle, engine, notices, error)
    except BaseException:
        engine.close()
        raise


def native_parts(names: Iterable[str], machine: str) -> list[str]:
    """Those of a bundle's parts that hold native operators for a machine.

    Args:
        names: of the parts.
        machine: as `edge.cpu` names it.
    """
    return [name for name in names if name.startswith(f"{NATIVE_FOLDER}{machine}/") and name.endswith(".so")]


def _tensorrt_from_bundle(bundle: Bundle, path: Path, home: Path) -> Backend:
    """The plan that this device has built of the bundle."""
    from edge.backends.cuda import open_cuda
    from edge.backends.tensorrt import tensorrt_from_plan
    from edge.backends.tensorrt_library import tensorrt_module
    from edge.plans import PlanCache

    try:
        trt, cuda = tensorrt_module(), open_cuda()
    except DeviceError as error:
        raise DeviceError(
            f"The bundle is for {bundle.manifest.target}. {error.cause}",
            f"{error.cure} Without a GPU: edge compile {path} -o CPU.edge --target cpu",
        ) from error
    try:
        command = f"edge compile {path} --target tensorrt"
        plan = PlanCache(home).find(bundle.digest, str(trt.__version__), cuda.gpu, command)
    except BaseException:
        cuda.close()
        raise
    return tensorrt_from_plan(trt, cuda, plan.plan, plan.plugin)


def _backend_from_bundle(
    bundle: Bundle, backend: str, threads: int, spin: bool, cpu: Cpu
) -> tuple[Backend, tuple[Notice, ...]]:
    """The engine, and what a person must be told about it."""
    if backend == "null":
        from edge.backends.null import NullBackend

        return NullBackend(len(bundle.manifest.labels)), ()
    from edge.backends.ort import ort_from_model

    model = bundle.part(CPU_MODEL if CPU_MODEL in bundle.parts else CANONICAL_MODEL)
    libraries = [bundle.part(name) for name in native_parts(bundle.parts, cpu.machine)]
    try:
        return ort_from_model(model, threads, spin, libraries), ()
    except DeviceError as error:
        if not libraries:
            raise
        engine = ort_from_model(model, threads, spin)  # a C library older than the compiler's, most likely
        en = f"{error.cause} The slower local function runs. Compile the bundle on this machine."
        return engine, (Notice(en, "本机无法使用模型的加速运算，判断速度较慢。请联系设备管理员。"),)
