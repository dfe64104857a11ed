"""A bundle whose answers are known, on labelled frames: what `edge evaluate` makes of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.comparison import comparison_from_evaluations
from calibration.dataset import Dataset
from calibration.evaluate import Evaluation, evaluation_from_session
from calibration.reports.tables import comparison_lines
from edge.cli import code_from_arguments
from edge.decision import NOT_MEASURED
from edge.errors import ImageError, LabelsError
from edge.manifest import Label
from edge.session import Session, open_session
from edge.sources.images import load_image

ROWS = [  # band of the frame, label, patient, machine; the fourth is answered wrongly
    (0, "abdomen", "p1", "Voluson E6"),
    (0, "abdomen", "p1", "Voluson E6"),
    (1, "femur", "p2", "Aloka"),
    (0, "femur", "p3", "Aloka"),
]
REFUSED = ("cervix", "other")


def silent(_stage: str, _share: float) -> None: ...


def evaluated(session: Session, dataset: Dataset, skip_unknown: bool = False) -> Evaluation:
    with session:
        return evaluation_from_session(session, dataset, REFUSED, skip_unknown, silent)


def test_answers_are_scored_against_the_labels(planes: Any) -> None:
    evaluation = evaluated(planes.session(), planes.dataset(*ROWS))
    assert evaluation.labels == ("abdomen", "femur")
    assert evaluation.scores.confusion == ((2, 0), (1, 1))
    assert evaluation.scores.accuracy == 0.75
    assert evaluation.scores.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert evaluation.answers.tolist() == [0, 0, 1, 0]


def test_probabilities_are_those_the_device_shows(planes: Any) -> None:
    dataset = planes.dataset(*ROWS)
    evaluation = evaluated(planes.session(), dataset)
    with planes.session() as session:
        shown = [dict(session.classify(load_image(dataset.path(sample))).top) for sample in dataset.samples]
    expected = [[row[plane] for plane in evaluation.labels] for row in shown]
    assert np.array_equal(evaluation.probabilities, expected)


def test_intervals_are_there_for_macro_f1_and_accuracy_and_hold_the_figure(planes: Any) -> None:
    evaluation = evaluated(planes.session(), planes.dataset(*ROWS))
    low, high = evaluation.intervals["accuracy"]
    assert low <= 0.75 <= high
    low, high = evaluation.intervals["macro_f1"]
    assert low <= evaluation.scores.macro_f1 <= high


def test_progress_ends_at_one(planes: Any) -> None:
    shares: list[float] = []
    with planes.session() as session:
        evaluation_from_session(session, planes.dataset(*ROWS), (), False, lambda _, share: shares.append(share))
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_a_label_the_model_does_not_know_is_refused_with_those_it_knows(planes: Any) -> None:
    dataset = planes.dataset(*ROWS, (0, "spine", "p4", ""))
    with pytest.raises(LabelsError, match=r"the label spine \(it knows: abdomen, .*femur") as refusal:
        evaluated(planes.session(), dataset)
    assert refusal.value.exit_code == 3
    assert "--skip-unknown" in refusal.value.cure


def test_unknown_labels_can_be_left_out_and_are_counted(planes: Any) -> None:
    dataset = planes.dataset(*ROWS, (0, "spine", "p4", ""), (1, "spine", "p4", ""), (1, "eyes", "p5", ""))
    evaluation = evaluated(planes.session(), dataset, skip_unknown=True)
    assert evaluation.skipped_labels == {"spine": 2, "eyes": 1}
    assert evaluation.scores == evaluated(planes.session(), planes.dataset(*ROWS)).scores


@pytest.mark.parametrize("rows", [[(0, "spine", "p1", "")], [(0, "cervix", "p1", ""), (2, "not_standard", "p2", "")]])
def test_images_without_any_plane_of_the_model_are_refused(planes: Any, rows: list[Any]) -> None:
    with pytest.raises(LabelsError, match="No image shows a plane of this model"):
        evaluated(planes.session(), planes.dataset(*rows), skip_unknown=True)


def test_an_image_that_cannot_be_read_stops_it(planes: Any) -> None:
    dataset = planes.dataset(*ROWS)
    dataset.path(dataset.samples[1]).write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(ImageError):
        evaluated(planes.session(), dataset)


def test_refused_labels_measure_the_reject_answer_and_not_the_scores(planes: Any) -> None:
    off_plane = [
        (-1, "cervix", "p4", ""),
        (2, "not_standard", "p5", ""),
        (2, "other", "p6", ""),
        (0, "other", "p6", ""),
    ]
    evaluation = evaluated(planes.session(), planes.dataset(*ROWS, *off_plane))
    assert evaluation.scores.n == 4
    assert evaluation.truth.tolist() == [0, 0, 1, 1, -1, -1, -1, -1]
    coverage = evaluation.coverage
    assert (coverage.refused_n, coverage.refused) == (4, 0.75)  # the last one looks like an abdomen
    assert (coverage.accepted, coverage.accuracy_accepted) == (1.0, 0.75)


def test_without_a_threshold_nothing_is_accepted_and_no_accuracy_of_it_is_claimed(planes: Any) -> None:
    evaluation = evaluated(planes.session(decision=NOT_MEASURED), planes.dataset(*ROWS))
    assert (evaluation.coverage.accepted, evaluation.coverage.accuracy_accepted) == (0.0, None)
    assert evaluation.coverage.refused is None


def test_features_are_kept_only_where_they_are_asked_for(planes: Any, tissue: Any) -> None:
    dataset = planes.dataset(*ROWS)
    path = planes.maker.onnx()
    for wanted in (True, False):
        with open_session(path, threads=1, keyring=planes.maker.keyring) as session:
            evaluation = evaluation_from_session(session, dataset, (), False, silent, with_features=wanted)
            expected = session.features(load_image(dataset.path(dataset.samples[1]))).mean((0, 1))
        assert (evaluation.features is not None) == wanted
        if evaluation.features is not None:
            assert evaluation.features.shape == (4, 4)
            assert np.array_equal(evaluation.features[1], expected)


def test_an_engine_without_features_is_evaluated_without_them(planes: Any) -> None:
    with planes.session() as session:
        evaluation = evaluation_from_session(session, planes.dataset(*ROWS), (), False, silent, with_features=True)
    assert (evaluation.features, evaluation.scores.n) == (None, 4)


def test_other_images_are_answered_and_not_scored(planes: Any) -> None:
    dataset = planes.dataset(*ROWS)
    others = replace(dataset, samples=(replace(dataset.samples[2], label="head"), dataset.samples[0]))
    with planes.session() as session:
        evaluation = evaluation_from_session(session, dataset, (), False, silent, others=others)
    assert evaluation.scores.n == 4
    assert [(sample.label, prediction.plane) for sample, prediction in evaluation.others] == [("head", "femur")]


def test_other_images_that_the_model_knows_are_no_other_images(planes: Any) -> None:
    dataset = planes.dataset(*ROWS)
    with planes.session() as session, pytest.raises(LabelsError, match="knows every label"):
        evaluation_from_session(session, dataset, (), False, silent, others=dataset)


def test_a_bundle_against_itself_loses_nothing(planes: Any) -> None:
    evaluation = evaluated(planes.session(), planes.dataset(*ROWS))
    comparison = comparison_from_evaluations(evaluation, evaluation)
    assert (comparison.f1_drop, comparison.f1_drop_interval) == (0.0, (0.0, 0.0))
    assert (comparison.agreement, comparison.agreement_interval) == (1.0, (1.0, 1.0))
    (line,) = comparison_lines([comparison])
    assert "macro-F1 drop +0.00 points, agreement 100.0% (95 %" in line and "[" not in line
    wider = replace(comparison, f1_drop_interval=(-1.0, 2.5), agreement_interval=(0.9, 1.0))
    assert "points [-1.00, +2.50], agreement 100.0% [90.0%, 100.0%] (95 %" in comparison_lines([wider])[0]


def test_a_comparison_gives_drop_and_agreement_of_the_second(planes: Any) -> None:
    dataset = planes.dataset(*ROWS)
    reference = evaluated(planes.session(), dataset)
    swapped = evaluated(planes.session("swapped", (1, 0, 2)), dataset)
    comparison = comparison_from_evaluations(swapped, reference)
    assert (comparison.name, comparison.reference) == ("swapped int8", "planes int8")
    assert comparison.f1_drop == pytest.approx(100 * (reference.scores.macro_f1 - swapped.scores.macro_f1))
    assert comparison.f1_drop > 0
    assert comparison.agreement == 0
    assert (comparison.mcnemar.only_first, comparison.mcnemar.only_second) == (3, 1)


def test_bundles_with_other_planes_are_not_compared(planes: Any) -> None:
    dataset = planes.dataset(*ROWS)
    labels = (Label("femur", "", ""), Label("abdomen", "", ""), Label("not_standard", "", ""))
    other = evaluated(planes.session("other", labels=labels), dataset)
    with pytest.raises(LabelsError, match="different planes"):
        comparison_from_evaluations(other, evaluated(planes.session(), dataset))


def test_bundles_that_answered_other_images_are_not_compared(planes: Any) -> None:
    few, all_rows = ROWS[:3], [*ROWS, (2, "other", "p6", "")]
    reference = evaluated(planes.session(), planes.dataset(*all_rows))
    with pytest.raises(LabelsError, match="answered other images"):
        comparison_from_evaluations(evaluated(planes.session(), planes.dataset(*few)), reference)


@pytest.fixture
def home(planes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAMBA_EDGE_HOME", str(planes.maker.keyring.home))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = code_from_arguments(["evaluate", *map(str, arguments), "--threads", "1"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.usefixtures("home")
def test_command_takes_the_table_as_its_last_argument(planes: Any, capsys: Any) -> None:
    code, out, err = run(capsys, planes.bundle(), planes.table(*ROWS), "--json")
    document = json.loads(out)
    assert (code, document["n"], document["accuracy"]) == (0, 4, 0.75)
    assert "Research software" in err


@pytest.mark.usefixtures("home")
def test_command_ends_with_exit_code_3_for_an_unknown_label(planes: Any, capsys: Any) -> None:
    bundle, table = planes.bundle(), planes.table(*ROWS, (0, "spine", "p4", ""))
    code, _, err = run(capsys, bundle, "--data", table)
    assert code == 3
    assert "spine" in err and "cure:" in err and "Traceback" not in err
    code, out, _ = run(capsys, bundle, "--data", table, "--skip-unknown", "--json")
    assert (code, json.loads(out)["skipped_labels"]) == (0, {"spine": 1})


@pytest.mark.usefixtures("home")
def test_command_evaluates_the_split_that_was_asked_for(planes: Any, capsys: Any) -> None:
    bundle, table = planes.bundle(), planes.table(*ROWS, split="val")
    assert run(capsys, bundle, "--data", table, "--split", "val", "--json")[0] == 0
    code, _, err = run(capsys, bundle, "--data", table, "--split", "test")
    assert (code, "no split 'test' (it has: val)" in err) == (3, True)


@pytest.mark.usefixtures("home")
def test_command_shows_several_bundles_and_single_images(planes: Any, capsys: Any) -> None:
    bundles = planes.bundle(), planes.bundle("swapped", (1, 0, 2))
    code, out, _ = run(capsys, *bundles, planes.table(*ROWS), "--list", 4)
    assert code == 0
    assert "swapped int8 against planes int8: macro-F1 drop" in out
    assert "McNemar p 0.625, exact (binomial)" in " ".join(out.split())
    assert all(f"{number}.png" in out for number in range(4))


@pytest.mark.usefixtures("home")
def test_bundles_of_one_name_are_told_apart_by_their_files(planes: Any, capsys: Any, tmp_path: Path) -> None:
    bundle, table = planes.bundle(), planes.table(*ROWS)
    old, before = tmp_path / "old.edge", tmp_path / "before" / bundle.name
    before.parent.mkdir()
    for copy in (old, before):
        shutil.copy(bundle, copy)
    code, out, _ = run(capsys, bundle, old, before, table, "--json")
    names = [model["model"] for model in json.loads(out)["models"]]
    assert (code, names) == (0, [f"planes int8 ({bundle})", "planes int8 (old.edge)", f"planes int8 ({before})"])
    assert "planes int8 (old.edge) against planes int8:" in run(capsys, bundle, old, table)[1]


@pytest.mark.usefixtures("home")
def test_command_writes_a_report_with_other_images(planes: Any, capsys: Any, tmp_path: Path) -> None:
    bundle, table = planes.bundle(), planes.table(*ROWS, (1, "head", "p9", ""))
    arguments = (bundle, "--data", table, "--skip-unknown", "--others", table, "--report", tmp_path / "report")
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "shares accepted" in out and "report.html" in out
    document = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert [(row["label"], row["n"], row["accepted"]["limbs"]) for row in document["other_images"]] == [
        ("head", 1, 1.0)
    ]


@pytest.mark.usefixtures("home")
def test_command_prints_other_images_without_a_report(planes: Any, capsys: Any) -> None:
    bundle, table = planes.bundle(), planes.table(*ROWS, (1, "head", "p9", ""))
    code, out, _ = run(capsys, bundle, "--data", table, "--skip-unknown", "--others", table, "--json")
    document = json.loads(out)
    assert (code, document["other_images"][0]["label"], document["n"]) == (0, "head", 4)
    assert "roc" not in document


@pytest.mark.usefixtures("home")
def test_command_prints_the_document_of_the_report(planes: Any, capsys: Any, tmp_path: Path) -> None:
    code, out, _ = run(capsys, planes.bundle(), planes.table(*ROWS), "--report", tmp_path / "report", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
