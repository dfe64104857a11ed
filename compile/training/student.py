"""The stage student_from_dataset: labelled images + recipe + teachers -> float16 weights with their description."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from calibration.artifact import Artifact, artifact_from_file
from calibration.dataset import Dataset
from calibration.phantom.marking import is_synthetic
from calibration.splits import without_known
from compile.model.checkpoint import save_student
from compile.model.initial import initial_from_text
from compile.model.spec import ModelSpec
from compile.model.zoo import check_size, model_from_name
from compile.training.images import inputs_from_dataset, training_images_from_dataset
from compile.training.learner import check_teachers
from compile.training.loop import HeldOut, trained
from compile.training.recipe import NOT_STANDARD, Recipe
from compile.training.teachers import Teacher
from compile.training.views import views_from_images
from compile.training.workers import Workers
from edge.errors import LabelsError
from edge.preprocess import Preprocess
from edge.protocol import load_protocol, protocol_names


def student_from_dataset(
    dataset: Dataset,
    held_out: Dataset,
    recipe: Recipe,
    folder: Path,
    output: Path,
    progress: Callable[[str, float], None],
    teachers: Sequence[Teacher] = (),
    unlabelled: Sequence[Dataset] = (),
    workers: Workers | None = None,
    initial: str = "",
    kept: Path | None = None,
) -> Artifact:
    """Train a classifier, from fresh weights or further ones.

    Args:
        dataset: images; the split "train" is learned.
        held_out: images whose patients are never trained on; progress is reported on them, without those of a split
            "test" where there are others.
        recipe: everything that decides the run.
        folder: checkpoint and log; a run that was interrupted goes on from here.
        output: the safetensors file.
        progress: told what is done, 0..1.
        teachers: to distill from, as the recipe says.
        unlabelled: more images for the teachers, their labels ignored.
        workers: the processes of this run; None for this one alone.
        initial: weights to start from, as `initial_from_text` reads them; empty for fresh ones.
        kept: folder of the views, where the recipe has some; None for one in `folder`.

    Returns:
        The weights; made from the data, the recipe, the start, the teachers and the unlabelled images.

    Raises:
        LabelsError: a label has no training image, or no held-out image has a label of the recipe.
        UsageError: the recipe's model is unknown or does not take a size of the schedule, or its loss does not fit the
            teachers.
        CheckpointError: the folder holds a run of another recipe or other images, or `initial` another network.
        DeviceError: the package with the initial weights is not installed.
    """
    workers = workers or Workers()
    preprocess = Preprocess(size_px=recipe.size_px)
    shown = reported_dataset(held_out, recipe)
    torch.manual_seed(recipe.seed)
    model = model_from_name(recipe.model, len(recipe.labels) + 1, preprocess.channels, drop_path=recipe.drop_path)
    seen = [*dataset.where(split="train").samples, *(sample for more in unlabelled for sample in more.samples)]
    synthetic = is_synthetic(seen) or any(teacher.synthetic for teacher in teachers)
    if initial:
        start = initial_from_text(initial, recipe.model, model)
        model.load_state_dict(start.state, strict=False)
        recipe = replace(recipe, initial=start.name)
        synthetic = synthetic or start.synthetic
    for phase in recipe.phases:
        check_size(model, preprocess.channels, phase.size_px)
    check_teachers(model, recipe, teachers)
    images = training_images_from_dataset(dataset, held_out, recipe, progress, unlabelled)
    if recipe.distillation is not None and recipe.distillation.views:
        if workers.writes:
            views_from_images(images, recipe, teachers, kept or folder / "views", workers.device, progress)
        workers.wait()
        views = views_from_images(images, recipe, teachers, kept or folder / "views", workers.device, progress)
        images = replace(images, views=views)
    numbers = [recipe.labels.index(s.label) if s.label in recipe.labels else len(recipe.labels) for s in shown.samples]
    reported = HeldOut(inputs_from_dataset(shown, preprocess), np.asarray(numbers, np.int64))
    model = trained(model, images, reported, recipe, folder, progress, teachers, workers)
    if workers.writes:
        spec = _spec(model, recipe, without_known(dataset, held_out))
        save_student(model, replace(spec, synthetic=synthetic), output)
    workers.wait()
    made_from = {"dataset": dataset.where(split="train").digest, "recipe": recipe.digest}
    made_from |= {"initial": recipe.initial} if initial else {}
    made_from |= {f"teacher {number}": teacher.name for number, teacher in enumerate(teachers, 1)}
    made_from |= {f"unlabelled {number}": more.digest for number, more in enumerate(unlabelled, 1)}
    return artifact_from_file(output, made_from)


def reported_dataset(held_out: Dataset, recipe: Recipe) -> Dataset:
    """Held-out images that a run may show its progress on: labels of the recipe, no split "test" if there is another.

    Raises:
        LabelsError: none has a plane of the recipe; images of the reject label alone would say nothing of the planes.
    """
    shown = held_out.where(labels={*recipe.labels, *recipe.rejects})
    seen = tuple(sample for sample in shown.samples if sample.split != "test")
    if not shown.where(labels=set(recipe.labels)).samples:
        raise LabelsError(
            f"{held_out.root} has no image of a plane that is trained.",
            "Give --held-out a table with such images, for instance the one that is trained on: its rows outside the "
            "split train.",
        )
    return replace(shown, samples=seen) if any(sample.label in recipe.labels for sample in seen) else shown


def _spec(model: torch.nn.Module, recipe: Recipe, dataset: Dataset) -> ModelSpec:
    used = dataset.where(split="train", labels={*recipe.labels, *recipe.rejects})
    return ModelSpec(
        name=recipe.model,
        labels=(*recipe.labels, NOT_STANDARD),
        reject_labels=(NOT_STANDARD,),
        preprocess=Preprocess(size_px=recipe.size_px),
        protocol=protocol_from_labels(recipe.labels),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        machines=tuple(sorted({sample.machine for sample in used.samples if sample.machine})),
    )


def protocol_from_labels(labels: Collection[str]) -> str:
    """Id of the first protocol that has a plane for every label; empty where none has."""
    for name in protocol_names():
        if set(labels) <= {label for plane in load_protocol(name).planes for label in plane.labels}:
            return name
    return ""
