"""Bundle + labelled images -> Evaluation: the device's own answers against the truth, with intervals by patient.

Every image goes the way of the bedside (load, check, preprocess, engine, decision), one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.dataset import Dataset, Sample
from calibration.metrics import (
    Scores,
    confusion_from_answers,
    f1_from_confusion,
    interval_by_patient,
    scores_from_probabilities,
)
from edge.errors import DeviceError, LabelsError
from edge.manifest import Manifest
from edge.prediction import Prediction
from edge.session import Session
from edge.sources.images import load_image

Interval = tuple[float, float]
GRADES_ITSELF = "The bundle's temperature and threshold were set on these very images: what it accepts is flattered."


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
        manifest: of the bundle.
        features: (M,D) mean of the network's last map; None where they were not asked for or the engine has none.
        others: images of labels that the model does not know, answered and not scored.
        grades_itself: the bundle's temperature and threshold were set on these very images.
        copies: images whose bytes another one has, too, and those of them whose copies have different labels.
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
    manifest: Manifest
    features: NDArray[np.float32] | None = None
    others: tuple[tuple[Sample, Prediction], ...] = ()
    grades_itself: bool = False
    copies: tuple[int, int] = (0, 0)

    @property
    def answers(self) -> NDArray[np.int64]:
        """(M,) number of the most probable plane."""
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """(M,) whether the answer is a plane."""
        return np.array([prediction.accepted for prediction in self.predictions])

    @property
    def patients(self) -> list[str]:
        """M names of patients, empty where unknown."""
        return [sample.person for sample in self.dataset.samples]

    @property
    def plane_patients(self) -> list[str]:
        """The same of the plane images alone."""
        return [name for name, truth in zip(self.patients, self.truth, strict=True) if truth >= 0]


def evaluation_from_session(
    session: Session,
    dataset: Dataset,
    refused: Collection[str],
    skip_unknown: bool,
    progress: Callable[[str, float], None],
    *,
    others: Dataset | None = None,
    with_features: bool = False,
) -> Evaluation:
    """Let a bundle answer a dataset.

    Args:
        session: the loaded bundle.
        dataset: labelled images.
        refused: labels of images that are no plane of the model and should be refused.
        skip_unknown: leave images of other labels out instead of raising.
        progress: told what is done, 0..1.
        others: of these, the images whose label the model does not know are answered too, and not scored.
        with_features: keep the network's features; runs it a second time on every image.

    Raises:
        LabelsError: a label the model does not know, no image of one of its planes, or no other image in `others`.
        ImageError: an image cannot be read.
    """
    planes = tuple(label.id for label in session.manifest.planes)
    known = {*planes, *refused, *session.manifest.reject_labels}
    given = dataset
    dataset, skipped = _known(given, known, planes, skip_unknown)
    unknown = _unknown(others, known) if others else None
    predictions, features = _answers(session, dataset, with_features, lambda share: progress("classifying", share))
    truth = np.array([planes.index(s.label) if s.label in planes else -1 for s in dataset.samples])
    rows = [dict(prediction.top) for prediction in predictions]
    probabilities = np.array([[row[plane] for plane in planes] for row in rows])
    on_plane = truth >= 0
    scores = scores_from_probabilities(truth[on_plane], probabilities[on_plane], planes)
    patients = [s.person for s, is_plane in zip(dataset.samples, on_plane, strict=True) if is_plane]
    marked = " SYNTHETIC" if session.manifest.watermark else ""
    return Evaluation(
        name=f"{session.manifest.name} {session.manifest.precision}{marked}",
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
        manifest=session.manifest,
        features=features,
        others=_others(session, unknown, lambda share: progress("other images", share)) if unknown else (),
        grades_itself=_grades_itself(session.manifest, given),
        copies=dataset.copies,
    )


def _answers(
    session: Session, dataset: Dataset, with_features: bool, progress: Callable[[float], None]
) -> tuple[list[Prediction], NDArray[np.float32] | None]:
    """One prediction an image, and (M,D) the last maps' means over their pixels."""
    predictions, features = [], []
    for index, sample in enumerate(dataset.samples):
        frame = load_image(dataset.path(sample))
        predictions.append(session.classify(frame))
        if with_features:
            try:
                features.append(session.features(frame).mean((0, 1)))
            except DeviceError:  # an engine without this output: the report says so, its other parts stand
                with_features = False
        progress((index + 1) / len(dataset.samples))
    return predictions, np.stack(features) if with_features else None


def _others(
    session: Session, dataset: Dataset, progress: Callable[[float], None]
) -> tuple[tuple[Sample, Prediction], ...]:
    predictions, _ = _answers(session, dataset, False, progress)
    return tuple(zip(dataset.samples, predictions, strict=True))


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


def _unknown(others: Dataset, known: Collection[str]) -> Dataset:
    found = others.where(labels=set(others.labels) - set(known))
    if not found.samples:
        raise LabelsError(
            f"The model knows every label of the other images: {', '.join(others.labels)}.",
            "Give images of other labels with --others; score images of known ones with --data.",
        )
    return found


def _grades_itself(manifest: Manifest, dataset: Dataset) -> bool:
    is_measured, facts = manifest.decision.n > 0, manifest.calibration
    return is_measured and len(dataset.samples) == facts.n and dataset.digest == facts.dataset


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
