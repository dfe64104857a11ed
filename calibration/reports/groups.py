"""Evaluation -> one row of figures for every scanner, or every operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Sample, number_of_people
from calibration.evaluate import Evaluation, Interval
from calibration.metrics import confusion_from_answers, f1_from_confusion, intervals_by_patient
from calibration.reports.absent import Absent

FEW = 10  # images; below, a row's figures say nothing about the scanner or the operator
UNKNOWN = "unknown"


@dataclass(frozen=True)
class GroupRow:
    """The plane images of one scanner or operator; shares 0..1, intervals 95 % by patient.

    Attributes:
        few: so few images that the figures are shown and not meant.
        classes: planes that occur; macro-F1 is their mean.
        accepted: share whose answer is a plane.
    """

    name: str
    n: int
    patients: int
    few: bool
    classes: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    accepted: float
    accepted_interval: Interval


def rows_by_machine(evaluation: Evaluation) -> tuple[GroupRow, ...] | Absent:
    """By scanner model."""
    return _rows(evaluation, lambda sample: sample.machine, "scanner (column machine)")


def rows_by_operator(evaluation: Evaluation) -> tuple[GroupRow, ...] | Absent:
    """By the operator's pseudonym."""
    return _rows(evaluation, lambda sample: sample.operator, "operator (column operator)")


def _rows(evaluation: Evaluation, name_of: Callable[[Sample], str], what: str) -> tuple[GroupRow, ...] | Absent:
    on_plane = evaluation.truth >= 0
    names = np.array([name_of(sample) for sample in evaluation.dataset.samples])
    if not any(names[on_plane]):
        return Absent(f"The label table names no {what}.")
    known = sorted(set(names[on_plane]) - {""})
    groups = [(name, names == name) for name in known] + [(UNKNOWN, names == "")]
    return tuple(_row(evaluation, name, on_plane & rows) for name, rows in groups if (on_plane & rows).any())


def _row(evaluation: Evaluation, name: str, rows: NDArray[np.bool_]) -> GroupRow:
    truth, answers, accepted = evaluation.truth[rows], evaluation.answers[rows], evaluation.accepted[rows]
    patients = [patient for patient, is_in in zip(evaluation.patients, rows, strict=True) if is_in]
    right = truth == answers

    def figures(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        confusion = confusion_from_answers(truth, answers, len(evaluation.labels), weights)
        shares = [np.average(share, weights=weights) for share in (right, accepted)]
        return np.array([shares[0], f1_from_confusion(confusion).mean(), shares[1]])

    accuracy, f1, share = figures(np.ones(len(truth))).tolist()
    ends = [(low, high) for low, high in intervals_by_patient(figures, patients).tolist()]
    count = number_of_people(patients)
    few, classes = len(truth) < FEW, len(np.unique(truth))
    return GroupRow(name, len(truth), count, few, classes, accuracy, ends[0], f1, ends[1], share, ends[2])
