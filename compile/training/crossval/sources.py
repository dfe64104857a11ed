"""Weights from elsewhere, for one fold each: where they lie, and whether they have seen what the fold tests.

::

    runs/teacher/fold{fold}/weights.safetensors --number of the fold--> a file of another cross-validation
                                                --its folds.csv-------> no image of our val and test among its own
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compile.model.spec import METADATA_KEY
from compile.training.crossval.folds import Fold
from compile.training.crossval.folds_training import seen_images
from edge.errors import CheckpointError, LabelsError

PLACE = "{fold}"  # stands for the number of a fold
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
