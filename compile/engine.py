"""The stage that ends on the device itself: a bundle -> its TensorRT plan in this machine's cache.

::

    X.edge --verified--> canonical model --fp16_from_qdq--> as matrix products, as 1x1 convolutions
                                                |  plan_from_onnx, each
                         sources of the kernel --nvcc--> plugin --> engines --answer all gate frames, are timed--+
                                                                        faster one -> HOME/plans/... <-----------+

Needs onnx and TensorRT, no torch. Nothing of it changes the bundle.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.artifact import artifact_from_file
from calibration.graph import load_model
from compile.gpu_sources import sources_from_bundle
from compile.job import LINEAR_FORMS
from compile.lowerings.fp16 import fp16_from_qdq
from compile.onnx_function import DOMAIN
from compile.tensorrt_plan import Built, PlanOptions, plan_from_onnx
from edge.backends import Backend
from edge.backends.cuda import Cuda, open_cuda
from edge.backends.tensorrt import tensorrt_from_plan
from edge.backends.tensorrt_library import tensorrt_module
from edge.bundle import Bundle
from edge.errors import EdgeError, GateError, UsageError
from edge.files import sha256_from_bytes
from edge.gate import check_gate, gate_from_bundle
from edge.plans import SCHEMA, Plan, PlanCache, PlanFacts
from edge.preprocess import input_from_square
from edge.session import CANONICAL_MODEL

if TYPE_CHECKING:
    from edge.gpu import Gpu

Progress = Callable[[str, float], None]

AUTO, *FORMS = LINEAR_FORMS  # matrix products or 1x1 convolutions
TIMED_RUNS = 50  # of one frame: the median of fewer still moves by some percent


@dataclass(frozen=True)
class Machine:
    """What builds and runs engines here.

    Attributes:
        trt: the module `tensorrt`.
        gpu: the device.
        open_cuda: opens it; every engine has its own stream and memory.
        build_plugin: folder of sources, progress -> the plugin's library for this device.
    """

    trt: Any
    gpu: Gpu
    open_cuda: Callable[[], Cuda]
    build_plugin: Callable[[Path, Progress], bytes]


@dataclass(frozen=True)
class Candidate:
    """One form of the model, built and tried.

    Attributes:
        form: one of FORMS.
        built: what TensorRT made.
        gate_error: largest error on the gate frames.
        latency_ms: median of one frame, copies included.
    """

    form: str
    built: Built
    gate_error: float
    latency_ms: float


@dataclass(frozen=True)
class Finished:
    """What a build left behind.

    Attributes:
        path: the plan's file.
        facts: what was built where.
        gate_error: largest error on all gate frames.
        latency_ms: form -> median of one frame, for each form that was built.
        messages: what the user should know, e.g. which form was refused and where its log lies.
    """

    path: Path
    facts: PlanFacts
    gate_error: float
    latency_ms: Mapping[str, float]
    messages: tuple[str, ...]


def machine_from_system(include: Path | None = None, nvcc: str = "") -> Machine:
    """This machine's TensorRT, device and compiler.

    Args:
        include: folder of TensorRT's headers; None: the usual places.
        nvcc: the CUDA compiler; empty: the system's.

    Raises:
        DeviceError: there is no TensorRT or no device.
    """
    trt = tensorrt_module()
    cuda = open_cuda()
    gpu = cuda.gpu
    cuda.close()

    def build_plugin(sources: Path, progress: Progress) -> bytes:
        from compile.kernels.build_plugin import plugin_from_sources

        folder = sources.with_name("plugin")  # fresh: no library but one that was compiled just now is ever loaded
        built = plugin_from_sources(folder, (gpu.capability,), include, nvcc, progress, root=sources)
        return built.path.read_bytes()

    return Machine(trt, gpu, open_cuda, build_plugin)


def plan_from_bundle(
    bundle: Bundle,
    machine: Machine,
    cache: PlanCache,
    options: PlanOptions,
    linear: str,
    created: str,
    progress: Progress,
) -> Finished:
    """Build a bundle's plan for this machine, let it answer all gate frames, and keep it.

    What TensorRT said is kept for each form that was tried, and its timings, whatever came of it.

    Args:
        bundle: verified.
        machine: what builds it.
        cache: where it goes.
        options: what TensorRT may use.
        linear: one of FORMS, or AUTO.
        created: ISO 8601, UTC.
        progress: told the stage and what of it is done, 0..1.

    Raises:
        UsageError: there is no such form.
        DeviceError: TensorRT, the compiler or the device refuses.
        GateError: the engine answers otherwise than the float model.
        MachineError: memory or disk does not suffice.
    """
    if linear not in LINEAR_FORMS:
        raise UsageError(f"There is no form {linear!r} of linear layers.", f"Use one of: {', '.join(LINEAR_FORMS)}.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        canonical = folder / CANONICAL_MODEL
        canonical.write_bytes(bundle.part(CANONICAL_MODEL))
        plugin = b""
        if any(node.domain == DOMAIN for node in load_model(canonical).graph.node):
            progress("plugin", 0.0)
            sources_from_bundle(bundle, folder / "sources")
            plugin = machine.build_plugin(folder / "sources", progress)
        forms = FORMS if linear == AUTO else [linear]
        models = {form: model_from_canonical(canonical, form, bundle.manifest.precision) for form in forms}
    version = str(machine.trt.__version__)
    timing = cache.load_timing(version, machine.gpu)
    candidates, messages = [], []
    for form, model in models.items():
        lines: list[str] = []
        try:
            built = plan_from_onnx(machine.trt, model, plugin, options, timing, progress, lines)
            timing = built.timing
            candidates.append(tried(form, built, plugin, machine, bundle, progress))
        except EdgeError as error:
            lines.append(f"E {error.cause}")
            log = cache.log(bundle.digest, form)
            if form == forms[-1] and not candidates:
                raise type(error)(error.cause, f"{error.cure} TensorRT's log: {log}") from error
            what = "Refused" if isinstance(error, GateError) else "Not built"
            messages.append(f"{what} as {form}: {error.cause} TensorRT's log: {log}")
        finally:  # what was said and timed is worth most where nothing came of it
            cache.save_log(bundle.digest, form, lines)
            if timing:
                cache.save_timing(version, machine.gpu, timing)
    best = min(candidates, key=lambda candidate: candidate.latency_ms)
    facts = facts_from_candidate(best, bundle, machine, plugin, options, created)
    path = cache.save(Plan(facts, plugin, best.built.plan))
    return Finished(path, facts, best.gate_error, {c.form: c.latency_ms for c in candidates}, tuple(messages))


def model_from_canonical(canonical: Path, form: str, precision: str) -> bytes:
    """The graph that TensorRT reads.

    Args:
        canonical: the bundle's ONNX file; the lowered one is written beside it.
        form: one of FORMS.
        precision: of the bundle.

    Raises:
        ModelError: a weight is beyond float16.
    """
    path = canonical.with_name(f"{form}.onnx")
    half, convolutions = precision != "fp32", form == "conv"
    lowered = fp16_from_qdq(artifact_from_file(canonical), path, half=half, convolutions=convolutions, function=False)
    return lowered.path.read_bytes()


def tried(
    form: str,
    built: Built,
    plugin: bytes,
    machine: Machine,
    bundle: Bundle,
    progress: Progress,
) -> Candidate:
    """Load a plan as a session would, let it answer all gate frames, and time it.

    Raises:
        DeviceError: the device cannot run it.
        GateError: it answers otherwise than the float model.
    """
    progress("gate", 0.0)
    gate = gate_from_bundle(bundle)
    backend = tensorrt_from_plan(machine.trt, machine.open_cuda(), built.plan, plugin)
    try:
        error = check_gate(backend, gate, bundle.manifest, len(gate.squares))
        latency_ms = latency_from_backend(backend, input_from_square(gate.squares[0], bundle.manifest.preprocess))
    finally:
        backend.close()
    progress("gate", 1.0)
    return Candidate(form, built, error, latency_ms)


def latency_from_backend(backend: Backend, network_input: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    """Median wall time of one answer, milliseconds.

    Args:
        backend: warm.
        network_input: (1,C,S,S).
    """
    times = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        backend.logits_from_input(network_input)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def facts_from_candidate(
    candidate: Candidate, bundle: Bundle, machine: Machine, plugin: bytes, options: PlanOptions, created: str
) -> PlanFacts:
    """What the cache keeps with a plan."""
    built = candidate.built
    chosen = {
        "linear": candidate.form,
        "max_batch": str(options.max_batch),
        "workspace_mib": str(options.workspace_mib),
        "level": str(options.level),
    }
    return PlanFacts(
        schema=SCHEMA,
        bundle=bundle.digest,
        name=bundle.manifest.name,
        created=created,
        tensorrt=built.tensorrt,
        gpu=machine.gpu,
        plugin=sha256_from_bytes(plugin) if plugin else "",
        options=chosen,
        layers=built.layers,
        scans=built.scans,
        plugin_bytes=len(plugin),
    )
