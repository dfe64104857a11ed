"""Evaluations -> report.json and pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from calibration.evaluate import Evaluation, comparison_from_evaluations, evaluation_from_session
from calibration.report import document_from_evaluations, save_report
from edge.errors import MachineError
from edge.manifest import RESEARCH_USE

CONTRACT = {"accuracy", "macro_f1", "sensitivity", "specificity", "precision", "auc", "per_class", "confusion"}
CONTRACT |= {"coverage", "intervals", "n", "skipped_labels", "schema"}
ROWS = [
    (0, "abdomen", "p1", "Voluson E6"),
    (0, "abdomen", "", ""),
    (1, "femur", "p2", "Aloka"),
    (0, "femur", "p2", "Aloka"),
    (2, "cervix", "p3", "Aloka"),
]


@pytest.fixture
def evaluation(planes: Any) -> Evaluation:
    with planes.session() as session:
        return evaluation_from_session(session, planes.dataset(*ROWS), ("cervix",), False, lambda *_: None)


def test_document_has_the_keys_of_the_contract_and_survives_json(evaluation: Evaluation) -> None:
    document = json.loads(json.dumps(document_from_evaluations([evaluation], []), allow_nan=False))
    assert set(document) >= CONTRACT
    assert (document["n"], document["accuracy"]) == (4, 0.75)
    assert [row["label"] for row in document["per_class"]] == ["abdomen", "femur"]
    assert document["confusion"] == [[2, 0], [1, 1]]
    assert document["notice"]["en"] == RESEARCH_USE.en


def test_document_says_which_bundle_and_which_images(evaluation: Evaluation) -> None:
    document = document_from_evaluations([evaluation], [])
    assert document["bundle_sha256"] == evaluation.digest
    assert document["dataset_sha256"] == evaluation.dataset.digest
    assert document["patients"] == 4  # three pseudonyms and an image without


def test_accuracy_is_told_by_machine_over_the_plane_images(evaluation: Evaluation) -> None:
    assert document_from_evaluations([evaluation], [])["by_machine"] == {
        "Aloka": {"n": 2, "accuracy": 0.5},
        "Voluson E6": {"n": 1, "accuracy": 1.0},
        "unknown": {"n": 1, "accuracy": 1.0},
    }


def test_several_models_stand_side_by_side_with_their_comparisons(evaluation: Evaluation) -> None:
    comparison = comparison_from_evaluations(evaluation, evaluation)
    document = document_from_evaluations([evaluation, evaluation], [comparison])
    assert [model["model"] for model in document["models"]] == ["planes int8"] * 2
    assert document["comparisons"][0]["agreement"] == 1.0


def test_report_is_one_json_and_two_pictures(evaluation: Evaluation, tmp_path: Path) -> None:
    folder, document = tmp_path / "a" / "report", document_from_evaluations([evaluation], [])
    save_report(folder, [evaluation], document)
    assert {path.name for path in folder.iterdir()} == {"report.json", "confusion.png", "answers.png"}
    assert json.loads((folder / "report.json").read_text("utf-8")) == json.loads(json.dumps(document))
    for name in ("confusion.png", "answers.png"):
        picture = Image.open(io.BytesIO((folder / name).read_bytes()))
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 300


def test_report_into_a_folder_that_cannot_be_made_is_a_machine_error(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        save_report(tmp_path / "file" / "report", [evaluation], document_from_evaluations([evaluation], []))
