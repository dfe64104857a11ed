"""Answers of the folds to their own test images -> one table of predictions, and scores over it.

::

    fold i: logits of val --decision_from_logits--> temperature, threshold --+
            logits of test --------------------------------------------------+--> predictions --+
    ... every fold -----------------------------------------------------------------------------+--> OutOfFold
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Dataset, Sample
from calibration.decision import decision_from_logits
from compile.training.crossval.answers import Answers
from compile.training.crossval.folds import TEST, VAL, Fold
from compile.training.scored import scores_with_intervals, shares_with_intervals
from edge.decision import Decision
from edge.postprocess import prediction_from_logits, probabilities_from_logits
from edge.prediction import Prediction

COLUMNS = ("file", "dataset", "patient", "machine", "operator", "label", "fold", "plane", "answer", "accepted")
DIGITS = 6  # of a probability in the table


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of images by models that never saw their patients.

    Attributes:
        labels: of the models, in the order of `probabilities`.
        planes: those of them that are planes.
        samples: M images.
        folds: M names of the fold whose model answered.
        predictions: M answers, by temperature and threshold as the fold's own bundle would; no frame counts as unfit.
        probabilities: (M,K), calibrated with the fold's temperature.
    """

    labels: tuple[str, ...]
    planes: tuple[str, ...]
    samples: tuple[Sample, ...]
    folds: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    probabilities: NDArray[np.float64]

    def where(self, is_kept: Callable[[Sample, str], bool]) -> OutOfFold:
        """Some of the images.

        Args:
            is_kept: image and fold -> whether it stays.
        """
        rows = [
            i for i, (sample, fold) in enumerate(zip(self.samples, self.folds, strict=True)) if is_kept(sample, fold)
        ]
        samples, folds = tuple(self.samples[i] for i in rows), tuple(self.folds[i] for i in rows)
        predictions = tuple(self.predictions[i] for i in rows)
        return OutOfFold(self.labels, self.planes, samples, folds, predictions, self.probabilities[rows])


def decision_from_fold(fold: Fold, answers: Answers) -> Decision:
    """Temperature and threshold, as `edge compile` measures them.

    Args:
        fold: whose val part is used.
        answers: to the held-out images of the fold.
    """
    rows = [index for index, sample in enumerate(fold.held_out.samples) if sample.split == VAL]
    truth = [fold.held_out.samples[index].label for index in rows]
    return decision_from_logits(answers.logits[rows], truth, answers.labels, answers.reject_labels)


def predictions_from_fold(fold: Fold, answers: Answers, decision: Decision) -> OutOfFold:
    """The fold's test images; answers as in `decision_from_fold`."""
    rows = [index for index, sample in enumerate(fold.held_out.samples) if sample.split == TEST]
    samples = tuple(fold.held_out.samples[index] for index in rows)
    return _decided(samples, fold.name, answers, answers.logits[rows], decision)


def predictions_of_cohort(cohort: Dataset, name: str, answers: Answers, decision: Decision) -> OutOfFold:
    """Images of another cohort, answered by the model of the fold of that name."""
    return _decided(cohort.samples, name, answers, answers.logits, decision)


def joined(parts: Sequence[OutOfFold]) -> OutOfFold:
    """All folds in one; at least one, all of the same labels."""
    return OutOfFold(
        parts[0].labels,
        parts[0].planes,
        tuple(sample for part in parts for sample in part.samples),
        tuple(fold for part in parts for fold in part.folds),
        tuple(prediction for part in parts for prediction in part.predictions),
        np.concatenate([part.probabilities for part in parts]),
    )


def figures(answered: OutOfFold) -> dict[str, Any]:
    """Scores over the plane images, with intervals by patient, and what the reject answer does.

    Args:
        answered: at least one image.

    Returns:
        The names of `edge evaluate --json`; no scores where no image shows a plane.
    """
    planes = answered.planes
    truth = np.array([planes.index(s.label) if s.label in planes else -1 for s in answered.samples])
    on_plane = truth >= 0
    accepted = np.array([prediction.accepted for prediction in answered.predictions])
    people = [s.person or f"\0{s.file}" for s in answered.samples]
    found: dict[str, Any] = {"images": len(people), "patients": len(set(people))}
    right = np.zeros(len(truth), bool)
    if on_plane.any():
        columns = [answered.labels.index(plane) for plane in planes]
        probabilities = answered.probabilities[on_plane][:, columns]
        right[on_plane] = probabilities.argmax(1) == truth[on_plane]
        patients = [name for name, shown in zip(people, on_plane, strict=True) if shown]
        found |= scores_with_intervals(truth[on_plane], probabilities, patients, planes)
    return found | {"coverage": _coverage(accepted, right, on_plane, people)}


def csv_from_predictions(answered: OutOfFold) -> bytes:
    """The table: a row an image, a column a label's probability; `plane` is the most probable plane."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*COLUMNS, *answered.labels))
    rows = zip(answered.samples, answered.folds, answered.predictions, answered.probabilities, strict=True)
    for s, fold, p, chances in rows:
        who = (s.file, s.dataset, s.patient, s.machine, s.operator, s.label)
        shares = (f"{chance:.{DIGITS}f}" for chance in chances)
        writer.writerow((*who, fold, p.plane, p.answer, int(p.accepted), *shares))
    return stream.getvalue().encode()


def _decided(
    samples: tuple[Sample, ...], fold: str, answers: Answers, logits: NDArray[np.float32], decision: Decision
) -> OutOfFold:
    planes = tuple(label for label in answers.labels if label not in answers.reject_labels)
    said = tuple(prediction_from_logits(row, answers.labels, answers.reject_labels, decision) for row in logits)
    probabilities = probabilities_from_logits(logits, decision.temperature)
    return OutOfFold(answers.labels, planes, samples, (fold,) * len(samples), said, probabilities)


def _coverage(
    accepted: NDArray[np.bool_], right: NDArray[np.bool_], on_plane: NDArray[np.bool_], patients: Sequence[str]
) -> dict[str, Any]:
    shares = {
        "accepted": (accepted, on_plane),
        "accuracy_accepted": (right, on_plane & accepted),
        "right_kept": (accepted, right),
        "refused": (~accepted, ~on_plane),
    }
    return {"refused_n": int((~on_plane).sum()), **shares_with_intervals(shares, patients)}
