"""What was tried beside longer training: networks that vote, and answers corrected for how often a plane occurs.

`python -m tests.study.tried --data LABELS.csv --work build/study` -> docs/evidence/study_tried.json. The held-out split
val may choose; the split test is shown beside it and chooses nothing.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.evaluate import Evaluation
from calibration.metrics import interval_by_patient, macro_f1
from calibration.samples_set import checked_dataset, split_dataset
from edge.files import write_atomic
from tests.study.rows import trainings
from tests.study.table import evaluated

Probabilities = NDArray[np.float64]
EXPONENTS = (0.35, 0.7, 1.0)  # of the planes' frequencies; training draws planes as if it were 0.3 of them
SET = "fpdb"  # the data set that both splits come from; a plane of another one counts as rare
SHIPS = "-ships"
SMALLEST = 1e-9


def main() -> None:
    """Evaluate the float bundles that are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the compact set's labels.csv")
    parser.add_argument("--work", type=Path, default=Path("build/study"))
    parser.add_argument("--output", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    frequencies = Counter(s.label for s in checked_dataset(arguments.data).where(split="train", dataset=SET).samples)
    ready = [t for t in trainings() if not t.by and t.seed == 0 and (arguments.work / f"{t.name}.json").is_file()]
    document: dict[str, Any] = {"schema": 1, "precision": "fp32", "split val": "may choose", "split test": "shown only"}
    teachers = sorted({f"{teacher}-0" for training in ready for teacher in training.teachers if SHIPS in training.row})
    for split in ("val", "test"):
        dataset = split_dataset(None, split)
        found = {t.name: evaluated(arguments.work / f"{t.name}-fp32.edge", dataset) for t in ready}
        document[split] = figures_from_evaluations(found, teachers, frequencies)
    write_atomic(arguments.output / "evidence" / "study_tried.json", (json.dumps(document, indent=1) + "\n").encode())
    print(json.dumps(document, indent=1))


def figures_from_evaluations(
    found: Mapping[str, Evaluation], teachers: Sequence[str], frequencies: Mapping[str, int]
) -> dict[str, Any]:
    """Way of answering -> macro-F1 with its interval by patient, and the mean negative log-likelihood of the truth."""
    one = next(iter(found.values()))
    on_plane = one.truth >= 0
    single = {name: evaluation.probabilities[on_plane] for name, evaluation in found.items()}
    ways = dict(single)
    ships = [name for name in single if SHIPS in name]
    ways["teachers of what ships, mean"] = mean_of(single, teachers)
    for name in ships:
        ways[f"{name} and its teachers, mean"] = mean_of(single, [name, *teachers])
    ways["everything trained, mean"] = mean_of(single, list(single))
    for name in ships:
        for exponent in EXPONENTS:
            weights = np.array([frequencies.get(label, 1) for label in one.labels], np.float64) ** exponent
            ways[f"{name}, planes weighted by frequency^{exponent}"] = single[name] * weights
    truth, patients = one.truth[on_plane], one.plane_patients
    return {name: figure(truth, probabilities, patients) for name, probabilities in ways.items()}


def mean_of(single: Mapping[str, Probabilities], names: Sequence[str]) -> Probabilities:
    """The mean vote of several networks."""
    return np.asarray(np.mean([single[name] for name in names], axis=0))


def figure(truth: NDArray[np.int64], probabilities: Probabilities, patients: Sequence[str]) -> dict[str, Any]:
    """One way's figures."""
    answers = np.asarray(probabilities.argmax(1), np.int64)
    low, high = interval_by_patient(partial(macro_f1, truth, answers), patients)
    right = probabilities[np.arange(len(truth)), truth] / probabilities.sum(1)
    return {
        "macro_f1": round(macro_f1(truth, answers), 4),
        "macro_f1_interval": [round(low, 4), round(high, 4)],
        "nll": round(float(-np.log(np.maximum(right, SMALLEST)).mean()), 4),
        "n": len(truth),
    }


if __name__ == "__main__":
    main()
