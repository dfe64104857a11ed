"""The stage student_from_dataset: labelled images + recipe -> float16 weights with their description."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from calibration.artifact import Artifact, artifact_from_file
from calibration.dataset import Dataset
from compile.model.checkpoint import save_student
from compile.model.spec import ModelSpec
from compile.model.zoo import model_from_name
from compile.training.images import inputs_from_dataset, training_images_from_dataset
from compile.training.loop import HeldOut, trained
from compile.training.recipe import NOT_STANDARD, Recipe
from edge.errors import LabelsError
from edge.files import sha256_from_bytes
from edge.preprocess import Preprocess
from edge.protocol import load_protocol, protocol_names


def student_from_dataset(
    dataset: Dataset,
    held_out: Dataset,
    recipe: Recipe,
    folder: Path,
    output: Path,
    progress: Callable[[str, float], None],
) -> Artifact:
    """Train a classifier from fresh weights.

    Args:
        dataset: images; the split "train" is learned.
        held_out: images whose patients are never trained on; progress is reported on them.
        recipe: everything that decides the run.
        folder: checkpoint and log; a run that was interrupted goes on from here.
        output: the safetensors file.
        progress: told what is done, 0..1.

    Returns:
        The weights; made from the data and the recipe.

    Raises:
        LabelsError: a label has no training image, or no held-out image has a label of the recipe.
        UsageError: the recipe's model is unknown.
        CheckpointError: the folder holds a run of another recipe.
    """
    used = {*recipe.labels, *recipe.rejects}
    shown = held_out.where(labels=used)
    if not shown.samples:
        raise LabelsError(
            f"{held_out.root} has no image of a label that is trained.",
            "Give --held-out images with the same labels, or leave it out for the shipped ones.",
        )
    preprocess = Preprocess(size_px=recipe.size_px)
    torch.manual_seed(recipe.seed)
    model = model_from_name(recipe.model, len(recipe.labels) + 1, preprocess.channels, drop_path=recipe.drop_path)
    images = training_images_from_dataset(dataset, held_out, recipe, progress)
    numbers = [recipe.labels.index(s.label) if s.label in recipe.labels else len(recipe.labels) for s in shown.samples]
    reported = HeldOut(inputs_from_dataset(shown, preprocess), np.asarray(numbers, np.int64))
    model = trained(model, images, reported, recipe, folder, progress)
    spec = ModelSpec(
        name=recipe.model,
        labels=(*recipe.labels, NOT_STANDARD),
        reject_labels=(NOT_STANDARD,),
        preprocess=preprocess,
        protocol=protocol_from_labels(recipe.labels),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        machines=tuple(sorted({s.machine for s in dataset.where(split="train", labels=used).samples if s.machine})),
    )
    save_student(model, spec, output)
    recipe_digest = sha256_from_bytes(json.dumps(asdict(recipe), sort_keys=True).encode())
    return artifact_from_file(output, {"dataset": dataset.where(split="train").digest, "recipe": recipe_digest})


def protocol_from_labels(labels: Collection[str]) -> str:
    """Id of the first protocol that has a plane for every label; empty where none has."""
    for name in protocol_names():
        if set(labels) <= {label for plane in load_protocol(name).planes for label in plane.labels}:
            return name
    return ""
