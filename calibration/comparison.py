"""Two evaluations of the same images -> Comparison: difference, agreement, McNemar's test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.evaluate import Evaluation, Interval
from calibration.mcnemar import McNemar, mcnemar_from_answers
from calibration.metrics import confusion_from_answers, f1_from_confusion, interval_by_patient
from edge.errors import LabelsError


@dataclass(frozen=True)
class Comparison:
    """A second bundle against a first, on the same images.

    Attributes:
        name, reference: the two.
        f1_drop: macro-F1 of the reference minus this one's, in points (hundredths).
        f1_drop_interval: 95 % by patient.
        agreement: share of images with the same most probable plane, 0..1.
        agreement_interval: 95 % by patient.
        mcnemar: over the plane images; the reference is its first, this one its second.
    """

    name: str
    reference: str
    f1_drop: float
    f1_drop_interval: Interval
    agreement: float
    agreement_interval: Interval
    mcnemar: McNemar


def comparison_from_evaluations(evaluation: Evaluation, reference: Evaluation) -> Comparison:
    """Compare two evaluations of the same dataset.

    Raises:
        LabelsError: the two have other planes, or answered other images.
    """
    check_comparable(evaluation, reference)
    rows = reference.truth >= 0
    truth, ours, theirs = reference.truth[rows], evaluation.answers[rows], reference.answers[rows]
    classes = len(reference.labels)
    same = evaluation.answers == reference.answers

    def drop(weights: NDArray[np.float64] | None) -> float:
        f1 = [f1_from_confusion(confusion_from_answers(truth, x, classes, weights)).mean() for x in (theirs, ours)]
        return float(100 * (f1[0] - f1[1]))

    return Comparison(
        name=evaluation.name,
        reference=reference.name,
        f1_drop=drop(None),
        f1_drop_interval=interval_by_patient(drop, reference.plane_patients),
        agreement=float(same.mean()),
        agreement_interval=interval_by_patient(
            lambda weights: float(np.average(same, weights=weights)), reference.patients
        ),
        mcnemar=mcnemar_from_answers(theirs == truth, ours == truth),
    )


def check_comparable(evaluation: Evaluation, reference: Evaluation) -> None:
    """Raise LabelsError if two evaluations have other planes, or answered other images."""
    if evaluation.labels != reference.labels:
        raise LabelsError(
            f"{evaluation.name} and {reference.name} have different planes.", "Compare bundles of the same labels."
        )
    if evaluation.dataset != reference.dataset:
        raise LabelsError(
            f"{evaluation.name} answered other images than {reference.name}: their reject labels differ.",
            "Give only images of their planes, or evaluate the bundles one by one.",
        )
