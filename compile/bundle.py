"""The stage bundle_from_engine: an engine with everything a device needs to trust and run it -> name.edge."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.artifact import Artifact, artifact_from_file
from calibration.gate import FRAMES
from compile.model.spec import ModelSpec
from compile.sbom import sbom_from_build, tool_versions
from edge import __version__
from edge.bundle import bytes_from_parts
from edge.decision import Decision
from edge.files import sha256_from_bytes, write_atomic
from edge.gate import FRAMES_PART, LOGITS_PART
from edge.manifest import RESEARCH_USE, SCHEMA, CalibrationFacts, Coverage, Gate, Label, Manifest, ModelFacts
from edge.protocol import load_protocol
from edge.quality import CHECKS
from edge.session import CANONICAL_MODEL, CPU_MODEL, NATIVE_FOLDER
from edge.signature import SigningKey

SYNTHETIC = "SYNTHETIC: made with phantoms, not with images of patients. 使用合成图像，非患者图像。"


@dataclass(frozen=True)
class Engine:
    """What runs, and what it was made from.

    Attributes:
        canonical: the ONNX file that every target starts from.
        lowered: its form for this target; another device than a CPU makes its own from the canonical file.
        precision: "int8", "fp16" or "fp32".
        target: where it runs.
        float_layers: layers of an INT8 engine that stay float.
    """

    canonical: Artifact
    lowered: Artifact
    precision: str
    target: str
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What was measured on the engine.

    Attributes:
        decision: temperature and threshold.
        gate: the accuracy gate.
        calibration: data and methods of the ranges.
        squares: (M,S,S) uint8 gate images.
        reference: (M,K) the float model's logits on them.
        machines: scanner models among the gate images.
    """

    decision: Decision
    gate: Gate
    calibration: CalibrationFacts
    squares: NDArray[np.uint8]
    reference: NDArray[np.float32]
    machines: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """How a bundle is issued.

    Attributes:
        name: of the bundle; the anti-rollback counter is kept under it.
        number: counts up with every release of that name.
        created: ISO 8601, UTC.
        source_sha256: digest of the weights it came from.
    """

    name: str
    number: int
    created: str
    source_sha256: str


def bundle_from_engine(
    engine: Engine,
    evidence: Evidence,
    spec: ModelSpec,
    release: Release,
    documents: Mapping[str, bytes],
    signer: SigningKey,
    output: Path,
) -> Artifact:
    """Sign and write a bundle.

    Args:
        engine: canonical and lowered model.
        evidence: decision, gate and gate frames.
        spec: labels and preprocessing.
        release: name and number.
        documents: further parts by name: calibration table, model card, attribution, native libraries.
        signer: the private key.
        output: the file to write.

    Returns:
        The bundle.

    Raises:
        TrustError: the manifest would contradict itself.
        MachineError: the file cannot be written; nothing is left behind.
    """
    chosen = np.unique(np.linspace(0, len(evidence.squares) - 1, FRAMES).round().astype(int))
    digests = {"weights": release.source_sha256, "calibration": evidence.calibration.dataset}
    digests |= {name: sha256_from_bytes(data) for name, data in documents.items() if name.startswith(NATIVE_FOLDER)}
    parts = {
        CANONICAL_MODEL: engine.canonical.path.read_bytes(),
        **({CPU_MODEL: engine.lowered.path.read_bytes()} if engine.target == "cpu" else {}),
        FRAMES_PART: bytes_from_array(evidence.squares[chosen]),
        LOGITS_PART: bytes_from_array(evidence.reference[chosen]),
        "sbom.json": sbom_from_build(spec, {role: digest for role, digest in digests.items() if digest}),
        **documents,
    }
    manifest = _manifest(engine, evidence, spec, release)
    write_atomic(output, bytes_from_parts(manifest, parts, signer))
    return artifact_from_file(output, {"canonical": engine.canonical.sha256, "engine": engine.lowered.sha256})


def bytes_from_array(array: NDArray[np.generic]) -> bytes:
    """An array in numpy's own file format."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _manifest(engine: Engine, evidence: Evidence, spec: ModelSpec, release: Release) -> Manifest:
    return Manifest(
        schema=SCHEMA,
        name=release.name,
        release=release.number,
        created=release.created,
        runtime_min=__version__,
        model=ModelFacts(spec.name, spec.parameters, spec.macs, release.source_sha256),
        labels=_labels(spec.labels, spec.protocol),
        reject_labels=spec.reject_labels,
        protocol=load_protocol(spec.protocol).coverage_from_labels(spec.labels)
        if spec.protocol
        else Coverage("", (), ()),
        preprocess=spec.preprocess,
        precision=engine.precision,
        target=engine.target,
        isa=(),
        input_checks=tuple(CHECKS),
        decision=evidence.decision,
        calibration=evidence.calibration,
        gate=evidence.gate,
        machines=evidence.machines,
        tools=tool_versions(),
        watermark=SYNTHETIC if spec.synthetic else None,
        notice=RESEARCH_USE,
    )


def _labels(labels: Sequence[str], protocol: str) -> tuple[Label, ...]:
    if not protocol:
        return tuple(Label(label, label, label) for label in labels)
    known = load_protocol(protocol)
    return tuple(known.label_from_id(label) for label in labels)
