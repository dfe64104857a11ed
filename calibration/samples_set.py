"""The images that ship with the project, and which of a label table's rows a stage uses.

::

    calibration/samples/labels.csv   split val: calibration and decision, patients no shipped model was trained on
                                     split test: the gate, `make run` and every accuracy figure
"""

from __future__ import annotations

from pathlib import Path

from calibration.dataset import Dataset
from calibration.formats import load_dataset
from edge.errors import LabelsError

SAMPLES = Path(__file__).parent / "samples" / "labels.csv"
CALIBRATION_SPLITS = ("val", "train")  # the first of them that a table has
GATE_SPLITS = ("test", "val")


def calibration_dataset(path: Path | None) -> Dataset:
    """The images for ranges and decision: split val, else train, else all; None for the shipped ones."""
    return _first_split(load_dataset(path or SAMPLES), CALIBRATION_SPLITS)


def gate_dataset(path: Path | None) -> Dataset:
    """The images for the gate: split test, else val, else all; None for the shipped ones."""
    return _first_split(load_dataset(path or SAMPLES), GATE_SPLITS)


def split_dataset(path: Path | None, split: str) -> Dataset:
    """One split of a table, None for the shipped one.

    Raises:
        LabelsError: the table has no such split.
    """
    dataset = load_dataset(path or SAMPLES)
    chosen = dataset.where(split=split)
    if not chosen.samples:
        known = ", ".join(sorted({sample.split for sample in dataset.samples if sample.split})) or "none"
        raise LabelsError(f"{path or SAMPLES} has no split {split!r} (it has: {known}).", "Choose one of them.")
    return chosen


def _first_split(dataset: Dataset, splits: tuple[str, ...]) -> Dataset:
    present = {sample.split for sample in dataset.samples}
    split = next((name for name in splits if name in present), None)
    return dataset if split is None else dataset.where(split=split)
