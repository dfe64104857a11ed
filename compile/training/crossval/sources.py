"""Weights from elsewhere, for one fold each: where they lie, and whether they have seen what the fold tests.

::

    runs/teacher/fold{fold}/weights.safetensors --number of the fold--> a file of another cross-validation
                                                --its folds.csv-------> no image of our val and test among its own
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from compile.model.spec import METADATA_KEY
from compile.training.crossval.folds import Fold
from compile.training.crossval.folds_training import FoldRecord, seen_images
from edge.errors import CheckpointError, LabelsError
from edge.files import sha256_from_file

PLACE = "{fold}"  # stands for the number of a fold
IMAGENET = "imagenet"  # a start that is no file: that of an installed package
HEADER_BYTES = 1 << 16  # the description stands in front of the weights


def source_of_fold(text: str, number: int) -> str:
    """What a name with `{fold}` names in a fold; other names as they are."""
    return text.replace(PLACE, str(number))


def warnings_from_sources(texts: Sequence[str], folds: Sequence[Fold]) -> tuple[str, ...]:
    """Look at every teacher and every start, before the hours of training.

    Args:
        texts: as on the command line: a path or `KIND:PATH`, with or without `{fold}`.
        folds: that will be trained.

    Returns:
        A sentence for each that may have seen what is tested here.

    Raises:
        CheckpointError: a fold's file is not there.
        LabelsError: a file has learned from images that its fold tests.
    """
    warnings = []
    for text in texts:
        known = [_is_known_to_be_new(text, fold) for fold in folds]
        if not all(known):
            warnings.append(
                f"{text} was trained by this program and does not say on which images. If images tested here were "
                f"among them, the figures are too good: give PATH/fold{PLACE}/weights.safetensors of edge crossval."
            )
    return tuple(warnings)


def check_sources(record: FoldRecord, teachers: Sequence[str], initial: str, unlabelled: Sequence[str]) -> None:
    """Compare what a finished fold was made from with what is asked for; the digest asked for names none of these.

    Args:
        record: of the fold.
        teachers: as on the command line.
        initial: as on the command line; empty for fresh weights.
        unlabelled: digests of the images for the teachers only.

    Raises:
        CheckpointError: one of them is another, or its file is not there.
    """
    recipe = json.loads(record.recipe)
    distillation = recipe["distillation"]
    taught = [name.split()[-1] for name in distillation["teachers"]] if distillation else []
    shown = [digest for name, digest in record.made_from.items() if name.startswith("unlabelled ")]
    start = f"{recipe['model']} {_sha256(initial, record)}" if initial and initial != IMAGENET else ""
    started = record.made_from.get("initial", "")
    same = {
        "--teacher": taught == [_sha256(text, record) for text in teachers],
        "--init": started.startswith(f"{IMAGENET} ") if initial == IMAGENET else started == start,
        "--unlabelled": shown == list(unlabelled),
    }
    for option, is_same in same.items():
        if not is_same:
            raise CheckpointError(
                f"Fold {record.name} was trained with another {option}.",
                "Choose another -o folder, or remove this one to start anew.",
            )


def _sha256(text: str, record: FoldRecord) -> str:
    path = _path(source_of_fold(text, record.number))
    if not path.is_file():
        raise CheckpointError(
            f"{path} is not a file: whether fold {record.name} was trained with it is not known.",
            "Put it back, or choose another -o folder.",
        )
    return sha256_from_file(path)


def _is_known_to_be_new(text: str, fold: Fold) -> bool:
    path = _path(source_of_fold(text, fold.number))
    if PLACE in text and not path.is_file():
        raise CheckpointError(f"Fold {fold.number} needs {path}, which is not there.", "Train that fold first.")
    seen = seen_images(path, fold)
    if seen:
        raise LabelsError(
            f"{path} has learned from {seen} of the images that fold {fold.number} tests or decides by.",
            f"Give weights with {PLACE} in their path, of a cross-validation of the same images with the same folds.",
        )
    return seen == 0 or not _describes_itself(path)


def _path(text: str) -> Path:
    kind, colon, rest = text.partition(":")
    return Path(rest) if colon and rest and not Path(text).exists() and kind.isalnum() else Path(text)


def _describes_itself(path: Path) -> bool:
    """Whether the file was written by this program; published weights were trained on other people's images."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return METADATA_KEY.encode() in stream.read(HEADER_BYTES)
