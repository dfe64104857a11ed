"""Rows of the study against each other on the same images: what ships against the rest, and what one change gains."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.evaluate import Evaluation, Interval
from calibration.mcnemar import mcnemar_from_answers
from calibration.metrics import confusion_from_answers, f1_from_confusion, interval_by_patient
from edge.errors import LabelsError
from edge.files import sha256_from_bytes
from edge.prediction import NOT_STANDARD

LARGEST = 30e6  # parameters of a comparator that a student is measured against
OURS = ("edge_n", "edge_s")
BRAIN = "brain_"  # begin of the labels of one body region that sets of fewer classes take together
KD, TWIN = "-kd", "_noscan"  # in a row's id: distilled, without a scan
UNDECAYED = "-undecayed"  # a scan's time steps free of weight decay
TEACHERS, SCAN, PRETRAINING, DECAY, AUGMENTATION = "teachers", "scan", "pretraining", "decay", "augmentation"
DECOUPLED, RANKED, NETWORK = "dkd", "dist", "network"
CHANGES = {
    TEACHERS: KD,
    PRETRAINING: "-masked",
    DECAY: UNDECAYED,
    AUGMENTATION: "-weak",
    DECOUPLED: "-dkd",
    RANKED: "-dist",
}

Row = Mapping[str, Any]  # as study.json keeps it; `answers` are the most probable planes of its INT8 bundle
Rows = Mapping[str, Row]  # row-seed -> row


@dataclass(frozen=True)
class Answered:
    """The images that every row answers.

    Attributes:
        digest: of the images.
        labels: planes that a model knows.
        truth: (M,) plane number; -1 for an image that is no plane.
        patients: of the plane images, one name each; empty where unknown.
    """

    digest: str
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    patients: list[str]


def answered_from_folds(path: Path) -> tuple[Answered, list[int]]:
    """The images that a cross-validation tested, fold by fold, and its answers to them.

    Args:
        path: `predictions.csv` of `edge crossval`.
    """
    with path.open(newline="", encoding="utf-8") as file:
        lines = sorted(csv.DictReader(file), key=lambda line: line["file"])
    columns = list(lines[0])
    labels = columns[columns.index("accepted") + 1 : columns.index(NOT_STANDARD)]
    truth = np.array([labels.index(line["label"]) if line["label"] in labels else -1 for line in lines])
    shown = [line for line in lines if line["label"] in labels]
    numbers = {name: str(number) for number, name in enumerate(dict.fromkeys(line["patient"] for line in shown))}
    patients = ["" if not line["patient"] else numbers[line["patient"]] for line in shown]
    digest = sha256_from_bytes(json.dumps([(line["file"], line["label"]) for line in lines]).encode())
    return Answered(digest, tuple(labels), truth, patients), [labels.index(line["plane"]) for line in lines]


def answered_from_evaluation(evaluation: Evaluation) -> Answered:
    """What an evaluation says of its images."""
    return Answered(evaluation.dataset.digest, evaluation.labels, evaluation.truth, evaluation.plane_patients)


def shipped_pairs(rows: Rows, images: Answered) -> list[dict[str, Any]]:
    """What ships against the best comparators, its best teacher, the plain student, the distilled one and the twin."""
    plain, taught = (f"{best_comparator(rows, kind)}-0" for kind in ("", KD))
    made = []
    for model in OURS:
        ships = f"{model}-ships-0"
        others = [plain, taught, best_teacher(rows, ships), f"{model}-0", f"{model}{KD}-0", f"{model}{TWIN}-0"]
        made += [pair_of(ships, other, rows, images) for other in others if {ships, other} <= rows.keys()]
    return made


def fold_pairs(rows: Rows, images: Answered) -> list[dict[str, Any]]:
    """Pooled answers of a cross-validation: students against others taught alike, and what teachers gain a network."""
    against = []
    for ours in (name for name in rows if name.startswith(OURS) and TWIN not in name):
        alike = [other for other in rows if (KD in other) is (KD in ours)]
        smaller = [other for other in alike if ours.startswith(OURS[1]) and other.startswith(f"{OURS[0]}-")]
        against += [(ours, other) for other in alike if is_comparator(other) or TWIN in other or other in smaller]
    against += [(name, name.replace(KD, "")) for name in rows if KD in name]
    return [pair_of(ours, other, rows, images) for ours, other in against if other in rows]


def pair_of(ours: str, other: str, rows: Rows, images: Answered) -> dict[str, Any]:
    """Two rows on the same images."""
    points, interval = difference([rows[ours]], [rows[other]], images)
    right = [planes_of(rows[name], images) == images.truth[images.truth >= 0] for name in (ours, other)]
    pair = {"ours": ours, "other": other, "points": round(points, 2)}
    return {**pair, "interval": [round(end, 2) for end in interval], "mcnemar_p": mcnemar_from_answers(*right).p}


def best_teacher(rows: Rows, taught: str) -> str:
    """Name of the teacher with the highest macro-F1 of a row, of at most 30 M parameters; empty if none."""
    names = [f"{teacher}-0" for teacher in rows.get(taught, {}).get("teachers", ())]
    small = [name for name in names if name in rows and rows[name]["parameters"] <= LARGEST]
    return max(small, key=lambda name: float(rows[name]["int8"]["macro_f1"]), default="")


def best_comparator(rows: Rows, kind: str) -> str:
    """Id of the best row of somebody else's network of at most 30 M parameters, mean over its seeds; empty if none.

    Args:
        rows: every training.
        kind: `-kd` for distilled rows, empty for those without teachers.
    """
    scores: dict[str, list[float]] = {}
    for name, row in rows.items():
        if is_comparator(name) and (KD in name) is bool(kind) and row["parameters"] <= LARGEST:
            scores.setdefault(name.rpartition("-")[0], []).append(float(row["int8"]["macro_f1"]))
    return max(scores, key=lambda row: mean(scores[row]), default="")


def is_comparator(name: str) -> bool:
    """Whether a training is of somebody else's network, and no teacher."""
    return not name.startswith(("edge_", "vmamba", "sononet", "efficientnet_lite"))


def gains(rows: Rows, images: Answered) -> list[dict[str, Any]]:
    """What a change gains a network, a scan its twin, and a student on the best comparator; all at one schedule.

    A change and a scan: the seeds that both sides have; two networks: all seeds of each.
    """
    seeds: dict[str, set[str]] = {}
    for name in rows:
        row, _, seed = name.rpartition("-")
        seeds.setdefault(row, set()).add(seed)
    compared = [(c, row, without_part(row, part)) for row in seeds for c, part in CHANGES.items() if part in row]
    compared += [(SCAN, row, twin_of(row)) for row in seeds]
    further = [part for part in CHANGES.values() if part != KD]
    usual = {name: row for name, row in rows.items() if not any(part in name for part in further)}
    compared += [(NETWORK, f"{model}{kind}", best_comparator(usual, kind)) for kind in ("", KD) for model in OURS]
    made = []
    for change, row, other in compared:
        ours, others = (seeds.get(side, set()) for side in (row, other))
        if change != NETWORK:
            ours = others = ours & others
        if ours and others:
            sides = [[rows[f"{name}-{s}"] for s in sorted(side)] for name, side in ((row, ours), (other, others))]
            points, interval = difference(*sides, images)
            pair = {"change": change, "row": row, "other": other, "seeds": sorted(map(int, ours))}
            pair |= {"seeds_other": sorted(map(int, others)), "points": round(points, 2)}
            made.append({**pair, "interval": [round(end, 2) for end in interval]})
    return made


def without_part(row: str, part: str) -> str:
    """Id of the row that lacks one change alone: for `-kd` of `edge_n-kd-weak` it is `edge_n-weak`."""
    head, _, tail = row.partition(part)
    return head + tail if tail in CHANGES.values() else head


def twin_of(row: str) -> str:
    """Id of the row that differs by the missing scan alone; empty if there is none."""
    plain = row.removesuffix(UNDECAYED)
    return next((plain.replace(model, model + TWIN) for model in OURS if plain in (model, model + KD)), "")


def difference(ours: Sequence[Row], others: Sequence[Row], images: Answered) -> tuple[float, Interval]:
    """Macro-F1 of the ones minus that of the others, mean over seeds, in points; the images are drawn again by patient.

    Args:
        ours: a row a seed.
        others: a row a seed.
        images: that all of them answered.

    Returns:
        Points (hundredths) and their 95 % interval; it holds the choice of patients, not that of seeds.

    Raises:
        LabelsError: one of them answered another number of images.
    """
    truth, planes = images.truth[images.truth >= 0], len(images.labels)
    sides = [[planes_of(row, images) for row in side] for side in (ours, others)]

    def points(weights: NDArray[np.float64] | None) -> float:
        means = [
            np.mean([f1_from_confusion(confusion_from_answers(truth, a, planes, weights)).mean() for a in side])
            for side in sides
        ]
        return float(100 * (means[0] - means[1]))

    return points(None), interval_by_patient(points, images.patients)


def f1_with_one_brain(row: Row, images: Answered) -> float:
    """Macro-F1 of a row where the planes of the brain count as one."""
    regions = [BRAIN if label.startswith(BRAIN) else label for label in images.labels]
    names = list(dict.fromkeys(regions))
    numbers = np.array([names.index(region) for region in regions])
    truth, answers = numbers[images.truth[images.truth >= 0]], numbers[planes_of(row, images)]
    return float(f1_from_confusion(confusion_from_answers(truth, answers, len(names), None)).mean())


def planes_of(row: Row, images: Answered) -> NDArray[np.int64]:
    """A row's answers to the plane images, (N,)."""
    answers = np.array(row["answers"], np.int64)
    if answers.shape != images.truth.shape:
        raise LabelsError(f"{row['name']} answered {len(answers)} images of {len(images.truth)}.", "Evaluate it again.")
    return np.asarray(answers[images.truth >= 0])
