"""Another cohort: labelled images of another place, none of a patient or file that was trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from calibration.dataset import Dataset
from calibration.samples_set import gate_dataset
from calibration.splits import without_known
from edge.errors import LabelsError, UsageError


def cohorts_from_texts(
    texts: Sequence[str], trained_on: Sequence[Dataset], labels: Collection[str]
) -> dict[str, Dataset]:
    """Read all that the command line names, by their names; arguments and errors as of `cohort_from_text`.

    Raises:
        UsageError: two have the same name.
    """
    cohorts: dict[str, Dataset] = {}
    for text in texts:
        name, cohort = cohort_from_text(text, trained_on, labels)
        if name in cohorts:
            raise UsageError(f"Two cohorts are called {name}.", "Give each a name of its own.")
        cohorts[name] = cohort
    return cohorts


def cohort_from_text(text: str, trained_on: Sequence[Dataset], labels: Collection[str]) -> tuple[str, Dataset]:
    """Read what the command line names.

    Args:
        text: NAME=LABELS.csv; of a table with splits test, else val, as `edge evaluate` takes them.
        trained_on: sets that no image of the cohort may be among, and no patient.
        labels: to be kept, planes and rejects.

    Returns:
        Name and images.

    Raises:
        UsageError: not NAME=LABELS.csv.
        LabelsError: the table's own faults, a patient or file of the training, or no image with a label.
    """
    name, sign, path = text.partition("=")
    if not sign or not name or not path or "/" in name:
        raise UsageError(f"The cohort {text!r} has no name.", "Give --cohort NAME=LABELS.csv.")
    cohort = gate_dataset(Path(path)).where(labels=labels)
    if not cohort.samples:
        raise LabelsError(f"The cohort {name} has no image of {', '.join(labels)}.", "Give images with these labels.")
    left = cohort
    for known_set in trained_on:
        left = without_known(left, known_set)
    if len(left.samples) < len(cohort.samples):
        known = len(cohort.samples) - len(left.samples)
        raise LabelsError(
            f"{known} images of the cohort {name} are of patients or files that were trained on.",
            "Give images of other patients; the column `dataset` tells equal file names apart.",
        )
    return name, cohort
