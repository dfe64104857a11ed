"""The study's rows are commands of ours, with teachers that the study trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calibration.evaluate import Evaluation
from compile.model.zoo import model_names
from tests.calibration.evaluations import evaluation_from_shown, sure
from tests.conftest import Command
from tests.study.page import page
from tests.study.paired import Answered
from tests.study.rows import trainings
from tests.study.table import figures_of, kept_records

WORK, DATA, SONONET = Path("w"), Path("labels.csv"), Path("sononet.safetensors")


def answered(evaluation: Evaluation) -> Answered:
    """Its images, which no disk holds."""
    return Answered("a" * 64, evaluation.labels, evaluation.truth, evaluation.plane_patients)


def test_every_row_trains_a_model_of_the_zoo_once_per_seed() -> None:
    names = [training.name for training in trainings()]
    assert len(set(names)) == len(names)
    assert {training.model for training in trainings()} <= set(model_names())


def test_teachers_are_rows_of_the_same_kind() -> None:
    kinds = {training.row: bool(training.by) for training in trainings()}
    for training in trainings():
        assert all(kinds[teacher] is bool(training.by) for teacher in training.teachers)


def test_options_of_every_kind_of_row_are_known(edge: Command) -> None:
    for verb in {training.command(WORK, DATA, SONONET, 1)[0] for training in trainings()}:
        known = edge(verb, "--help").out
        rows = [t.command(WORK, DATA, SONONET, 1) for t in trainings()]
        used = {word for row in rows if row[0] == verb for word in row if word.startswith("--")}
        assert all(option in known for option in used)


def test_the_page_says_what_the_test_images_chose() -> None:
    evaluation = evaluation_from_shown(
        [sure("femur", 1, 0.9, patient="p"), sure("abdomen", 0, 0.9)] * 2 + [sure("cervix", 0, 0.9)]
    )
    figures = figures_of(evaluation)
    facts = {"row": "edge_n-ships", "seed": 0, "epochs": "1@32", "teachers": [], "int8": figures, "fp32": figures}
    answers = [int(answer) for answer in evaluation.answers]
    row = {**facts, "parameters": 1, "macs": 1, "time": 1.25, "answers": answers}
    pair = {"ours": "a", "other": "b", "points": 1.0, "interval": [0.5, 1.5], "mcnemar_p": 0.0001}
    gain = {"change": "teachers", "row": "a-kd", "other": "a", "points": 2.0, "interval": [-1.0, 5.0]}
    gains = [{**gain, "seeds": [0, 1], "seeds_other": others} for others in ([0, 1], [0])]
    document: dict[str, Any] = {"rows": [row], "pairs": [pair], "gains": gains, "crossval": []}
    for number, teachers in enumerate((["b", "a"], ["c"])):
        document["rows"].append({**row, "row": f"taught-{number}", "teachers": teachers})
    text = page(document, answered(evaluation))
    assert all(f"| teachers | `a-kd` | `a` | {seeds} | +2.0 | [-1.0, +5.0] |" in text for seeds in ("0, 1", "0, 1 / 0"))
    assert "Nothing was chosen by these images but the comparators" in text and "on these very images" in text
    assert "| < 0.001 |" in text and "| 1.25 |" in text
    assert "distilled from\n`a`, `b`;" in text and "`taught-0` + teachers |" in text and "`taught-1` + `c` |" in text
    assert "Cervix, other: 1 images" in text and "the last size in a row's schedule" in text
    assert "**Not comparable with any row above**" in text
    assert "4 images of six planes of 3 patients" in text  # two images name none and are one each


def test_folds_by_patient_are_pooled_and_scanners_stand_alone() -> None:
    images = answered(evaluation_from_shown([sure("femur", 1, 0.9, patient="p")] * 2))
    coverage = {"accepted": 0.9, "accuracy_accepted": None, "refused": 0.5, "refused_n": 4}
    part = {"n": 7, "macro_f1": 0.8, "intervals": {"macro_f1": [0.7, 0.9]}, "coverage": coverage}
    folds = [{**part, "name": name, "parts": {"train": count}} for name, count in (("1", 10), ("2", 20))]
    made = [
        {"row": by, "by": by, "epochs": "1@32", "crossval": {**part, "folds": folds}} for by in ("patient", "machine")
    ]
    pair = {"ours": "a-cv-0", "other": "b-cv-0", "points": 5.5, "interval": [2.9, 8.1], "mcnemar_p": 0.25}
    text = page({"rows": [], "pairs": [], "gains": [], "crossval": made, "fold_pairs": [pair]}, images)
    assert "| a-cv-0 | b-cv-0 | +5.5 | [+2.9, +8.1] | 0.250 |\n\n## One scanner" in text
    shares = "7 | 0.800 [0.700, 0.900] | 0.900 | - | 0.500 of 4 |"
    assert f"| `patient` | all | 1@32 | 15 | {shares}" in text and f"| `machine` | 2 | 1@32 | 20 | {shares}" in text
    assert "| `patient` | 1 |" not in text and "| `machine` | all |" not in text


def test_rows_trained_elsewhere_stay_as_long_as_images_and_schedule_are_the_same(tmp_path: Path) -> None:
    plan = {training.name: training.epochs for training in trainings()}
    rows = [{"name": name, "epochs": plan[name]} for name in ("edge_n-0", "resnet18-0")]
    folds = [{"name": "edge_n-machines-0", "epochs": plan["edge_n-machines-0"]}]
    rows += [{"name": "edge_s-0", "epochs": "1@32"}, {"name": "given up-0", "epochs": "40@160"}]
    evidence = tmp_path / "study.json"
    assert kept_records(evidence, "a") == {}
    evidence.write_text(json.dumps({"images_sha256": "a", "rows": rows, "crossval": folds}), "utf-8")
    assert kept_records(evidence, "a").keys() == {"edge_n-0", "resnet18-0", "edge_n-machines-0"}
    assert kept_records(evidence, "b").keys() == {"edge_n-machines-0"}
