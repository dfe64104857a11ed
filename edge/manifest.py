"""The manifest: everything a bundle says about itself, as one frozen dataclass.

In: the signed JSON of a bundle. Out: `Manifest`, checked field by field and against itself. A schema that this runtime
does not know is a DeviceError; a manifest that contradicts itself is a TrustError, since its signer vouched for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.decision import Decision
from edge.errors import DeviceError, TrustError
from edge.packages import UPGRADE_CURE
from edge.prediction import NOT_COVERED, NOT_STANDARD
from edge.preprocess import Preprocess
from edge.record import RecordError, record_from_json

SCHEMA = 1  # raised with every change that an older runtime cannot read
MAX_SIZE_PX = 4096  # a side beyond this is no network input; keeps a manifest from asking for gigabytes


@dataclass(frozen=True)
class Notice:
    """A line for people, in both languages."""

    en: str
    zh: str


RESEARCH_USE = Notice(
    en="Research software. Not a medical device; not cleared or approved by FDA, CE or NMPA; "
    "not for clinical decisions.",
    zh="仅供科研，不用于临床诊断。",
)


@dataclass(frozen=True)
class Part:
    """One file inside the bundle.

    Attributes:
        name: relative name with forward slashes.
        offset_bytes: from the end of the manifest.
        size_bytes: length.
        sha256: hexadecimal.
    """

    name: str
    offset_bytes: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ModelFacts:
    """Which model; `source_sha256` is the digest of the float checkpoint or ONNX file it was compiled from."""

    name: str
    parameters: int
    macs: int
    source_sha256: str


@dataclass(frozen=True)
class Label:
    """One class of the model: its id and its names."""

    id: str
    en: str
    zh: str


@dataclass(frozen=True)
class Coverage:
    """Protocol planes that the model can and cannot answer."""

    id: str
    covered: tuple[str, ...]
    not_covered: tuple[str, ...]


@dataclass(frozen=True)
class CalibrationFacts:
    """Data and methods of the activation ranges; `dataset` is its digest, `n` the images used."""

    dataset: str
    n: int
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Gate:
    """What the accuracy gate measured when the bundle was built, and what a load may deviate by.

    Attributes:
        n: images.
        assessed: macro-F1 was measured (the images had labels).
        skipped: the gate was switched off by its user.
        f1_float: macro-F1 of the float model, 0..1, if assessed.
        f1_engine: macro-F1 of the engine, 0..1, if assessed.
        drop: f1_float - f1_engine in points (hundredths), if assessed.
        agreement: share of images on which engine and float model name the same class, 0..1; None if not measured.
        tolerance: largest `edge.gate.errors_from_logits` a gate frame may have when the engine is loaded.
    """

    n: int
    assessed: bool
    skipped: bool
    f1_float: float | None
    f1_engine: float | None
    drop: float | None
    agreement: float | None
    tolerance: float


@dataclass(frozen=True)
class Manifest:
    """See the classes above for what the fields hold.

    Attributes:
        schema: version of this layout.
        name: name of the bundle; the anti-rollback counter is kept under it.
        release: counts up with every release of that name; >= 0.
        created: ISO 8601, UTC.
        runtime_min: lowest version of vmamba-edge that runs it, e.g. "0.1.0".
        labels: the classes, in the order of the logits.
        reject_labels: ids among them that are no plane.
        precision: "int8", "fp16" or "fp32".
        target: "cpu", "tensorrt", "jetson-orin" or "jetson-thor".
        isa: CPU features without which its engine is wrong or does not run, named as in /proc/cpuinfo; empty: none.
        input_checks: checks of edge/quality.py that a frame must pass.
        machines: scanner models the model was measured on.
        tools: versions of what built it.
        watermark: text to show over everything, or None.
        notice: research-use line.
        parts: the files, in the order of their offsets.
    """

    schema: int
    name: str
    release: int
    created: str
    runtime_min: str
    model: ModelFacts
    labels: tuple[Label, ...]
    reject_labels: tuple[str, ...]
    protocol: Coverage
    preprocess: Preprocess
    precision: str
    target: str
    isa: tuple[str, ...]
    input_checks: tuple[str, ...]
    decision: Decision
    calibration: CalibrationFacts
    gate: Gate
    machines: tuple[str, ...]
    tools: Mapping[str, str]
    watermark: str | None
    notice: Notice
    parts: tuple[Part, ...] = ()

    @property
    def label_ids(self) -> tuple[str, ...]:
        """Ids of all labels, in the order of the logits."""
        return tuple(label.id for label in self.labels)

    def is_measured_on(self, machine: str) -> bool:
        """Whether the model was measured on a scanner model; DICOM headers may say more, e.g. "Voluson E6 BT16"."""
        return any(measured.lower() in machine.lower() for measured in self.machines)

    @property
    def planes(self) -> tuple[Label, ...]:
        """The labels that are planes."""
        return tuple(label for label in self.labels if label.id not in self.reject_labels)


def manifest_from_json(data: Any) -> Manifest:
    """Strict manifest.

    Args:
        data: parsed JSON.

    Raises:
        DeviceError: another schema.
        TrustError: a field is missing, unknown, of the wrong type or contradicts another.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, int) and schema != SCHEMA:
        raise DeviceError(
            f"The bundle's manifest has schema {schema}; this runtime reads schema {SCHEMA}.",
            UPGRADE_CURE if schema > SCHEMA else "Compile the bundle again.",
        )
    try:
        manifest = record_from_json(Manifest, data)
    except RecordError as error:
        raise _broken(str(error)) from error
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Manifest) -> None:
    """Whether the fields agree with each other; called before signing and after reading.

    Raises:
        TrustError: they do not.
    """
    ids, decision, preprocess = manifest.label_ids, manifest.decision, manifest.preprocess
    rules = {
        "name is empty": bool(manifest.name),
        "release is negative": manifest.release >= 0,
        "a label occurs twice": len(set(ids)) == len(ids),
        "reject_labels names an unknown label": set(manifest.reject_labels) <= set(ids),
        "no label is a plane": bool(manifest.planes),
        "a plane has a reserved name": not {NOT_COVERED, NOT_STANDARD} & {plane.id for plane in manifest.planes},
        "decision.temperature is not positive": decision.temperature > 0,
        "decision.threshold is outside 0..1": decision.threshold is None or 0 <= decision.threshold <= 1,
        "preprocess.size_px is out of range": 1 <= preprocess.size_px <= MAX_SIZE_PX,
        "preprocess.std is not positive": preprocess.std > 0,
        "preprocess.channels is neither 1 nor 3": preprocess.channels in (1, 3),
        "preprocess.crop is unknown": preprocess.crop in ("none", "sector"),
        "gate.tolerance is negative": manifest.gate.tolerance >= 0,
    }
    for complaint, holds in rules.items():
        if not holds:
            raise _broken(complaint)


def _broken(what: str) -> TrustError:
    return TrustError(f"The bundle's manifest is not valid: {what}.", "Ask the maker of the bundle for a correct one.")
