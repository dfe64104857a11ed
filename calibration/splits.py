"""Splits that share no patient: samples -> the same samples with a split each; a set without another's images."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from calibration.dataset import Dataset, Sample
from edge.errors import LabelsError, UsageError


def check_disjoint(samples: Iterable[Sample]) -> None:
    """Raise LabelsError if a patient stands in two splits; samples without patient or split cannot be checked."""
    splits: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for sample in samples:
        if sample.patient and sample.split:
            splits[sample.dataset, sample.patient].setdefault(sample.split, sample.file)
    shared = {patient: found for (_, patient), found in splits.items() if len(found) > 1}
    if shared:
        patient, found = next(iter(shared.items()))
        places = ", ".join(f"{split} ({file})" for split, file in sorted(found.items()))
        raise LabelsError(
            f"{len(shared)} patients stand in more than one split: {patient} in {places}.",
            "Put all images of a patient into one split.",
        )


def without_known(dataset: Dataset, known: Dataset) -> Dataset:
    """The images whose patient and file are not in another set.

    Below one folder a file is known by its whole path: class folders number their images alike. Elsewhere its name
    tells: the same image may lie in another folder there.
    """
    patients = {(s.dataset, s.patient) for s in known.samples if s.patient}
    is_same = known.root.resolve() == dataset.root.resolve()

    def name(sample: Sample) -> tuple[str, str]:
        return sample.dataset, sample.file if is_same else sample.file.rsplit("/", 1)[-1]

    names = {name(sample) for sample in known.samples}
    kept = (s for s in dataset.samples if (s.dataset, s.patient) not in patients and name(s) not in names)
    return replace(dataset, samples=tuple(kept))


def split_by_patient(samples: Sequence[Sample], fractions: Mapping[str, float], seed: int) -> tuple[Sample, ...]:
    """Deal whole patients to splits so that each split gets its share of every label.

    Patients with the most images are dealt first, each to the split that lacks most of what it brings. A sample without
    patient counts as a patient of its own: give it a group first (`patients_from_looks`) where copies may occur.

    Args:
        samples: in any order.
        fractions: split -> share of the images, adding up to 1, for instance {"train": 0.8, "val": 0.2}.
        seed: order among patients of equal size.

    Returns:
        The samples in their order, with `split` set.

    Raises:
        UsageError: shares that are not positive or do not add up to 1.
    """
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise UsageError(f"Shares {dict(fractions)} are not positive with sum 1.", "Give for instance 0.8 and 0.2.")
    lacking = _targets(samples, fractions)
    dealt = {}
    for patient, counts in _patients(samples, seed):
        split = max(fractions, key=lambda name: _gain(lacking[name], counts, fractions[name]))
        dealt[patient] = split
        for label, count in counts.items():
            lacking[split][label] -= count
    return tuple(replace(sample, split=dealt[_patient(sample)]) for sample in samples)


def _patient(sample: Sample) -> tuple[str, str]:
    return (sample.dataset, sample.patient) if sample.patient else ("", sample.file)


def _targets(samples: Sequence[Sample], fractions: Mapping[str, float]) -> dict[str, dict[str, float]]:
    totals = Counter(sample.label for sample in samples)
    return {name: {label: share * total for label, total in totals.items()} for name, share in fractions.items()}


def _patients(samples: Sequence[Sample], seed: int) -> list[tuple[tuple[str, str], Counter[str]]]:
    """Patients with their images per label, most images first, shuffled among equals."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for sample in samples:
        counts[_patient(sample)][sample.label] += 1
    order = sorted(counts.items())
    random.Random(seed).shuffle(order)
    return sorted(order, key=lambda item: -item[1].total())


def _gain(lacking: Mapping[str, float], counts: Mapping[str, int], share: float) -> float:
    """How much of what a patient brings a split lacks, relative to the split's share."""
    return sum(count * lacking[label] for label, count in counts.items()) / share
