"""The images that ship with the project, and which of a label table's rows a stage uses.

::

    calibration/samples/labels.csv   split val: calibration and decision, patients no shipped model was trained on
                                     split test: the gate, `make run` and every accuracy figure
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calibration.dataset import Dataset
from calibration.formats import load_dataset
from calibration.looks import patients_from_looks
from calibration.splits import check_disjoint, split_by_patient, without_known
from edge.errors import LabelsError

SAMPLES = Path(__file__).parent / "samples" / "labels.csv"
CALIBRATION_SPLITS = ("val", "train")  # the first of them that a table has
GATE_SPLITS = ("test", "val")
FRACTIONS = {"train": 0.7, "val": 0.1, "test": 0.2}  # of a table without splits; the founding study's 7:1:2
SPLIT_SEED = 0


def checked_dataset(path: Path | None) -> Dataset:
    """A data set in any layout, no patient of it in two splits; None for the shipped one.

    Raises:
        LabelsError: the layout's own faults, or a patient in two splits.
    """
    dataset = load_dataset(path or SAMPLES)
    check_disjoint(dataset.samples)
    return dataset


def dataset_with_splits(path: Path) -> Dataset:
    """The same; a table without splits is dealt 7:1:2 by patient, images without one by their looks.

    Raises:
        LabelsError: the layout's own faults, or a patient in two splits.
        ImageError: an image cannot be read.
    """
    dataset = checked_dataset(path)
    if any(sample.split for sample in dataset.samples):
        return dataset
    grouped = patients_from_looks(dataset)
    return replace(grouped, samples=split_by_patient(grouped.samples, FRACTIONS, SPLIT_SEED))


def calibration_dataset(path: Path | None) -> Dataset:
    """The images for ranges and decision: split val, else train, else all; None for the shipped ones."""
    return _first_split(checked_dataset(path), CALIBRATION_SPLITS)


def gate_dataset(path: Path | None) -> Dataset:
    """The images for the gate: split test, else val, else all; None for the shipped ones."""
    return gate_split(checked_dataset(path))


def gate_split(dataset: Dataset) -> Dataset:
    """The same of a data set that is already read."""
    return _first_split(dataset, GATE_SPLITS)


def note_on_split(name: str, whole: Dataset, chosen: Dataset) -> str:
    """What nobody asked for when `gate_split` chose: rows passed over, or rows that may be trained on; else empty."""
    count, splits = len(whole.samples), sorted({sample.split for sample in whole.samples if sample.split})
    if len(chosen.samples) < count:
        split = chosen.samples[0].split
        return f"of {count} images in {name} the {len(chosen.samples)} of split {split} are answered (--split)."
    if splits and not set(splits) & set(GATE_SPLITS):
        words = f"{name} has no split {' or '.join(GATE_SPLITS)}: all {count} images are answered"
        return f"{words}, those of split {', '.join(splits)} too; training may have seen them."
    return ""


def calibration_and_gate(calibration: Path | None, gate_data: Path | None) -> tuple[Dataset, Dataset]:
    """Both at once: one table for both is dealt to splits first if it has none."""
    if calibration is not None and gate_data is not None and calibration.resolve() == gate_data.resolve():
        dataset = dataset_with_splits(calibration)
        return _first_split(dataset, CALIBRATION_SPLITS), _first_split(dataset, GATE_SPLITS)
    return calibration_dataset(calibration), gate_dataset(gate_data)


def held_out_dataset(path: Path | None, dataset: Dataset) -> Dataset:
    """What training must not see: a table's rows outside the split train.

    Args:
        path: the table; None for the training table's own split val, and the shipped images if it has none.
        dataset: the training table.
    """
    if path is None and any(sample.split == "val" for sample in dataset.samples):
        held_out = dataset
    else:
        held_out = checked_dataset(path)
    return replace(held_out, samples=tuple(sample for sample in held_out.samples if sample.split != "train"))


def note_on_held_out(dataset: Dataset, held_out: Dataset) -> str:
    """How many images of the split train their patients or files keep from training; empty for none."""
    train = dataset.where(split="train")
    if left_out := len(train.samples) - len(without_known(train, held_out).samples):
        return f"{left_out} of {len(train.samples)} training images are left out: their patient or file is held out."
    return ""


def split_dataset(path: Path | None, split: str) -> Dataset:
    """One split of a table, None for the shipped one.

    Raises:
        LabelsError: the table has no such split.
    """
    dataset = checked_dataset(path)
    chosen = dataset.where(split=split)
    if not chosen.samples:
        known = ", ".join(sorted({sample.split for sample in dataset.samples if sample.split})) or "none"
        raise LabelsError(f"{path or SAMPLES} has no split {split!r} (it has: {known}).", "Choose one of them.")
    return chosen


def _first_split(dataset: Dataset, splits: tuple[str, ...]) -> Dataset:
    present = {sample.split for sample in dataset.samples}
    split = next((name for name in splits if name in present), None)
    return dataset if split is None else dataset.where(split=split)
