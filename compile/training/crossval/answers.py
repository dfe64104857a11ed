"""Weights as saved + images -> logits, kept in a file, so that a model answers the same images once.

::

    weights (float16 values) --> frozen float32 module --+
    images --the device's preprocessing--> inputs -------+--> logits --> answers.json
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calibration.dataset import Dataset
from compile.model.checkpoint import teacher_from_checkpoint
from compile.training.images import inputs_from_dataset
from edge.errors import CheckpointError
from edge.files import sha256_from_file, write_atomic

BATCH = 64  # images: their inputs at 224 pixels take 13 MB

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Answers:
    """What a model says to a set of images.

    Attributes:
        labels: in the order of the logits.
        reject_labels: those of them that are no plane.
        synthetic: the model was trained on phantoms.
        logits: (M,K), in the order of the images.
    """

    labels: tuple[str, ...]
    reject_labels: tuple[str, ...]
    synthetic: bool
    logits: NDArray[np.float32]


def kept_answers(file: Path, weights: Path, dataset: Dataset, device: torch.device, progress: Progress) -> Answers:
    """The answers in a file if they are this model's to these images, else asked for and written there.

    Args:
        file: JSON; anything else in it is replaced.
        weights: that describe themselves.
        dataset: M images.
        device: where the model computes.
        progress: told what is done, 0..1.

    Raises:
        CheckpointError: the weights cannot be read or do not describe themselves.
        ImageError: an image cannot be read.
        MachineError: the file cannot be written.
    """
    of = {"weights_sha256": sha256_from_file(weights), "images_sha256": dataset.digest}
    found = _read(file, of)
    if found is None:
        found = answers_from_weights(weights, dataset, device, progress)
        content = {
            "schema": 1,
            **of,
            "labels": found.labels,
            "reject_labels": found.reject_labels,
            "synthetic": found.synthetic,
            "logits": found.logits.tolist(),
        }
        write_atomic(file, json.dumps(content).encode())
    return found


@torch.inference_mode()
def answers_from_weights(weights: Path, dataset: Dataset, device: torch.device, progress: Progress) -> Answers:
    """Ask a model, in batches."""
    module, info = teacher_from_checkpoint(weights)
    spec = info.spec
    if spec is None:
        raise CheckpointError(f"{weights} does not describe itself.", "Give weights that `edge train` has written.")
    module = module.to(device)
    logits = []
    for start in range(0, len(dataset.samples), BATCH):
        part = replace(dataset, samples=dataset.samples[start : start + BATCH])
        inputs = torch.from_numpy(inputs_from_dataset(part, spec.preprocess)).to(device)
        logits.append(module(inputs)[0].float().cpu().numpy())
        progress("answering", min(1.0, (start + BATCH) / len(dataset.samples)))
    return Answers(spec.labels, spec.reject_labels, spec.synthetic, np.concatenate(logits))


def _read(file: Path, of: dict[str, str]) -> Answers | None:
    try:
        content: dict[str, Any] = json.loads(file.read_bytes())
        if any(content[name] != value for name, value in of.items()):
            return None
        labels, rejects = tuple(content["labels"]), tuple(content["reject_labels"])
        return Answers(labels, rejects, bool(content["synthetic"]), np.array(content["logits"], np.float32))
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or damaged: the model answers again
        return None
