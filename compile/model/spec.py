"""What must travel with weights and graphs for a frame to become a named answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edge.errors import ModelError
from edge.prediction import NOT_COVERED, NOT_STANDARD
from edge.preprocess import Preprocess

METADATA_KEY = "vmamba_edge.spec"  # metadata key in safetensors and ONNX files


@dataclass(frozen=True)
class ModelSpec:
    """Name, labels and preprocessing of a classifier.

    Attributes:
        name: zoo name, or the file's stem for a model that came from outside.
        labels: class names in the order of the logits.
        reject_labels: those of them that mean "not a standard plane".
        preprocess: how a frame becomes the input.
        protocol: id of the plane protocol that the labels belong to; empty where unknown.
        parameters: number of weights.
        macs: multiply-accumulates of one image; 0 where not counted.
        machines: scanner models among the training images.
        synthetic: trained on phantoms.
    """

    name: str
    labels: tuple[str, ...]
    reject_labels: tuple[str, ...] = ()
    preprocess: Preprocess = field(default_factory=Preprocess)
    protocol: str = ""
    parameters: int = 0
    macs: int = 0
    machines: tuple[str, ...] = ()
    synthetic: bool = False


def json_from_spec(spec: ModelSpec) -> str:
    """Canonical JSON of a spec."""
    return json.dumps(asdict(spec), sort_keys=True, ensure_ascii=False)


def rejects_from_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Those of a model's labels that mean "not a standard plane".

    Raises:
        ModelError: a label is called as the answer that the model has no say.
    """
    if NOT_COVERED in labels:
        raise ModelError(
            f"A class is called {NOT_COVERED}, as the answer to a frame that no model can judge.",
            f"Give it another name; {NOT_STANDARD} is the one for what is no plane.",
        )
    return tuple(label for label in labels if label == NOT_STANDARD)


def spec_from_json(text: str) -> ModelSpec:
    """Read a spec back.

    Raises:
        ModelError: not JSON, or a field is missing, unknown or of the wrong kind.
    """
    try:
        raw: Mapping[str, Any] = json.loads(text)
        lists = {name: tuple(str(v) for v in raw[name]) for name in ("labels", "reject_labels", "machines")}
        return ModelSpec(**{**raw, **lists, "preprocess": Preprocess(**raw["preprocess"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"The model's own description cannot be read: {error}.", "Train or export it again."
        ) from error
