"""Images that show no plane of the model -> what it answers to them, as shares of each group of planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Sample, number_of_people
from calibration.evaluate import Evaluation, Interval
from calibration.metrics import intervals_by_patient
from calibration.reports.absent import Absent
from edge.manifest import Manifest
from edge.prediction import Prediction
from edge.protocol import load_protocol

Answer = tuple[Sample, Prediction]


@dataclass(frozen=True)
class OtherImages:
    """Images of one label that is no plane of the model; shares 0..1, intervals 95 % by patient.

    Attributes:
        should_be_refused: the protocol says that they are no plane; of other labels nothing is demanded.
        accepted: group of planes -> share accepted as one of them.
        refused: share whose answer is no plane.
    """

    label: str
    n: int
    patients: int
    should_be_refused: bool
    accepted: dict[str, float]
    accepted_intervals: dict[str, Interval]
    refused: float
    refused_interval: Interval


def groups_from_manifest(manifest: Manifest) -> dict[str, str]:
    """Plane -> region of the body by the bundle's protocol; the plane itself where no protocol knows it."""
    protocol = load_protocol(manifest.protocol.id) if manifest.protocol.id else None
    known = {label.id: protocol.plane_from_label(label.id) if protocol else None for label in manifest.planes}
    return {label: plane.region if plane else label for label, plane in known.items()}


def other_images(evaluation: Evaluation) -> tuple[OtherImages, ...] | Absent:
    """One row a label, or why there is none."""
    absent = Absent("All images show planes of the model; others are answered with --others LABELS.csv.")
    return rows_of_others(evaluation) or absent


def rows_of_others(evaluation: Evaluation) -> tuple[OtherImages, ...]:
    """One row a label: those that should be refused first, then those that the model does not know."""
    answers = zip(evaluation.dataset.samples, evaluation.predictions, evaluation.truth, strict=True)
    refused = [(sample, prediction) for sample, prediction, truth in answers if truth < 0]
    groups = groups_from_manifest(evaluation.manifest)
    rows = [_row(label, images, True, groups) for label, images in _by_label(refused)]
    return tuple(rows + [_row(label, images, False, groups) for label, images in _by_label(evaluation.others)])


def _by_label(answers: list[Answer] | tuple[Answer, ...]) -> list[tuple[str, list[Answer]]]:
    labels = sorted({sample.label for sample, _ in answers})
    return [(label, [answer for answer in answers if answer[0].label == label]) for label in labels]


def _row(label: str, answers: list[Answer], should_be_refused: bool, groups: dict[str, str]) -> OtherImages:
    patients = [sample.person for sample, _ in answers]
    names = list(dict.fromkeys(groups.values()))
    taken = [groups[prediction.plane] if prediction.accepted else "" for _, prediction in answers]
    table = np.array([[name == group for name in taken] for group in (*names, "")])

    def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(table @ weights / weights.sum())

    values = shares(np.ones(len(taken))).tolist()
    ends: list[Interval] = [(low, high) for low, high in intervals_by_patient(shares, patients).tolist()]
    return OtherImages(
        label=label,
        n=len(answers),
        patients=number_of_people(patients),
        should_be_refused=should_be_refused,
        accepted=dict(zip(names, values[:-1], strict=True)),
        accepted_intervals=dict(zip(names, ends[:-1], strict=True)),
        refused=values[-1],
        refused_interval=ends[-1],
    )
