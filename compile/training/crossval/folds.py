"""Dataset -> folds: the same images dealt several times, each time others for the test, no patient in two parts.

::

    samples --groups: patient, or look--> k folds of whole patients (or one a machine)
    fold i: test  = its patients
            val   = a tenth of the others' patients: temperature and threshold
            train = the rest, and images of other labels of patients in neither

The dealing has its own seed, not the training's: runs of any model on the same images have the same folds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from calibration.dataset import Dataset, Sample
from calibration.looks import patients_from_looks
from calibration.splits import split_by_patient
from edge.errors import LabelsError, UsageError
from edge.files import sha256_from_bytes

TRAIN, VAL, TEST = "train", "val", "test"
VAL_SHARE = 0.1  # of a training part: some hundred images, where a threshold takes 30 right answers
DEAL_SEED = 0
UNKNOWN_MACHINES = ("", "Other")  # no scanner: images of any, so they say nothing about one that was never seen

Key = tuple[str, str]


@dataclass(frozen=True)
class Fold:
    """One dealing of a data set.

    Attributes:
        number: counted from 1.
        name: the number, or the machine that is tested.
        dataset: with the splits train, val and test; images of other labels only in train.
    """

    number: int
    name: str
    dataset: Dataset

    @property
    def held_out(self) -> Dataset:
        """What training must not see: val and test."""
        return replace(self.dataset, samples=tuple(s for s in self.dataset.samples if s.split != TRAIN))


def grouped_dataset(
    dataset: Dataset, only: Collection[str] = (), progress: Callable[[str, float], None] | None = None
) -> Dataset:
    """Images ready to be dealt: of the data sets asked for, each with a patient; one without is named by its looks.

    Args:
        dataset: its own splits are dropped.
        only: data sets to keep; empty for all.
        progress: told what is done, 0..1.

    Raises:
        LabelsError: a data set asked for has no image.
        ImageError: an image cannot be read.
    """
    known = {sample.dataset for sample in dataset.samples}
    missing = [name for name in only if name not in known]
    if missing:
        raise LabelsError(
            f"{dataset.root} has no image of the data set {', '.join(missing)}.",
            f"Its column `dataset` names: {', '.join(sorted(filter(None, known))) or 'none'}.",
        )
    kept = (replace(s, split="") for s in dataset.samples if not only or s.dataset in only)
    return patients_from_looks(replace(dataset, samples=tuple(kept)), progress)


def folds_by_patient(
    dataset: Dataset, labels: Sequence[str], rejects: Collection[str], count: int, seed: int = DEAL_SEED
) -> tuple[Fold, ...]:
    """Deal whole patients to k folds, each with its share of every label.

    Args:
        dataset: every image with a patient.
        labels: planes; each must be in every training part.
        rejects: labels of images that are no plane and are dealt too.
        count: number of folds, at least 2.
        seed: of the dealing.

    Raises:
        UsageError: fewer than 2 folds.
        LabelsError: a training part lacks a plane, or a test part or a val part holds none.
    """
    if count < 2:
        raise UsageError(f"{count} folds leave nothing to test.", "Give 2 folds or more.")
    usable = dataset.where(labels={*labels, *rejects}).samples
    names = [str(number) for number in range(1, count + 1)]
    tested = defaultdict(set)
    for sample in split_by_patient(usable, dict.fromkeys(names, 1 / count), seed):
        tested[sample.split].add(sample.file)
    return _folds(dataset, {name: tested[name] for name in names}, labels, rejects, seed)


def folds_by_machine(
    dataset: Dataset, labels: Sequence[str], rejects: Collection[str], seed: int = DEAL_SEED
) -> tuple[Fold, ...]:
    """One fold a machine, in the order of their names; images of unknown machines are never tested.

    A patient on two machines is kept out of training where one of them is tested.

    Args:
        dataset: every image with a patient.
        labels: planes; each must be in every training part.
        rejects: labels of images that are no plane and are dealt too.
        seed: of the dealing of val.

    Raises:
        LabelsError: fewer than two machines, a training part lacks a plane, or a test part or a val part holds none.
    """
    tested = defaultdict(set)
    for sample in dataset.where(labels={*labels, *rejects}).samples:
        if sample.machine not in UNKNOWN_MACHINES:
            tested[sample.machine].add(sample.file)
    if len(tested) < 2:
        raise LabelsError(
            f"{dataset.root} names {len(tested)} machines on images with a label: two are needed.",
            "Fill the column `machine`.",
        )
    return tuple(map(_without_machine, _folds(dataset, dict(sorted(tested.items())), labels, rejects, seed)))


def warnings_from_machines(folds: Sequence[Fold]) -> tuple[str, ...]:
    """What to say about folds by machine whose training part holds images of no known machine."""
    trained = (s for fold in folds for s in fold.dataset.where(split=TRAIN).samples)
    unnamed = {s.file for s in trained if s.machine in UNKNOWN_MACHINES}
    if not unnamed:
        return ()
    return (
        f"{len(unnamed)} images that name no scanner are trained on: images of the tested scanner may be among them.",
    )


def _without_machine(fold: Fold) -> Fold:
    """The same; what the tested machine shows of other labels is shown to nobody either."""
    samples = tuple(s for s in fold.dataset.samples if (s.split, s.machine) != (TRAIN, fold.name))
    return replace(fold, dataset=replace(fold.dataset, samples=samples))


def digest_from_folds(folds: Sequence[Fold]) -> str:
    """SHA-256 over every image and its part in every fold, hexadecimal; the bytes are not read."""
    content = [[fold.name, [[s.file, s.label, s.patient, s.split] for s in fold.dataset.samples]] for fold in folds]
    return sha256_from_bytes(json.dumps(content).encode())


def _folds(
    dataset: Dataset, tested: dict[str, set[str]], labels: Sequence[str], rejects: Collection[str], seed: int
) -> tuple[Fold, ...]:
    folds = []
    for number, (name, files) in enumerate(tested.items(), 1):
        fold = Fold(number, name, replace(dataset, samples=_dealt(dataset, files, {*labels, *rejects}, seed)))
        _check(fold, labels)
        folds.append(fold)
    return tuple(folds)


def _dealt(dataset: Dataset, tested: Collection[str], known: Collection[str], seed: int) -> tuple[Sample, ...]:
    """The samples of one fold with their parts; a tested patient's other images are in none."""
    patients = {_key(sample) for sample in dataset.samples if sample.file in tested}
    free = [s for s in dataset.samples if s.label in known and _key(s) not in patients]
    split = split_by_patient(free, {TRAIN: 1 - VAL_SHARE, VAL: VAL_SHARE}, seed) if free else ()
    parts = {sample.file: sample.split for sample in split} | dict.fromkeys(tested, TEST)
    held = patients | {_key(sample) for sample in split if sample.split == VAL}
    parts |= {s.file: TRAIN for s in dataset.samples if s.label not in known and _key(s) not in held}
    return tuple(replace(s, split=parts[s.file]) for s in dataset.samples if s.file in parts)


def _key(sample: Sample) -> Key:
    return sample.dataset, sample.patient or f"\0{sample.file}"


def _check(fold: Fold, labels: Sequence[str]) -> None:
    found = {part: set(fold.dataset.where(split=part, labels=labels).labels) for part in (TRAIN, VAL, TEST)}
    missing = [label for label in labels if label not in found[TRAIN]]
    if missing:
        raise LabelsError(
            f"Without fold {fold.name} no image of {', '.join(missing)} is left to train on.",
            "Give fewer folds, images of more patients, or --labels without it.",
        )
    empty = [part for part in (VAL, TEST) if not found[part]]
    if empty:
        raise LabelsError(
            f"Fold {fold.name} has no image of a plane in its part {empty[0]}.",
            "Give fewer folds, or images of more patients.",
        )
