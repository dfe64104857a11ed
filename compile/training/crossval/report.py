"""Trained folds -> DIR/crossval.json and DIR/predictions.csv: out-of-fold scores, per fold, machine and operator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from calibration.dataset import Dataset, Sample
from calibration.phantom.marking import is_synthetic
from compile.training.crossval.answers import Answers, kept_answers
from compile.training.crossval.folds import TEST, Fold
from compile.training.crossval.folds_training import WEIGHTS, FoldRecord, fold_folder
from compile.training.crossval.out_of_fold import (
    OutOfFold,
    csv_from_predictions,
    decision_from_fold,
    figures,
    joined,
    predictions_from_fold,
    predictions_of_cohort,
)
from compile.training.recipe import Recipe
from edge.decision import Decision
from edge.errors import CheckpointError
from edge.files import write_atomic
from edge.manifest import RESEARCH_USE

DOCUMENT = "crossval.json"
PREDICTIONS = "predictions.csv"
ANSWERS = "answers.json"
SCHEMA = 1

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Answered:
    """One fold with its model's answers and what they decide.

    Attributes:
        fold: images.
        record: how its model was trained.
        answers: to its held-out images.
        decision: measured on val.
        tested: predictions of test.
    """

    fold: Fold
    record: FoldRecord
    answers: Answers
    decision: Decision
    tested: OutOfFold


def answered_folds(
    folder: Path, folds: Sequence[Fold], records: Sequence[FoldRecord], device: torch.device, progress: Progress
) -> tuple[Answered, ...]:
    """Let each fold's model, as saved, answer its held-out images; what was asked before is read from its file.

    Args:
        folder: of the cross-validation.
        folds: all of them.
        records: of those that are trained.
        device: where models compute.
        progress: told what is done, 0..1.
    """
    found = []
    for record in records:
        fold, place = folds[record.number - 1], fold_folder(folder, record.number)
        answers = kept_answers(place / ANSWERS, place / WEIGHTS, fold.held_out, device, progress)
        decision = decision_from_fold(fold, answers)
        found.append(Answered(fold, record, answers, decision, predictions_from_fold(fold, answers, decision)))
    return tuple(found)


def save_crossval(
    folder: Path, answered: Sequence[Answered], recipe: Recipe, facts: Mapping[str, Any], cohorts: Mapping[str, Any]
) -> dict[str, Any]:
    """Join all folds and write both files.

    Args:
        folder: of the cross-validation.
        answered: every fold.
        recipe: that was asked for.
        facts: more entries of the document; "warnings" is added to.
        cohorts: name -> `document_from_cohort`.

    Returns:
        The document: the pooled scores at its top, as `edge evaluate --json` has them.

    Raises:
        CheckpointError: the folds were trained in different ways.
        MachineError: the folder cannot be written.
    """
    pooled = joined([one.tested for one in answered])
    document = {
        "schema": SCHEMA,
        "model": recipe.model,
        **facts,
        "warnings": [*facts.get("warnings", ()), *_warnings(answered)],
        "synthetic": any(one.answers.synthetic for one in answered),
        "labels": list(pooled.planes),
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "seconds": round(sum(one.record.seconds for one in answered), 1),
        "recipe_sha256": recipe.digest,
        "folds_sha256": answered[0].record.folds_sha256,
        **figures(pooled),
        "folds": [_fold_document(one) for one in answered],
        "by_machine": _by(pooled, lambda sample: sample.machine),
        "by_operator": _by(pooled, lambda sample: sample.operator),
        "by_dataset": _by(pooled, lambda sample: sample.dataset),
        "cohorts": dict(cohorts),
        "recipe": shared_recipe([one.record for one in answered]),
        "notice": asdict(RESEARCH_USE),
    }
    write_atomic(folder / PREDICTIONS, csv_from_predictions(pooled))
    write_atomic(folder / DOCUMENT, json.dumps(document, indent=1, ensure_ascii=False).encode())
    return document


def document_from_cohort(
    folder: Path, name: str, cohort: Dataset, answered: Sequence[Answered], device: torch.device, progress: Progress
) -> dict[str, Any]:
    """Scores of every fold's model on images of another place, and the mean over the models.

    Args:
        folder: of the cross-validation.
        name: of the cohort.
        cohort: its images, none of a patient that was trained on.
        answered: every fold.
        device: where models compute.
        progress: told what is done, 0..1.
    """
    parts = []
    for one in answered:
        place = fold_folder(folder, one.record.number)
        answers = kept_answers(place / f"cohort-{name}.json", place / WEIGHTS, cohort, device, progress)
        parts.append(figures(predictions_of_cohort(cohort, one.fold.name, answers, one.decision)))
    scores = [part["macro_f1"] for part in parts if "macro_f1" in part]
    return {
        "images": len(cohort.samples),
        "images_sha256": cohort.digest,
        "synthetic": is_synthetic(cohort.samples),
        "macro_f1_mean": float(np.mean(scores)) if scores else None,
        "macro_f1_range": [min(scores), max(scores)] if scores else None,
        "folds": parts,
    }


def shared_recipe(records: Sequence[FoldRecord]) -> dict[str, Any]:
    """The recipe that all folds have in common: of teachers only what kind of network they are.

    Raises:
        CheckpointError: the folds were trained in different ways.
    """
    recipes: list[dict[str, Any]] = [json.loads(record.recipe) for record in records]
    for recipe in recipes:
        if recipe["distillation"] is not None:
            recipe["distillation"]["teachers"] = [name.split()[0] for name in recipe["distillation"]["teachers"]]
    other = next((r for r, recipe in zip(records, recipes, strict=True) if recipe != recipes[0]), None)
    if other is not None:
        raise CheckpointError(
            f"Fold {other.name} was trained in another way than fold {records[0].name}: other teachers, most likely.",
            "Remove one of them and train it again with the same options.",
        )
    return recipes[0]


def _fold_document(one: Answered) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for sample in one.fold.dataset.samples:
        counts[sample.split] = counts.get(sample.split, 0) + 1
    return {
        **{name: value for name, value in asdict(one.record).items() if name != "recipe"},
        "parts": counts,
        "decision": asdict(one.decision),
        **figures(one.tested),
    }


def _by(pooled: OutOfFold, of: Callable[[Sample], str]) -> dict[str, Any]:
    """Figures of each group of images, by name."""
    names = sorted({of(sample) for sample in pooled.samples})
    return {name or "unknown": figures(pooled.where(lambda s, _, name=name: of(s) == name)) for name in names}  # type: ignore[misc]  # a default binds the loop's name


def _warnings(answered: Sequence[Answered]) -> list[str]:
    told = [
        f"Fold {one.fold.name} has no threshold ({one.decision.method}): every answer of it counts as refused."
        for one in answered
        if one.decision.threshold is None
    ]
    looks = sum(s.patient.startswith("look-") for one in answered for s in one.tested.samples)
    if looks:
        told.append(
            f"{looks} tested images have no patient number: copies were kept together by their looks, "
            "persons could not be, and their intervals are too narrow."
        )
    if any(one.answers.synthetic for one in answered):
        told.append("These models were trained on phantoms: no figure here says anything about real images.")
    missing = {s.label for one in answered for s in one.fold.dataset.where(split=TEST).samples}
    unread = [label for label in answered[0].tested.planes if label not in missing]
    return told + ([f"No test image shows {', '.join(unread)}."] if unread else [])
