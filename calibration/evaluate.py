"""Bundle + labelled images -> Evaluation: the device's own answers against the truth, with intervals by patient.

Every image goes the way of the bedside (load, check, preprocess, engine, decision), one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Dataset
from calibration.metrics import (
    Scores,
    confusion_from_answers,
    f1_from_confusion,
    interval_by_patient,
    scores_from_probabilities,
)
from edge.errors import LabelsError
from edge.prediction import Prediction
from edge.session import Session
from edge.sources.images import load_image

Interval = tuple[float, float]


@dataclass(frozen=True)
class Coverage:
    """What the reject answer does; shares 0..1, None where there was no such image.

    Attributes:
        accepted: share of the plane images whose answer is a plane.
        accuracy_accepted: share of those that are right.
        refused_n: images that are no plane of the model.
        refused: share of them whose answer is no plane.
    """

    accepted: float | None
    accuracy_accepted: float | None
    refused_n: int
    refused: float | None


@dataclass(frozen=True)
class Evaluation:
    """One bundle on one set of images.

    Attributes:
        name: of the bundle, with its precision.
        digest: of the bundle.
        labels: planes of the model, in the order of `probabilities`.
        dataset: the images used, skipped ones left out.
        predictions: one an image.
        truth: (M,) plane number; -1 for an image that is no plane of the model.
        probabilities: (M,P) calibrated, over the planes.
        scores: over the plane images, the most probable plane as the answer.
        intervals: figure -> 95 % interval by patient.
        coverage: with the reject answer.
        skipped_labels: label -> images left out because the model does not know it.
    """

    name: str
    digest: str
    labels: tuple[str, ...]
    dataset: Dataset
    predictions: tuple[Prediction, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    scores: Scores
    intervals: dict[str, Interval]
    coverage: Coverage
    skipped_labels: dict[str, int]

    @property
    def answers(self) -> NDArray[np.int64]:
        """(M,) number of the most probable plane."""
        return np.asarray(self.probabilities.argmax(1), np.int64)


def evaluation_from_session(
    session: Session,
    dataset: Dataset,
    refused: Collection[str],
    skip_unknown: bool,
    progress: Callable[[str, float], None],
) -> Evaluation:
    """Let a bundle answer a dataset.

    Args:
        session: the loaded bundle.
        dataset: labelled images.
        refused: labels of images that are no plane of the model and should be refused.
        skip_unknown: leave images of other labels out instead of raising.
        progress: told what is done, 0..1.

    Raises:
        LabelsError: a label the model does not know, or no image of one of its planes.
        ImageError: an image cannot be read.
    """
    planes = tuple(label.id for label in session.manifest.planes)
    dataset, skipped = _known(dataset, {*planes, *refused, *session.manifest.reject_labels}, planes, skip_unknown)
    predictions = []
    for index, sample in enumerate(dataset.samples):
        predictions.append(session.classify(load_image(dataset.path(sample))))
        progress("classifying", (index + 1) / len(dataset.samples))
    truth = np.array([planes.index(s.label) if s.label in planes else -1 for s in dataset.samples])
    rows = [dict(prediction.top) for prediction in predictions]
    probabilities = np.array([[row[plane] for plane in planes] for row in rows])
    on_plane = truth >= 0
    scores = scores_from_probabilities(truth[on_plane], probabilities[on_plane], planes)
    patients = [s.patient for s, is_plane in zip(dataset.samples, on_plane, strict=True) if is_plane]
    return Evaluation(
        name=f"{session.manifest.name} {session.manifest.precision}",
        digest=session.digest,
        labels=planes,
        dataset=dataset,
        predictions=tuple(predictions),
        truth=truth,
        probabilities=probabilities,
        scores=scores,
        intervals=_intervals(truth[on_plane], probabilities[on_plane].argmax(1), patients),
        coverage=_coverage(predictions, truth, planes),
        skipped_labels=skipped,
    )


@dataclass(frozen=True)
class Comparison:
    """A second bundle against a first, on the same images.

    Attributes:
        name, reference: the two.
        f1_drop: macro-F1 of the reference minus this one's, in points (hundredths).
        f1_drop_interval: 95 % by patient.
        agreement: share of images with the same most probable plane, 0..1.
        agreement_interval: 95 % by patient.
    """

    name: str
    reference: str
    f1_drop: float
    f1_drop_interval: Interval
    agreement: float
    agreement_interval: Interval


def comparison_from_evaluations(evaluation: Evaluation, reference: Evaluation) -> Comparison:
    """Compare two evaluations of the same dataset.

    Raises:
        LabelsError: the two have other planes, or answered other images.
    """
    if evaluation.labels != reference.labels:
        raise LabelsError(
            f"{evaluation.name} and {reference.name} have different planes.", "Compare bundles of the same labels."
        )
    if evaluation.dataset != reference.dataset:
        raise LabelsError(
            f"{evaluation.name} answered other images than {reference.name}: their reject labels differ.",
            "Give only images of their planes, or evaluate the bundles one by one.",
        )
    rows = reference.truth >= 0
    truth, ours, theirs = reference.truth[rows], evaluation.answers[rows], reference.answers[rows]
    classes = len(reference.labels)
    same = evaluation.answers == reference.answers
    patients = [sample.patient for sample in reference.dataset.samples]
    on_plane = [patient for patient, is_plane in zip(patients, rows, strict=True) if is_plane]

    def drop(weights: NDArray[np.float64] | None) -> float:
        f1 = [f1_from_confusion(confusion_from_answers(truth, x, classes, weights)).mean() for x in (theirs, ours)]
        return float(100 * (f1[0] - f1[1]))

    return Comparison(
        evaluation.name,
        reference.name,
        drop(None),
        interval_by_patient(drop, on_plane),
        float(same.mean()),
        interval_by_patient(lambda weights: float(np.average(same, weights=weights)), patients),
    )


def _known(
    dataset: Dataset, known: Collection[str], planes: Collection[str], skip_unknown: bool
) -> tuple[Dataset, dict[str, int]]:
    skipped: dict[str, int] = {}
    for sample in dataset.samples:
        if sample.label not in known:
            skipped[sample.label] = skipped.get(sample.label, 0) + 1
    if skipped and not skip_unknown:
        raise LabelsError(
            f"The model does not know the label {', '.join(sorted(skipped))} (it knows: {', '.join(sorted(known))}).",
            "Correct the labels, or leave those images out with --skip-unknown.",
        )
    kept = dataset.where(labels=known)
    if not any(sample.label in planes for sample in kept.samples):
        raise LabelsError("No image shows a plane of this model.", f"Its planes are: {', '.join(planes)}.")
    return kept, skipped


def _intervals(truth: NDArray[np.int64], answers: NDArray[np.int64], patients: list[str]) -> dict[str, Interval]:
    classes = int(max(truth.max(), answers.max())) + 1

    def f1(weights: NDArray[np.float64]) -> float:
        return float(f1_from_confusion(confusion_from_answers(truth, answers, classes, weights)).mean())

    right = truth == answers
    return {
        "macro_f1": interval_by_patient(f1, patients),
        "accuracy": interval_by_patient(lambda weights: float(np.average(right, weights=weights)), patients),
    }


def _coverage(predictions: list[Prediction], truth: NDArray[np.int64], planes: tuple[str, ...]) -> Coverage:
    accepted = np.array([prediction.accepted for prediction in predictions])
    right = np.array([p.plane == planes[t] if t >= 0 else False for p, t in zip(predictions, truth, strict=True)])
    on_plane = truth >= 0
    off_plane = ~on_plane
    return Coverage(
        accepted=float(accepted[on_plane].mean()) if on_plane.any() else None,
        accuracy_accepted=float(right[on_plane & accepted].mean()) if (on_plane & accepted).any() else None,
        refused_n=int(off_plane.sum()),
        refused=float((~accepted[off_plane]).mean()) if off_plane.any() else None,
    )
