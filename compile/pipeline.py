"""The whole flow on one page: a model's name in, a signed bundle out. Every arrow is a file in the work folder.

::

    source  = weights or ONNX             -> FP32 ONNX            compile/source.py, export.py
    smooth  = smoothed_from_onnx          -> same function        calibration/smoothing.py
    table   = table_from_onnx             -> activation ranges    calibration/table.py
    qdq     = qdq_from_onnx               -> canonical INT8       compile/quantize.py, sensitivity.py
    natives = natives_from_model          -> native operators     compile/natives.py, kernels/
    engine  = cpu_from_qdq, fp16_from_qdq -> what runs            compile/lowerings/
    decision, gate                        -> on this very engine  calibration/decision.py, gate.py
    head    = head_from_onnx              -> for attention maps   compile/head.py
    bundle  = bundle_from_engine          -> name.edge            compile/bundle.py
    plan    = plan_from_bundle            -> on the GPU itself    compile/engine.py
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calibration.artifact import Artifact
from calibration.dataset import Dataset
from calibration.decision import decision_from_logits
from calibration.gate import MIN_AGREEMENT, check_passed, gate_from_logits
from calibration.inputs import batches_from_squares, logits_from_onnx, squares_from_dataset
from calibration.phantom.marking import is_synthetic
from calibration.smoothing import smoothed_from_onnx
from calibration.table import load_table, table_from_onnx
from compile.bundle import SYNTHETIC, Engine, Evidence, Release, bundle_from_engine
from compile.gpu_sources import parts_from_sources
from compile.head import parts_from_head
from compile.job import Compiled, Job
from compile.lowerings.cpu import cpu_from_qdq
from compile.lowerings.fp16 import fp16_from_qdq
from compile.lowerings.fp16_weights import fp16_weights_from_onnx
from compile.lowerings.half_range import Underflow, underflows_from_model
from compile.natives import NO_NATIVES, Natives, has_natives, natives_from_model
from compile.quantize import qdq_from_onnx
from compile.sensitivity import sensitive_layers
from compile.source import Source, source_from_job
from compile.stages import Stages
from edge.errors import UsageError
from edge.manifest import CalibrationFacts
from edge.signature import SigningKey

EMULATED = "measured on the engine's graph in ONNX Runtime on a CPU"
TOLD = 3  # tensors in messages: more would hide the rest
WORTH_TELLING = 0.01  # share of a tensor's values that become 0; a few tiny ones are in every network
NO_MACHINE = ("", "Other")  # what tables write for an unnamed scanner


def compiled_from_job(job: Job, signer: SigningKey, stages: Stages) -> Compiled:
    """Compile a model.

    Args:
        job: what to compile, for whom, with which images.
        signer: signs the bundle.
        stages: keeps the files of the stages and tells their progress.

    Returns:
        The bundle with what was measured on it. Nothing is written at the output unless every stage succeeded.

    Raises:
        UsageError: an unknown model, or no gate image that calibration has not seen.
        InputError: an image, label table, weight file or graph that cannot be used.
        GateError: the engine does not answer as the float model does.
        MachineError: a file cannot be written.
    """
    source = source_from_job(job, stages)
    if is_synthetic((*job.calibration.samples, *job.gate_data.samples)):
        source = replace(source, spec=replace(source.spec, synthetic=True))
    preprocess = source.spec.preprocess
    calibration = squares_from_dataset(job.calibration, preprocess, stages.progress)
    gate_data = unseen(job.gate_data, job.calibration)
    gate_squares = squares_from_dataset(gate_data, preprocess, stages.progress)

    natives = natives_from_job(source, job, stages)
    # The float model runs its local functions: what the native operators answer is measured against something else.
    run = partial(logits_from_onnx, preprocess=preprocess, threads=job.threads, batch=batch_of(source))
    run_engine = partial(run, libraries=natives.on(job.cpu.machine))
    engine, table = engine_from_source(source, calibration, job, stages)
    held_out = run_engine(engine.lowered.path, calibration)
    if table and _agreement(run(source.model.path, calibration), held_out) < MIN_AGREEMENT:
        engine = eased_engine(source, table, calibration, job, stages)
        held_out = run_engine(engine.lowered.path, calibration)

    stages.progress("decision", 0.0)
    labels, rejects = source.spec.labels, source.spec.reject_labels
    # A threshold measured on training images would promise too much: their labels are not looked at.
    held_out_labels = ["" if s.split == "train" else s.label for s in job.calibration.samples]
    decision = decision_from_logits(held_out, held_out_labels, labels, rejects)
    if job.target != "cpu":
        decision = replace(decision, method=f"{decision.method}; {EMULATED}")

    stages.progress("gate", 0.0)
    reference, answers = run(source.model.path, gate_squares), run_engine(engine.lowered.path, gate_squares)
    truth = [sample.label for sample in gate_data.samples]
    gate = gate_from_logits(reference, answers, truth, labels, rejects, skipped=job.max_drop is None)
    if job.max_drop is not None:
        check_passed(gate, job.max_drop)

    stages.progress("bundle", 0.0)
    head, remarks = parts_from_head(source.model.path, calibration, preprocess, job.threads)
    methods = tuple(sorted({r.method for r in load_table(table.path).ranges.values()})) if table else ()
    facts = CalibrationFacts(job.calibration.digest, len(calibration), methods)
    machines = tuple(sorted({s.machine for s in gate_data.samples} - set(NO_MACHINE))) if gate.assessed else ()
    evidence = Evidence(decision, gate, facts, gate_squares, reference, machines)
    documents = {"card.md": source.card, **natives.parts, **gpu_parts(source, job), **attribution(gate_data), **head}
    if table:
        documents["table.json"] = table.path.read_bytes()
    release = Release(job.output.stem, job.release, job.created, source.sha256)
    bundle = bundle_from_engine(engine, evidence, source.spec, release, documents, signer, job.bundle)
    stages.progress("bundle", 1.0)
    messages = source.messages + natives.messages + remarks
    if job.target != "cpu" and job.precision != "fp32":
        messages += tuple(f"Float16 makes values of {lost.text} 0." for lost in underflows(engine.canonical))
    if source.spec.synthetic:
        messages += (SYNTHETIC,)
    if engine.float_layers:
        messages += (f"These layers stay float: {', '.join(engine.float_layers)}.",)
    return Compiled(bundle, source.spec.name, gate, decision, stages.artifacts, stages.seconds, messages)


def natives_from_job(source: Source, job: Job, stages: Stages) -> Natives:
    """The native operators of the model for a CPU, unless they are not wanted."""
    if job.kernels is None or job.target != "cpu":
        return NO_NATIVES
    stages.progress("kernel", 0.0)
    natives = natives_from_model(source.model.path, job.cpu.machine, job.kernels, job.compiler)
    for machine, library in natives.libraries.items():
        stages.artifacts[f"kernel {machine}"] = library
        stages.seconds[f"kernel {machine}"] = natives.seconds[machine]
    stages.progress("kernel", 1.0)
    return natives


def engine_from_source(
    source: Source, calibration: NDArray[np.uint8], job: Job, stages: Stages
) -> tuple[Engine, Artifact | None]:
    """Quantize and lower a float model.

    Args:
        source: the float model.
        calibration: (M,S,S) uint8.
        job: precision, target and CPU.
        stages: keeps the files.

    Returns:
        The engine, and its calibration table if it has one.
    """
    model = source.model
    if job.precision == "fp32":
        return gpu_engine(model, (), job, stages) if job.target != "cpu" else Engine(model, model, "fp32", "cpu"), None
    if job.precision == "fp16":
        halved = stages.run(
            "fp16 weights", "model.fp16.onnx", {"model": model.sha256}, lambda path: fp16_weights_from_onnx(model, path)
        )
        if job.target != "cpu":
            return gpu_engine(halved, (), job, stages), None
        return Engine(halved, halved, "fp16", "cpu"), None
    batches = partial(_batches, calibration, source)
    images = {"images": hashlib.sha256(calibration.tobytes()).hexdigest()}
    smooth = stages.run(
        "smooth",
        "smooth.onnx",
        {"model": model.sha256, **images},
        lambda path: smoothed_from_onnx(
            model, batches, path, threads=job.threads, progress=stages.progress, expected_images=len(calibration)
        ),
    )
    table = stages.run(
        "calibrate",
        "table.json",
        {"smooth": smooth.sha256, **images},
        lambda path: table_from_onnx(
            smooth,
            batches,
            path,
            images["images"],
            threads=job.threads,
            progress=stages.progress,
            expected_images=len(calibration),
        ),
    )
    return int8_engine(smooth, table, (), job, stages), table


def eased_engine(source: Source, table: Artifact, calibration: NDArray[np.uint8], job: Job, stages: Stages) -> Engine:
    """The engine again with up to three sensitive layers in float.

    Args:
        source: the float model.
        table: its ranges.
        calibration: (M,S,S) uint8; the layers are chosen on these, never on gate images.
        job: target and CPU.
        stages: keeps the files.
    """
    smooth = stages.artifacts["smooth"]
    batches = partial(_batches, calibration, source)
    layers = sensitive_layers(smooth, table, batches, threads=job.threads, progress=stages.progress)
    return int8_engine(smooth, table, layers, job, stages)


def int8_engine(smooth: Artifact, table: Artifact, float_layers: tuple[str, ...], job: Job, stages: Stages) -> Engine:
    """Explicit Q/DQ, then the form for the target."""
    made_from = {"smooth": smooth.sha256, "table": table.sha256, "float_layers": ",".join(float_layers)}
    qdq = stages.run("quantize", "qdq.onnx", made_from, lambda path: qdq_from_onnx(smooth, table, path, float_layers))
    if job.target != "cpu":
        return gpu_engine(qdq, float_layers, job, stages)
    lowered = stages.run(
        "lower",
        "cpu.onnx",
        {"qdq": qdq.sha256, "table": table.sha256, "saturates": str(job.cpu.saturates)},
        lambda path: cpu_from_qdq(qdq, table, path, reduce_range=job.cpu.saturates),
    )
    return Engine(qdq, lowered, "int8", "cpu", float_layers)


def gpu_engine(canonical: Artifact, float_layers: tuple[str, ...], job: Job, stages: Stages) -> Engine:
    """The strongly typed graph as ONNX Runtime runs it here: what can be measured of a GPU's engine without one."""
    half = job.precision != "fp32"
    made_from = {"canonical": canonical.sha256, "half": str(half)}
    lowered = stages.run("lower", "gpu.onnx", made_from, lambda path: fp16_from_qdq(canonical, path, half=half))
    return Engine(canonical, lowered, job.precision, job.target, float_layers)


def underflows(canonical: Artifact) -> tuple[Underflow, ...]:
    """The weights that lose enough values in float16 for somebody to look at them."""
    from calibration.graph import load_model

    found = underflows_from_model(load_model(canonical.path))
    return tuple(lost for lost in found if lost.zeroed > WORTH_TELLING * lost.total)[:TOLD]


def gpu_parts(source: Source, job: Job) -> Mapping[str, bytes]:
    """The sources that the device compiles, if the model needs them there."""
    return parts_from_sources() if job.target != "cpu" and has_natives(source.model.path) else {}


def unseen(gate_data: Dataset, calibration: Dataset) -> Dataset:
    """The gate images that are neither a calibration image nor of a patient of one.

    Raises:
        UsageError: none is left.
    """
    seen = {hashlib.sha256(calibration.path(s).read_bytes()).digest() for s in calibration.samples}
    patients = {(s.dataset, s.patient) for s in calibration.samples if s.patient}
    fresh = [
        s
        for s in gate_data.samples
        if (s.dataset, s.patient) not in patients
        and hashlib.sha256(gate_data.path(s).read_bytes()).digest() not in seen
    ]
    if not fresh:
        raise UsageError(
            "Every gate image, or its patient, is also among the calibration images.",
            "Give --gate-data images of other patients.",
        )
    return replace(gate_data, samples=tuple(fresh))


def attribution(dataset: Dataset) -> dict[str, bytes]:
    """The attribution that must go wherever the dataset's images go, if it comes with one."""
    path = dataset.root / "ATTRIBUTION.md"
    return {"ATTRIBUTION.md": path.read_bytes()} if path.is_file() else {}


def _agreement(reference: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    return float((reference.argmax(1) == logits.argmax(1)).mean())


def batch_of(source: Source) -> int:
    """Images a run: 1 for a foreign graph with a fixed batch, else 8."""
    from calibration.graph import graph_from_model, load_model

    graph = graph_from_model(load_model(source.model.path))
    return graph.shapes[graph.inputs[0]][0] or 8


def _batches(squares: NDArray[np.uint8], source: Source) -> Iterator[NDArray[np.float32]]:
    return batches_from_squares(squares, source.spec.preprocess, batch_of(source))
