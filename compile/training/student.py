"""The stage student_from_dataset: labelled images + recipe -> float16 weights with their description."""

from __future__ import annotations

import json
from collections.abc import Callable
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
        CheckpointError: the folder holds a run of another recipe.
    """
    torch.manual_seed(recipe.seed)
    images = training_images_from_dataset(dataset, held_out, recipe, progress)
    preprocess = Preprocess(size_px=recipe.size_px)
    shown = held_out.where(labels={*recipe.labels, *recipe.rejects})
    if not shown.samples:
        raise LabelsError(
            f"{held_out.root} has no image of a label that is trained.",
            "Give --held-out images with the same labels, or leave it out for the shipped ones.",
        )
    numbers = [recipe.labels.index(s.label) if s.label in recipe.labels else len(recipe.labels) for s in shown.samples]
    reported = HeldOut(inputs_from_dataset(shown, preprocess), np.asarray(numbers, np.int64))
    model = model_from_name(recipe.model, images.classes, preprocess.channels, drop_path=recipe.drop_path)
    model = trained(model, images, reported, recipe, folder, progress)
    spec = ModelSpec(
        name=recipe.model,
        labels=(*recipe.labels, NOT_STANDARD),
        reject_labels=(NOT_STANDARD,),
        preprocess=preprocess,
        protocol="demo",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        machines=tuple(sorted({s.machine for s in dataset.where(split="train").samples if s.machine})),
    )
    save_student(model, spec, output)
    recipe_digest = sha256_from_bytes(json.dumps(asdict(recipe), sort_keys=True).encode())
    return artifact_from_file(output, {"dataset": dataset.where(split="train").digest, "recipe": recipe_digest})
