"""`edge crossval`: parse, call the stages in turn, show one result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from compile.training.cli import (
    BATCH,
    DATA,
    EPOCHS,
    FEATURE_WEIGHT,
    INITIAL,
    KD_WEIGHT,
    KEPT,
    KIND,
    LABEL_WEIGHT,
    LABELS,
    LR,
    MODEL,
    OPTIMIZER,
    RECIPE,
    SEED,
    TEMPERATURE,
    THREADS,
    UNLABELLED,
    VIEWS,
    check_views,
    distillation_with_teachers,
    recipe_from_options,
    taught_recipe,
    training_machine,
)
from edge.commands.terminal import AsJson, show_json, show_research_line, show_table
from edge.errors import UsageError
from edge.files import check_folder
from edge.manifest import RESEARCH_USE

if TYPE_CHECKING:
    from calibration.dataset import Dataset
    from compile.training.crossval.folds import Fold
    from compile.training.crossval.folds_training import FoldRecord
    from compile.training.recipe import Recipe
    from compile.training.workers import Workers

OUT = Annotated[Path, typer.Option("--output", "-o", help="Folder; a run goes on from what it holds.")]
FOLDS = Annotated[Optional[int], typer.Option("--folds", help="Folds of whole patients; else 5.", min=2)]
BY = Annotated[str, typer.Option("--by", help="patient, or machine: one fold a scanner model.")]
ONLY = Annotated[
    Optional[list[str]], typer.Option("--only-datasets", help="Only rows of this data set; may be repeated.")
]
NUMBERS = Annotated[
    str, typer.Option("--folds-only", help="Train these folds now, e.g. 1,3; joined when all are there.")
]
TEACHERS = Annotated[
    Optional[list[str]],
    typer.Option("--teacher", help="Distill from a checkpoint or sononet16:PATH; {fold} stands for the fold's number."),
]
COHORT = Annotated[
    Optional[list[str]], typer.Option("--cohort", help="NAME=LABELS.csv of another place, answered by every fold.")
]

WAYS = ("patient", "machine")
PATIENT_FOLDS = 5
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class _Asked:
    """What the options ask of every fold."""

    recipe: Recipe
    teachers: Sequence[str]
    initial: str
    unlabelled: Sequence[Dataset]
    views: Path | None


def register(app: typer.Typer) -> None:
    """Mount `crossval`."""
    app.command("crossval")(crossval)


def crossval(
    model: MODEL,
    data: DATA,
    output: OUT,
    folds: FOLDS = None,
    by: BY = "patient",
    only: ONLY = None,
    numbers: NUMBERS = "",
    cohort: COHORT = None,
    teacher: TEACHERS = None,
    kd: KIND = "kd",
    kd_weight: KD_WEIGHT = None,
    label_weight: LABEL_WEIGHT = None,
    feature_weight: FEATURE_WEIGHT = None,
    temperature: TEMPERATURE = None,
    unlabelled: UNLABELLED = None,
    views: VIEWS = 0,
    views_folder: KEPT = None,
    epochs: EPOCHS = None,
    labels: LABELS = None,
    recipe: RECIPE = None,
    batch: BATCH = None,
    optimizer: OPTIMIZER = None,
    lr: LR = None,
    initial: INITIAL = "",
    seed: SEED = 0,
    threads: THREADS = None,
    as_json: AsJson = False,
) -> None:
    """Train a model a fold and test each on patients, or a machine, that it never saw; goes on where it stopped."""
    import torch

    from calibration.samples_set import checked_dataset

    if by not in WAYS:
        raise UsageError(f"There are no folds by {by!r}.", f"Choose one of: {', '.join(WAYS)}.")
    if by == "machine" and folds is not None:
        raise UsageError("By machine there is a fold a scanner, whatever --folds says.", "Leave --folds away.")
    asked_of_teachers = (unlabelled, views, views_folder, kd_weight, label_weight, feature_weight, temperature)
    if not teacher and (kd != "kd" or any(asked_of_teachers)):
        raise UsageError("An option of distillation is given, and there is no teacher.", "Give --teacher.")
    check_views(views, views_folder)
    check_folder(output)
    if threads is not None:
        torch.set_num_threads(threads)
    made = recipe_from_options(model, epochs, labels, recipe, batch, optimizer, lr, seed, taught=bool(teacher))
    if teacher:
        made = taught_recipe(made, kd, kd_weight, label_weight, feature_weight, temperature, views)
    more = [checked_dataset(path) for path in unlabelled or []]
    asked, way = _Asked(made, teacher or [], initial, more, views_folder), (by, folds or PATIENT_FOLDS)
    with training_machine(as_json) as (workers, progress):
        document = _run(asked, data, output, way, numbers, only or [], cohort or [], labels, workers, progress)
    if workers.writes:
        _show(document, as_json)


def _run(
    asked: _Asked,
    data: Path,
    output: Path,
    way: tuple[str, int],
    numbers: str,
    only: Sequence[str],
    cohorts: Sequence[str],
    labels: Path | None,
    workers: Workers,
    progress: Progress,
) -> dict[str, Any]:
    from calibration.formats import load_dataset
    from compile.training.crossval.cohort import cohorts_from_texts
    from compile.training.crossval.folds import (
        digest_from_folds,
        folds_by_machine,
        folds_by_patient,
        grouped_dataset,
        warnings_from_machines,
    )
    from compile.training.crossval.folds_training import load_record, open_folder
    from compile.training.images import trainable

    dataset = grouped_dataset(load_dataset(data), only, progress)
    recipe, told = (asked.recipe, []) if labels else _present(asked.recipe, dataset)
    if way[0] == "machine":
        folds = folds_by_machine(dataset, recipe.labels, recipe.rejects)
        told = [*told, *warnings_from_machines(folds)]
    else:
        folds = folds_by_patient(dataset, recipe.labels, recipe.rejects, way[1])
    learned = [dataset, *map(trainable, asked.unlabelled)]
    others = cohorts_from_texts(cohorts, learned, (*recipe.labels, *recipe.rejects))
    if workers.writes:
        open_folder(output, folds)
    workers.wait()
    _train(replace(asked, recipe=recipe), output, folds, _numbers(numbers, len(folds)), workers, progress)
    digest = digest_from_folds(folds)
    found = [load_record(output, fold.number, recipe, digest) for fold in folds]
    records = [record for record in found if record is not None]
    told += dict.fromkeys(warning for record in records for warning in record.warnings)
    facts = {"by": way[0], "data": {"images_sha256": dataset.digest, "datasets": list(only)}, "warnings": told}
    if len(records) < len(folds) or not workers.writes:
        done = [record.number for record in records]
        return {"schema": 1, "done": done, "missing": [f.number for f in folds if f.number not in done], **facts}
    return _joined(output, folds, records, recipe, facts, others, workers, progress)


def _present(recipe: Recipe, dataset: Dataset) -> tuple[Recipe, list[str]]:
    """Without --labels the recipe's planes that these images show, and what to say about the others."""
    kept = tuple(label for label in recipe.labels if label in dataset.labels)
    absent = [label for label in recipe.labels if label not in kept]
    told = [f"No image shows {', '.join(absent)}: trained without it. --labels says so beforehand."] if absent else []
    return (replace(recipe, labels=kept), told) if kept else (recipe, [])


def _train(
    asked: _Asked, output: Path, folds: Sequence[Fold], numbers: Sequence[int], workers: Workers, progress: Progress
) -> None:
    from compile.training.crossval.folds import digest_from_folds
    from compile.training.crossval.folds_training import load_record, record_from_training
    from compile.training.crossval.sources import check_sources, source_of_fold, warnings_from_sources
    from compile.training.recipe import NOT_STANDARD
    from compile.training.recipe_file import checked_recipe
    from compile.training.teachers import teacher_from_text

    def learning(fold: Fold) -> tuple[Recipe, dict[str, Any]]:
        names = [source_of_fold(text, fold.number) for text in asked.teachers]
        teachers = [teacher_from_text(name, (*asked.recipe.labels, NOT_STANDARD)) for name in names]
        recipe = asked.recipe
        if recipe.distillation is not None:
            taught = distillation_with_teachers(recipe.distillation, teachers)
            recipe = checked_recipe(replace(recipe, distillation=taught))
        kept = Path(source_of_fold(str(asked.views), fold.number)) if asked.views else None
        initial = source_of_fold(asked.initial, fold.number)
        return recipe, {"teachers": teachers, "unlabelled": asked.unlabelled, "initial": initial, "kept": kept}

    def told(number: int) -> Progress:
        return lambda stage, share: progress(f"fold {number} of {len(folds)}: {stage}", share)

    digest = digest_from_folds(folds)
    finished = [record for fold in folds if (record := load_record(output, fold.number, asked.recipe, digest))]
    shown = [more.digest for more in asked.unlabelled] if finished else []
    for record in finished:
        check_sources(record, asked.teachers, asked.initial, shown)
    open_numbers = [n for n in numbers if n not in {record.number for record in finished}]
    sources = [*asked.teachers, *filter(None, [asked.initial])]
    warnings = warnings_from_sources(sources, [folds[n - 1] for n in open_numbers])
    workers.wait()
    for n in open_numbers:
        record_from_training(output, folds, n, asked.recipe, learning, warnings, told(n), workers)


def _joined(
    output: Path,
    folds: Sequence[Fold],
    records: Sequence[FoldRecord],
    recipe: Recipe,
    facts: Mapping[str, Any],
    cohorts: Mapping[str, Dataset],
    workers: Workers,
    progress: Progress,
) -> dict[str, Any]:
    from compile.training.crossval.report import answered_folds, document_from_cohort, save_crossval

    answered = answered_folds(output, folds, records, workers.device, progress)
    others = {
        name: document_from_cohort(output, name, cohort, answered, workers.device, progress)
        for name, cohort in cohorts.items()
    }
    return save_crossval(output, answered, recipe, facts, others)


def _numbers(text: str, count: int) -> list[int]:
    """Folds to train: of "1,3", or all."""
    parts = [part.strip() for part in text.split(",")] if text else [str(n + 1) for n in range(count)]
    numbers = [int(part) for part in parts if part.isdecimal() and 1 <= int(part) <= count]
    if len(numbers) < len(parts):
        raise UsageError(f"--folds-only {text!r} names no folds of 1 to {count}.", "Give for instance 1,3.")
    return numbers


def _show(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(document)
    elif "missing" in document:
        typer.echo(f"trained: folds {document['done']}; still missing: {document['missing']}")
    else:
        from compile.training.crossval.table import fold_table

        show_table(fold_table(document))
    if not as_json:
        for warning in document["warnings"]:
            typer.echo(f"warning: {warning}")
    show_research_line(RESEARCH_USE, as_json)
