"""The study's records -> docs/evidence/study.json and docs/study.md: `python -m tests.study.table --work build/study`.

Every bundle answers the shipped test split as a device would, the float file and the INT8 file of each training. INT8
files are timed together with what ships. Rows of study.json that were trained elsewhere stay, with their answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.benchmark import timings_from_files
from calibration.dataset import Dataset, number_of_people
from calibration.evaluate import Evaluation, evaluation_from_session
from calibration.samples_set import gate_dataset
from compile.training.crossval.report import PREDICTIONS
from edge.commands.terminal import user_keyring
from edge.errors import EdgeError
from edge.files import write_atomic
from edge.protocol import load_protocol
from edge.session import open_session
from tests.study.page import PICTURE, page
from tests.study.paired import (
    Answered,
    answered_from_evaluation,
    answered_from_folds,
    fold_pairs,
    gains,
    shipped_pairs,
)
from tests.study.picture import png_from_rows
from tests.study.rows import trainings
from tests.study.run import edge

RUNS = 60
UNIT = "edge_n"  # the shipped weights' time counts as 1
LEFT_OUT = ("by_machine", "by_operator", "by_dataset", "recipe")


def main() -> None:
    """Evaluate what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/study"))
    parser.add_argument("--output", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    dataset, shipped, evidence = gate_dataset(None), unit(arguments.work), arguments.output / "evidence" / "study.json"
    images = answered_from_evaluation(evaluated(shipped, dataset))
    found = {t.name: t for t in trainings() if (arguments.work / f"{t.name}.json").is_file()}
    made = [name for name, training in found.items() if not training.by]
    times = {t.file: t.p50_ms for t in timed([shipped, *(arguments.work / f"{name}-int8.edge" for name in made)])}
    new = {name: record_of(arguments.work, name) for name in found}
    folds = kept_folds(evidence)
    for name in (name for name, training in found.items() if training.by == "patient"):
        folds, answers = answered_from_folds(arguments.work / name / PREDICTIONS)
        new[name] |= {"images_sha256": folds.digest, "answers": answers}
    for name in made:
        both = {p: evaluated(arguments.work / f"{name}-{p}.edge", dataset) for p in ("int8", "fp32")}
        new[name] |= figures_of_both(both, times[f"{name}-int8.edge"] / times[shipped.name])
    records = {**kept_records(evidence, images.digest), **new}
    rows, crossvals = ([records[n] for n in planned(by_folds) if n in records] for by_folds in (False, True))
    named = {row["name"]: row for row in rows}
    compared = {"pairs": shipped_pairs(named, images), "gains": gains(named, images)}
    document = {"schema": 2, "images_sha256": images.digest, "rows": rows, **compared, "crossval": crossvals}
    if folds is not None:
        same = {row["name"]: row for row in crossvals if row.get("images_sha256") == folds.digest}
        document |= {"fold_images": document_of(folds), "fold_pairs": fold_pairs(same, folds)}
    write_atomic(evidence, (json.dumps(document, indent=1) + "\n").encode())
    patients = number_of_people(images.patients)
    caption = f"{len(images.patients)} test images of {patients} patients; bars: 95 % by patient"
    write_atomic(arguments.output / "study.md", page(document, images).encode())
    write_atomic(arguments.output / PICTURE, png_from_rows(rows, caption))


def planned(by_folds: bool) -> list[str]:
    """Names of the study's trainings on the split, or of its cross-validations, in the order of the page."""
    return [training.name for training in trainings() if bool(training.by) is by_folds]


def unit(work: Path) -> Path:
    """The bundle whose time counts as 1: the shipped weights, compiled where that was not done yet."""
    bundle = work / "unit-int8.edge"
    if not bundle.is_file():
        work.mkdir(parents=True, exist_ok=True)
        edge(["compile", UNIT, "-o", str(bundle), "--no-gate"])
    return bundle


def kept_records(evidence: Path, digest: str) -> dict[str, dict[str, Any]]:
    """Rows that an earlier run evaluated, of trainings that the study still has, on the same images; none at first."""
    if not evidence.is_file():
        return {}
    document = json.loads(evidence.read_text("utf-8"))
    rows = document["rows"] if document.get("images_sha256") == digest else []
    schedules = {training.name: training.epochs for training in trainings()}
    return {row["name"]: row for row in [*rows, *document["crossval"]] if schedules.get(row["name"]) == row["epochs"]}


def kept_folds(evidence: Path) -> Answered | None:
    """Images of the cross-validations that an earlier run compared; None at first."""
    kept = json.loads(evidence.read_text("utf-8")).get("fold_images") if evidence.is_file() else None
    return kept and Answered(kept["sha256"], tuple(kept["labels"]), np.array(kept["truth"]), kept["patients"])


def document_of(folds: Answered) -> dict[str, Any]:
    """The same for study.json; patients are numbers of it alone."""
    truth = [int(number) for number in folds.truth]
    return {"sha256": folds.digest, "labels": list(folds.labels), "truth": truth, "patients": folds.patients}


def record_of(work: Path, name: str) -> dict[str, Any]:
    """What the training's own record says."""
    record = {"name": name, **json.loads((work / f"{name}.json").read_text("utf-8"))}
    return {**record, "crossval": pooled_of(record)} if record["by"] else record


def evaluated(bundle: Path, dataset: Dataset) -> Evaluation:
    """A bundle's answers to a data set."""
    with open_session(bundle, threads=2, keyring=user_keyring()) as session:
        protocol = session.manifest.protocol.id
        refused = load_protocol(protocol).refused if protocol else ()
        return evaluation_from_session(session, dataset, refused, False, lambda *_: None)


def timed(bundles: Sequence[Path]) -> Sequence[Any]:
    """Latencies of all bundles in turns."""
    return timings_from_files(bundles, 1, RUNS, 224, user_keyring(), lambda *_: None)


def figures_of_both(evaluations: Mapping[str, Evaluation], time: float) -> dict[str, Any]:
    """One training's figures, with its answers: intervals can be drawn again without training again.

    Args:
        evaluations: precision -> of its bundle.
        time: latency as a ratio to what ships.
    """
    int8 = evaluations["int8"]
    return {
        "parameters": int8.manifest.model.parameters,
        "macs": int8.manifest.model.macs,
        "time": round(time, 3),
        "int8": figures_of(int8),
        "fp32": figures_of(evaluations["fp32"]),
        "answers": [int(answer) for answer in int8.answers],
    }


def pooled_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What `edge crossval` wrote, without its tables by group and the recipe, which the command tells."""
    return {name: value for name, value in record["crossval"].items() if name not in LEFT_OUT}


def figures_of(evaluation: Evaluation) -> dict[str, Any]:
    """What the table shows of one bundle."""
    scores, coverage = evaluation.scores, evaluation.coverage
    return {
        "macro_f1": round(scores.macro_f1, 4),
        "macro_f1_interval": [round(end, 4) for end in evaluation.intervals["macro_f1"]],
        "accuracy": round(scores.accuracy, 4),
        "f1": {row.label: round(row.f1, 4) for row in scores.per_class if row.n},
        "accepted": coverage.accepted,
        "accuracy_accepted": coverage.accuracy_accepted,
        "refused": coverage.refused,
        "refused_n": coverage.refused_n,
    }


if __name__ == "__main__":
    try:
        main()
    except EdgeError as error:  # e.g. bundles that another machine's key signed
        sys.exit(f"{error.cause}\n{error.cure}")
