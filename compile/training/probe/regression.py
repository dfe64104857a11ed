"""Linear probing: vectors of a frozen encoder -> how well a linear classifier on them answers.

::

    train (M,D) --standardised--> multinomial logistic regression, C by cross-validation over its patients
    test  (M,D) ------------------------> probabilities --> scores with intervals by patient
    few: N images a class, drawn again and again --> mean and spread of macro-F1

Nothing is chosen on the test images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.metrics import macro_f1
from compile.training.scored import scores_with_intervals
from edge.errors import LabelsError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # C; on standardised vectors the best one lies inside
CUTS = 5  # of the training images, to choose C by
FEW_C = 0.1  # of a few images, on which nothing can be chosen
STEPS = 5000  # of the solver: the weakest penalty converges in some hundred


@dataclass(frozen=True)
class Encoded:
    """Images of planes as an encoder sees them.

    Attributes:
        vectors: (M,D).
        truth: (M,) number of the plane.
        patients: M names; an empty one is a patient of its own.
    """

    vectors: NDArray[np.float32]
    truth: NDArray[np.int64]
    patients: tuple[str, ...]


def probe_from_vectors(train: Encoded, classes: int, seed: int = 0) -> tuple[Pipeline, dict[float, float]]:
    """Fit the probe.

    Args:
        train: images to fit on.
        classes: number of planes.
        seed: of the cuts.

    Returns:
        What answers vectors, and macro-F1 of each C on the cuts; the best one was taken, the smaller among equals.

    Raises:
        LabelsError: a plane has fewer than two patients.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups = np.array([name or f"\0{index}" for index, name in enumerate(train.patients)])
    people = min(len(set(groups[train.truth == number])) for number in range(classes))
    if people < 2:
        raise LabelsError("A plane has images of fewer than two patients to train on.", "Give images of more patients.")
    cuts = StratifiedGroupKFold(min(CUTS, people), shuffle=True, random_state=seed)
    answers = {strength: np.zeros(len(groups), np.int64) for strength in STRENGTHS}
    for rest, part in cuts.split(train.vectors, train.truth, groups):
        for strength, said in answers.items():
            said[part] = _fitted(train.vectors[rest], train.truth[rest], strength).predict(train.vectors[part])
    scores = {strength: macro_f1(train.truth, said) for strength, said in answers.items()}
    best = max(scores, key=lambda strength: (scores[strength], -strength))
    return _fitted(train.vectors, train.truth, best), scores


def scores_from_probe(probe: Pipeline, test: Encoded, labels: Sequence[str]) -> dict[str, Any]:
    """Scores on other images, with intervals by patient.

    Args:
        probe: of `probe_from_vectors`.
        test: at least one image.
        labels: the planes' names.
    """
    probabilities = np.zeros((len(test.truth), len(labels)))
    probabilities[:, probe.classes_] = probe.predict_proba(test.vectors)
    return scores_with_intervals(test.truth, probabilities, test.patients, labels)


def few_shot(
    train: Encoded, test: Encoded, labels: Sequence[str], images: int, draws: int, seed: int = 0
) -> dict[str, Any]:
    """Probe with a few labelled images, several times.

    Args:
        train: to draw from.
        test: to answer.
        labels: the planes' names.
        images: of each plane.
        draws: how often.
        seed: of the first draw; the next ones follow.

    Returns:
        Macro-F1 of each draw, their mean and standard deviation.

    Raises:
        LabelsError: a plane has fewer images.
    """
    scores = []
    for draw in range(draws):
        rng = np.random.default_rng((seed, draw))
        rows: list[int] = []
        for number, label in enumerate(labels):
            own = np.flatnonzero(train.truth == number)
            if len(own) < images:
                raise LabelsError(f"{label} has {len(own)} training images, not {images}.", "Lower --few.")
            rows += rng.choice(own, images, replace=False).tolist()
        probe = _fitted(train.vectors[rows], train.truth[rows], FEW_C)
        scores.append(macro_f1(test.truth, np.asarray(probe.predict(test.vectors), np.int64)))
    spread = float(np.std(scores, ddof=1)) if draws > 1 else None
    return {"images": images, "C": FEW_C, "macro_f1": scores, "mean": float(np.mean(scores)), "deviation": spread}


def _fitted(vectors: NDArray[np.float32], truth: NDArray[np.int64], strength: float) -> Pipeline:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=STEPS))
    return probe.fit(vectors.astype(np.float64), truth)
