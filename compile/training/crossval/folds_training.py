"""The stage weights_from_folds: a model a fold, each trained without the images it is then tested on.

::

    fold i --student_from_dataset--> DIR/fold<i>/weights.safetensors, work/log.jsonl
                                 --> DIR/fold<i>/fold.json     written last: a fold that has it is not trained again
           --its val and test------> DIR/fold<i>/answers.json

`DIR/folds.csv` says who was trained on and who tested, so that another run can see whether these weights may teach it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compile.training import run_state
from compile.training.crossval.folds import TRAIN, Fold, digest_from_folds
from compile.training.journal import read_records
from compile.training.recipe import Recipe
from compile.training.student import student_from_dataset
from compile.training.workers import Workers
from edge.errors import CheckpointError, LabelsError
from edge.files import write_atomic
from edge.record import RecordError, bytes_from_record, json_from_bytes, record_from_json

TABLE = "folds.csv"
COLUMNS = ("fold", "name", "part", "dataset", "patient", "file")
WEIGHTS = "weights.safetensors"
RECORD = "fold.json"
WORK = "work"
LOOK = "look-"  # patients named by their looks: numbers that mean something within one table only

Learning = Callable[[Fold], tuple[Recipe, Mapping[str, Any]]]


@dataclass(frozen=True)
class FoldRecord:
    """A fold that is trained.

    Attributes:
        number: counted from 1.
        name: number or machine.
        folds_sha256: digest of all folds.
        recipe_sha256: digest of the recipe that was asked for, without the names of a fold's own teachers.
        made_from: role -> digest or name of what the weights were made from.
        recipe: the fold's own recipe, with its teachers, as JSON.
        weights_sha256: of the weights.
        epochs: how many.
        seconds: of training, over all its sessions.
        warnings: what was to be said when it was trained, a sentence each.
    """

    number: int
    name: str
    folds_sha256: str
    recipe_sha256: str
    made_from: Mapping[str, str]
    recipe: str
    weights_sha256: str
    epochs: int
    seconds: float
    warnings: tuple[str, ...]


def fold_folder(folder: Path, number: int) -> Path:
    """Where a fold's files lie."""
    return folder / f"fold{number}"


def open_folder(folder: Path, folds: Sequence[Fold]) -> None:
    """Begin a cross-validation in a folder, or go on with the one that it holds.

    Raises:
        LabelsError: it holds one of other images or folds.
        MachineError: it cannot be written.
    """
    table, content = folder / TABLE, _table_from_folds(folds)
    if table.is_file() and table.read_bytes() != content:
        raise LabelsError(
            f"{folder} holds a cross-validation of other images or other folds.",
            "Choose another -o folder, or remove this one to start anew.",
        )
    write_atomic(table, content)


def record_from_training(
    folder: Path,
    folds: Sequence[Fold],
    number: int,
    asked: Recipe,
    learning: Learning,
    warnings: Sequence[str],
    progress: Callable[[str, float], None],
    workers: Workers,
) -> FoldRecord:
    """Train one fold, go on with it, or find it done.

    Args:
        folder: of the cross-validation.
        folds: all of them.
        number: of the fold, counted from 1.
        asked: the recipe, the same for all folds.
        learning: fold -> its own recipe, with its teachers' names, and more arguments of `student_from_dataset`.
        warnings: to be kept with the weights.
        progress: told what is done, 0..1.
        workers: the processes of this run.

    Raises:
        CheckpointError: the folder holds a fold of another recipe.
        EdgeError: see `student_from_dataset`.
    """
    fold, place, digest = folds[number - 1], fold_folder(folder, number), digest_from_folds(folds)
    found = load_record(folder, number, asked, digest)
    if found is not None:
        return found
    recipe, options = learning(fold)
    work, weights = place / WORK, place / WEIGHTS
    artifact = student_from_dataset(
        fold.dataset, fold.held_out, recipe, work, weights, progress, workers=workers, **options
    )
    seconds = round(sum(record["seconds"] for record in read_records(work)), 1)
    record = FoldRecord(
        number,
        fold.name,
        digest,
        asked.digest,
        artifact.made_from,
        json.dumps(asdict(recipe), sort_keys=True),
        artifact.sha256,
        recipe.epochs,
        seconds,
        tuple(warnings),
    )
    if workers.writes:
        write_atomic(place / RECORD, bytes_from_record(record))
        (work / run_state.FILE).unlink(missing_ok=True)  # four times the weights, and nothing goes on from it any more
    workers.wait()
    return record


def load_record(folder: Path, number: int, asked: Recipe, folds_sha256: str) -> FoldRecord | None:
    """What is known of a fold; None where it is not trained yet.

    Raises:
        CheckpointError: it was trained by another recipe, on other folds, or its files are damaged.
    """
    path = fold_folder(folder, number) / RECORD
    if not path.is_file():
        return None
    try:
        record: FoldRecord = record_from_json(FoldRecord, json_from_bytes(path.read_bytes()))
    except RecordError as error:
        raise CheckpointError(f"{path} is damaged: {error}.", f"Remove {path.parent} to train it again.") from error
    if (record.recipe_sha256, record.folds_sha256) != (asked.digest, folds_sha256):
        raise CheckpointError(
            f"{path.parent} was trained by another recipe or on other folds.",
            "Choose another -o folder, or remove this one to start anew.",
        )
    if not (path.parent / WEIGHTS).is_file():
        raise CheckpointError(f"{path.parent} has lost its weights.", f"Remove {path.parent} to train it again.")
    return record


def seen_images(weights: Path, fold: Fold) -> int | None:
    """How many tested images the maker of some weights has learned from, by file or patient.

    Args:
        weights: of another model, to start from or to be taught by.
        fold: whose val and test must be new to it.

    Returns:
        None where the weights do not lie in the folder of a cross-validation, so that nobody knows.
    """
    number, table = re.fullmatch(r"fold(\d+)", weights.parent.name), weights.parent.parent / TABLE
    if number is None or not table.is_file():
        return None
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["fold"], row["part"]) == (number[1], TRAIN)]
    files = {row["file"] for row in rows}
    patients = {(row["dataset"], row["patient"]) for row in rows if not row["patient"].startswith(LOOK)}
    return sum(s.file in files or (s.dataset, s.patient) in patients for s in fold.held_out.samples)


def _table_from_folds(folds: Sequence[Fold]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for fold in folds:
        for s in fold.dataset.samples:
            writer.writerow((fold.number, fold.name, s.split, s.dataset, s.patient, s.file))
    return stream.getvalue().encode()
