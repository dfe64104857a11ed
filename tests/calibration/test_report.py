"""Evaluations -> report.html, report.json and pictures."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from PIL import Image

from calibration.comparison import comparison_from_evaluations
from calibration.evaluate import GRADES_ITSELF, Evaluation, evaluation_from_session
from calibration.reports.evidence import evidence_from_evaluation
from calibration.reports.figures import credit_from_folder, png_from_answers, png_from_confusions
from calibration.reports.limits import limits_from_evaluation
from calibration.reports.page import Chapter, Section, page_from_chapters, picture_section
from calibration.reports.page_sections import credit_from_evaluation, sections_from_evaluation
from calibration.reports.report import document_from_evaluations, page_from_evaluations, save_report
from calibration.reports.tables import score_table
from edge.errors import MachineError
from edge.manifest import RESEARCH_USE, CalibrationFacts
from tests.calibration.evaluations import Shown, evaluation_from_shown, sure

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
    assert (document["images"], document["patients"]) == (5, 4)  # three pseudonyms and an image without
    assert (document["n"], document["plane_patients"]) == (4, 3)
    assert document["images_without_patient"] == 1


def test_the_table_names_the_patients_of_the_images_that_it_scores(evaluation: Evaluation) -> None:
    assert evaluation.dataset.patients == 4  # of them one with an image of no plane alone
    assert str(score_table(evaluation).title).endswith("4 images of a plane, 3 patients")


def test_images_that_set_the_threshold_are_said_to_flatter(planes: Any) -> None:
    dataset = planes.dataset(*ROWS)
    facts = CalibrationFacts(dataset.digest, len(ROWS), ("minmax",))
    with planes.session(calibration=facts) as session:
        own = evaluation_from_session(session, dataset, ("cervix",), False, lambda *_: None)
        other = evaluation_from_session(session, planes.dataset(*ROWS[:4]), (), False, lambda *_: None)
    assert (own.grades_itself, other.grades_itself) == (True, False)
    assert GRADES_ITSELF in limits_from_evaluation(own) and GRADES_ITSELF in str(score_table(own).caption)
    assert GRADES_ITSELF not in limits_from_evaluation(other) and GRADES_ITSELF not in str(score_table(other).caption)
    assert document_from_evaluations([own], [])["calibration_images"]
    assert "calibration_images" not in document_from_evaluations([other], [])


def test_the_page_does_not_say_that_the_threshold_was_set_on_others(report: Report) -> None:
    assert "set on these very images so that" in report.page
    assert "was set on others" not in report.page


def test_plane_images_of_one_patient_are_said_to_have_no_intervals() -> None:
    rows = [sure("femur", 1, 0.9, patient="p"), sure("femur", 0, 0.9, patient="p"), sure("cervix", 0, 0.9, patient="q")]
    assert any("one patient" in sentence for sentence in limits_from_evaluation(evaluation_from_shown(rows)))


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


@dataclass(frozen=True)
class Report:
    """What was written for one evaluation."""

    evaluation: Evaluation
    folder: Path

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "report.json").read_text("utf-8")))

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text("utf-8")

    @property
    def opening(self) -> str:
        return self.page[self.page.index("</style>") : self.page.index("Scores by plane</h2>")]


def saved(folder: Path, *evaluations: Evaluation) -> Report:
    comparisons = [comparison_from_evaluations(other, evaluations[0]) for other in evaluations[1:]]
    evidence = [evidence_from_evaluation(one) for one in evaluations]
    document = document_from_evaluations(evaluations, comparisons, evidence)
    save_report(folder, evaluations, document, page_from_evaluations(evaluations, comparisons, evidence))
    return Report(evaluations[0], folder)


def pictured(folder: Path, *rows: Shown) -> Evaluation:
    """The evaluation of these rows, each with a gray image."""
    for number in range(len(rows)):
        Image.new("L", (64, 48), 20 * number).save(folder / f"{number}.png")
    return evaluation_from_shown(rows, root=folder)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of four plane images, one of them wrong, and one that should be refused; a scanner's name is no name."""
    folder = tmp_path_factory.mktemp("images")
    rows = [sure("abdomen", 0, 0.9, patient="p1", machine="<script>alert(1)</script>")] * 2
    rows += [sure("femur", 1, 0.8, patient="p2"), sure("femur", 0, 0.8, patient="p3"), sure("cervix", 0, 0.8)]
    (folder / "ATTRIBUTION.md").write_text("# Images: A. Author, CC BY 4.0\n")
    return saved(folder / "a" / "report", pictured(folder, *rows))


def test_report_is_a_page_one_json_and_two_pictures(report: Report) -> None:
    names = {path.name for path in report.folder.iterdir()}
    assert names == {"report.html", "report.json", "confusion.png", "answers.png"}
    assert set(report.document) >= CONTRACT
    for name in ("confusion.png", "answers.png"):
        picture = Image.open(io.BytesIO((report.folder / name).read_bytes()))
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 300


def test_a_report_adds_keys_and_changes_none(report: Report) -> None:
    plain = json.loads(json.dumps(document_from_evaluations([report.evaluation], [])))
    document, changed = report.document, {"intervals", "per_class"}
    assert {name: document[name] for name in set(plain) - changed} == {
        name: plain[name] for name in set(plain) - changed
    }
    assert document["intervals"].items() >= plain["intervals"].items()
    assert {"sensitivity", "auc", "top2", "accepted", "refused"} <= set(document["intervals"])
    assert all(row.pop("intervals")["f1"] for row in document["per_class"])
    assert document["per_class"] == plain["per_class"]
    added = {"roc", "calibration", "coverage_curve", "reject", "separations", "other_images"}
    assert added | {"machines", "operators", "mistakes", "embedding"} <= set(document)


def test_parts_that_the_images_do_not_give_say_why(report: Report) -> None:
    for name in ("calibration", "coverage_curve", "operators", "embedding"):
        assert report.document[name]["absent"] in html.unescape(report.page)


def test_page_needs_nothing_from_outside(report: Report) -> None:
    without_pictures = re.sub(r'src="data:image/png;base64,[^"]+"', "", report.page)
    assert not re.search(r"https?://|src=|<script|<link|url\(|@import", without_pictures)
    assert "default-src 'none'" in report.page


def test_names_from_files_are_escaped(report: Report) -> None:
    assert "&lt;script&gt;" in report.page


def test_every_picture_has_a_text_and_decodes(report: Report) -> None:
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', report.page)
    assert len(pictures) == report.page.count("<img") >= 4
    for data, words in pictures:
        Image.open(io.BytesIO(base64.b64decode(data))).load()
        assert len(words) > 20


def test_page_says_first_which_model_on_which_images_and_the_limits(report: Report) -> None:
    digests = (report.evaluation.digest, report.evaluation.dataset.digest)
    for words in ("made int8", *digests, "5 of 4 patients", "macro-F1", "for these images only; that training"):
        assert words in report.opening
    assert RESEARCH_USE.en in report.opening and RESEARCH_USE.zh in report.opening
    assert "FETAL_PLANES_DB" not in report.opening


def test_pictures_of_patients_carry_their_attribution(report: Report) -> None:
    assert report.page.count("Images: A. Author, CC BY 4.0") == 2  # mistakes, sample of answers


def test_a_folder_without_attribution_says_that_there_is_none(tmp_path: Path) -> None:
    assert "no ATTRIBUTION.md" in credit_from_evaluation(pictured(tmp_path, sure("femur", 1, 0.9)))


@pytest.mark.parametrize(
    ("words", "credit"),
    [
        (b"", ""),
        (b"\n# \n", ""),
        (b"\xef\xbb\xbf# Images: A. Author\n", "Images: A. Author"),
        ("# Images: A. M\u00fcller".encode("latin-1"), "Images: A. M\ufffdller"),
    ],
)
def test_the_credit_is_what_the_attribution_says_however_it_is_written(
    words: bytes, credit: str, tmp_path: Path
) -> None:
    (tmp_path / "ATTRIBUTION.md").write_bytes(words)
    assert credit_from_folder(tmp_path) == credit


def test_names_and_credits_that_the_font_lacks_or_takes_for_a_formula_leave_a_picture(tmp_path: Path) -> None:
    (tmp_path / "ATTRIBUTION.md").write_text("# \u56fe\u50cf Images: $x_$, CC BY 4.0\n", "utf-8")
    evaluation = replace(pictured(tmp_path, sure("femur", 1, 0.9)), name="\u80a1\u9aa8 $x_$ int8")
    assert png_from_answers(evaluation) and png_from_confusions([evaluation])


def test_one_patient_has_no_interval_in_the_table_the_picture_or_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pictured(tmp_path, sure("femur", 1, 0.9, patient="p"))
    one = replace(one, intervals={"macro_f1": (1.0, 1.0), "accuracy": (1.0, 1.0)})
    titles: list[str] = []
    monkeypatch.setattr(Axes, "set_title", lambda _, text, **__: titles.append(text))
    png_from_confusions([one])
    assert titles == ["made int8: macro-F1 1.000"]
    assert "[" not in str(score_table(one).caption)
    assert "[1.000, 1.000]" not in saved(tmp_path / "report", one).page


def test_part_of_the_published_set_is_said_not_to_be_comparable(evaluation: Evaluation) -> None:
    samples = tuple(replace(sample, dataset="fpdb") for sample in evaluation.dataset.samples)
    partial = replace(evaluation, dataset=replace(evaluation.dataset, samples=samples))
    assert any("5 of the 12,400" in line and "not comparable" in line for line in limits_from_evaluation(partial))


def test_a_model_trained_on_phantoms_is_watermarked(evaluation: Evaluation) -> None:
    marked = replace(evaluation, manifest=replace(evaluation.manifest, watermark="SYNTHETIC"))
    assert document_from_evaluations([marked], [])["watermark"] == "SYNTHETIC"
    page = page_from_chapters("title", RESEARCH_USE, "SYNTHETIC", [], [Chapter("one", (Section("a", ""),))])
    assert page.count('<p class="watermark">SYNTHETIC</p>') == 2


def test_figures_on_phantoms_are_marked_whoever_was_trained_on_what(tmp_path: Path) -> None:
    real = pictured(tmp_path, sure("femur", 1, 0.9, patient="p"))
    samples = tuple(replace(sample, dataset="phantom") for sample in real.dataset.samples)
    phantoms = replace(real, dataset=replace(real.dataset, samples=samples))
    assert saved(tmp_path / "report", phantoms).page.count('<p class="watermark">SYNTHETIC PHANTOM images') == 2
    assert 'class="watermark"' not in saved(tmp_path / "real", real).page
    assert "SYNTHETIC PHANTOM images" in str(score_table(phantoms).title)


def test_several_models_are_folded_below_one_table(tmp_path: Path) -> None:
    one = pictured(tmp_path, sure("abdomen", 0, 0.9, patient="p"), sure("femur", 0, 0.9, patient="q"))
    report = saved(tmp_path / "report", one, replace(one, name="other int8"))
    assert report.page.count("<details") == 2 and report.page.count("<details open>") == 1
    assert report.page.index("Side by side") < report.page.index("<details")
    assert "exact (binomial)" in report.page
    assert report.document["comparisons"][0]["mcnemar"]["p"] == 1.0


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_one_image_without_a_patient_makes_a_page(threshold: float | None, tmp_path: Path) -> None:
    Image.new("L", (64, 48)).save(tmp_path / "0.png")
    report = saved(tmp_path / "report", evaluation_from_shown([sure("femur", 0, 0.9)], threshold, root=tmp_path))
    assert "All images show the same plane" in report.page
    assert "All images are of one patient: there are no intervals." in report.page
    assert ("no acceptance threshold" in report.page) == (threshold is None)
    assert "NaN" not in (report.folder / "report.json").read_text("utf-8")


def test_a_further_section_stands_before_the_sample_of_answers(report: Report) -> None:
    section = picture_section("Where it looked", b"", "caption", "alt", "credit")
    sections = sections_from_evaluation(report.evaluation, evidence_from_evaluation(report.evaluation), [section])
    assert [one.title for one in sections][-3:] == ["Mistakes", "Where it looked", "Sample of answers"]


def test_the_page_is_written_last(tmp_path: Path) -> None:
    (tmp_path / "report" / "report.json").mkdir(parents=True)
    with pytest.raises(MachineError):
        saved(tmp_path / "report", pictured(tmp_path, sure("femur", 1, 0.9)))
    assert not (tmp_path / "report" / "report.html").exists()


def test_report_into_a_folder_that_cannot_be_made_is_a_machine_error(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MachineError, match="cannot be written"):
        save_report(tmp_path / "file" / "report", [evaluation], {}, "")
