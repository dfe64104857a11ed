"""Rows of the study against each other on the same images: what ships against the rest, and what one change gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.comparison import check_comparable, comparison_from_evaluations
from calibration.evaluate import Evaluation
from calibration.metrics import confusion_from_answers, f1_from_confusion, interval_by_patient

LARGEST = 30e6  # parameters of a comparator that a student is measured against
OURS = ("edge_n", "edge_s")
KD, TWIN = "-kd", "_noscan"  # of a row's id: distilled, without a scan
TEACHERS, SCAN = "teachers", "scan"

Evaluations = Mapping[str, Evaluation]  # row-seed -> what its INT8 bundle answers


def shipped_pairs(evaluations: Evaluations) -> list[dict[str, Any]]:
    """What ships against the best comparators, the plain student, the distilled one and the twin; seed 0 of each."""
    made = []
    for model in OURS:
        ours = f"{model}-ships-0"
        others = [best_comparator(evaluations, ""), best_comparator(evaluations, KD)]
        others += [f"{model}-0", f"{model}{KD}-0", f"{model}{TWIN}-0"]
        for other in [name for name in others if {name, ours} <= evaluations.keys()]:
            found = comparison_from_evaluations(evaluations[other], evaluations[ours])
            interval = [round(end, 2) for end in found.f1_drop_interval]
            pair = {"ours": ours, "other": other, "points": round(found.f1_drop, 2), "interval": interval}
            made.append({**pair, "mcnemar_p": found.mcnemar.p})
    return made


def best_comparator(evaluations: Evaluations, kind: str) -> str:
    """Name of the best network of somebody else's, of at most 30 M parameters, plain or distilled; empty if none."""
    rows = {name: evaluation for name, evaluation in evaluations.items() if name.endswith("-0") and is_comparator(name)}
    small = [n for n, e in rows.items() if (KD in n) is bool(kind) and e.manifest.model.parameters <= LARGEST]
    return max(small, key=lambda name: rows[name].scores.macro_f1, default="")


def is_comparator(name: str) -> bool:
    """Whether a training is of somebody else's network, and no teacher."""
    return not name.startswith(("edge_", "vmamba", "sononet", "efficientnet_lite"))


def gains(evaluations: Evaluations) -> list[dict[str, Any]]:
    """What teachers gain a network, and a scan its twin: all seeds that both sides have, at one schedule."""
    seeds: dict[str, set[str]] = {}
    for name in evaluations:
        row, _, seed = name.rpartition("-")
        seeds.setdefault(row, set()).add(seed)
    made = []
    for row in seeds:
        without = {TEACHERS: row.removesuffix(KD) if row.endswith(KD) else "", SCAN: twin_of(row)}
        for change, other in without.items():
            common = sorted(seeds[row] & seeds.get(other, set()))
            if common:
                points, interval = gain(*([evaluations[f"{r}-{s}"] for s in common] for r in (row, other)))
                pair = {"change": change, "row": row, "other": other, "seeds": [int(seed) for seed in common]}
                made.append({**pair, "points": round(points, 2), "interval": [round(end, 2) for end in interval]})
    return sorted(made, key=lambda pair: pair["change"] == SCAN)


def twin_of(row: str) -> str:
    """Id of the row that differs by the missing scan alone; empty if there is none."""
    return next((row.replace(model, model + TWIN) for model in OURS if row in (model, model + KD)), "")


def gain(ours: Sequence[Evaluation], others: Sequence[Evaluation]) -> tuple[float, tuple[float, float]]:
    """Macro-F1 of the ones minus that of the others, mean over seeds, in points; the images are drawn again by patient.

    Args:
        ours: an evaluation a seed.
        others: the same seeds.

    Returns:
        Points (hundredths) and their 95 % interval; it holds the choice of patients, not that of seeds.

    Raises:
        LabelsError: two of them answered other images, or have other planes.
    """
    for evaluation in (*ours[1:], *others):
        check_comparable(evaluation, ours[0])
    rows, classes = ours[0].truth >= 0, len(ours[0].labels)
    truth = ours[0].truth[rows]

    def points(weights: NDArray[np.float64] | None) -> float:
        sides = [
            [f1_from_confusion(confusion_from_answers(truth, e.answers[rows], classes, weights)).mean() for e in side]
            for side in (ours, others)
        ]
        return float(100 * (np.mean(sides[0]) - np.mean(sides[1])))

    return points(None), interval_by_patient(points, ours[0].plane_patients)
