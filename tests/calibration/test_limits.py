"""What a table and a page say that their figures do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from calibration.dataset import Dataset, Sample
from calibration.reports.evidence import evidence_from_evaluation
from calibration.reports.page_summary import summary
from calibration.reports.tables import score_table
from tests.calibration.evaluations import evaluation_from_shown, sure


def test_images_that_name_no_patient_are_not_counted_as_patients(tmp_path: Path) -> None:
    rows = [sure("abdomen", 0, 0.9), sure("abdomen", 1, 0.8), sure("femur", 1, 0.7)]
    for number in range(len(rows)):
        Image.new("L", (64, 48), 20 * number).save(tmp_path / f"{number}.png")
    nameless = evaluation_from_shown(rows, root=tmp_path)
    table, page = score_table(nameless), summary(nameless, evidence_from_evaluation(nameless))
    assert str(table.title).endswith("3 images of a plane, unnamed patients")
    assert "(95 %, by image)" in str(table.caption) and "3 of 3 images name no patient" in str(table.caption)
    assert "3 of unnamed patients" in page


def test_agreement_of_all_draws_is_no_certainty() -> None:
    rows = [sure("abdomen", 0, 0.9, patient=name) for name in "abcde"] + [sure("femur", 1, 0.9, patient="f")]
    one = replace(evaluation_from_shown(rows), intervals={"macro_f1": (1.0, 1.0), "accuracy": (1.0, 1.0)})
    expected = "macro-F1 1.000 (all draws of 6 patients agree, which allows for an error of 0.500)"
    assert expected in str(score_table(one).caption)


def test_the_table_says_what_was_left_out_and_which_planes_no_image_shows() -> None:
    one = replace(evaluation_from_shown([sure("femur", 1, 0.9, patient="a")]), skipped_labels={"spine": 2})
    caption = str(score_table(one).caption)
    assert "Left out, unknown to the model: spine (2)." in caption
    assert "No image shows abdomen: the means are over the other planes." in caption
    assert "All images are of one patient: there are no intervals." in caption


def test_copies_are_counted_and_told(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_bytes(b"same" if name in "abc" else b"other")
    rows = (Sample("a", "femur"), Sample("b", "femur"), Sample("d", "femur"))
    assert Dataset(tmp_path, rows).copies == (2, 0)
    found = Dataset(tmp_path, (*rows, Sample("c", "abdomen"))).copies
    one = replace(evaluation_from_shown([sure("femur", 1, 0.9, patient=name) for name in "ab"]), copies=found)
    assert "3 images are copies of each other, 3 of them with different labels" in str(score_table(one).caption)
