"""Evaluations whose probabilities a test chooses: rows in, what `edge evaluate` would have made of them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration.dataset import Dataset, Sample
from calibration.evaluate import Coverage, Evaluation
from calibration.metrics import scores_from_probabilities
from edge.decision import Decision
from edge.manifest import Label
from edge.postprocess import prediction_from_logits
from tests.edge.conftest import MANIFEST

PLANES = ("abdomen", "femur")


@dataclass(frozen=True)
class Shown:
    """One image: its label, the probabilities of abdomen, femur and not_standard, and whose it is."""

    label: str
    chances: tuple[float, float, float]
    patient: str = ""
    machine: str = ""
    operator: str = ""
    unfit: str | None = None


def evaluation_from_shown(
    rows: Sequence[Shown], threshold: float | None = 0.6, planes: tuple[str, str] = PLANES, root: Path = Path()
) -> Evaluation:
    """The evaluation of a bundle with these two planes and a reject label; files are named 0.png, 1.png, ..."""
    labels = (*(Label(plane, plane, plane) for plane in planes), MANIFEST.labels[2])
    decision = Decision(temperature=1.0, threshold=threshold, n=100, kept=0.95, method="test")
    manifest = replace(MANIFEST, labels=labels, decision=decision)
    samples = tuple(
        Sample(f"{number}.png", row.label, "test", row.patient, row.machine, row.operator, "test set")
        for number, row in enumerate(rows)
    )
    predictions = tuple(
        prediction_from_logits(
            np.log(np.array(row.chances, np.float32)), manifest.label_ids, manifest.reject_labels, decision, row.unfit
        )
        for row in rows
    )
    probabilities = np.array([[dict(prediction.top)[plane] for plane in planes] for prediction in predictions])
    truth = np.array([planes.index(row.label) if row.label in planes else -1 for row in rows])
    accepted = np.array([prediction.accepted for prediction in predictions])
    on, right = truth >= 0, probabilities.argmax(1) == truth
    return Evaluation(
        name="made int8",
        digest="0" * 64,
        labels=planes,
        dataset=Dataset(root, samples),
        predictions=predictions,
        truth=truth,
        probabilities=probabilities,
        scores=scores_from_probabilities(truth[on], probabilities[on], planes),
        intervals={"macro_f1": (0.0, 1.0), "accuracy": (0.0, 1.0)},
        coverage=Coverage(
            accepted=float(accepted[on].mean()),
            accuracy_accepted=float(right[on & accepted].mean()) if (on & accepted).any() else None,
            refused_n=int((~on).sum()),
            refused=float((~accepted[~on]).mean()) if (~on).any() else None,
        ),
        skipped_labels={},
        manifest=manifest,
    )


def sure(label: str, plane: int, probability: float, **who: str) -> Shown:
    """An image answered with one of the two planes at a probability; the rest lies on the other plane and nothing."""
    chances = [(1 - probability) / 2] * 3
    chances[plane] = probability
    return Shown(label, (chances[0], chances[1], chances[2]), **who)
