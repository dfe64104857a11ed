"""`edge crossval` from a table to out-of-fold figures; what it goes on with, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from sklearn.metrics import f1_score

from calibration.decision import decision_from_logits
from compile.model.checkpoint import save_student, teacher_from_checkpoint
from compile.model.spec import ModelSpec
from compile.model.students import student_from_name
from compile.training.crossval import folds_training as stage
from compile.training.crossval.sources import check_sources
from compile.training.images import inputs_from_dataset
from compile.training.recipe import Recipe
from edge.errors import CheckpointError
from tests.compile.crossval_cases import PLANES, mount, table_of
from tests.conftest import Command, Done, check_told

Run = Callable[..., Done]


@pytest.fixture
def run(edge: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`edge crossval edge_n_noscan` with a recipe of seconds."""
    mount(monkeypatch)
    labels = tmp_path / "planes.txt"
    labels.write_text("\n".join(PLANES))

    def command(table: Path, output: Path, *more: object) -> Done:
        options = ("--epochs", "1@32", "--batch", 5, "--labels", labels, "--json")
        folds = () if "machine" in more else ("--folds", 2)
        return edge("crossval", "edge_n_noscan", "--data", table, "-o", output, *options, *folds, *more)

    return command


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A table, and a place for the folds that the first test trains."""
    folder = tmp_path_factory.mktemp("study")
    yield table_of(folder / "data", "fpdb", 12), folder / "out"


@pytest.fixture
def done(kept: tuple[Path, Path], run: Run) -> tuple[Path, Path]:
    """Table and folder of a whole cross-validation; trained by whichever test comes first."""
    table, output = kept
    assert run(table, output).code == 0
    return kept


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "predictions.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_folds_trained_one_after_the_other_are_joined_when_all_are_there(kept: tuple[Path, Path], run: Run) -> None:
    table, output = kept
    first = run(table, output, "--folds-only", "2")
    assert first.code == 0, first.err
    assert (first.document["done"], first.document["missing"]) == ([2], [1])
    assert not (output / "predictions.csv").exists()
    second = run(table, output, "--folds-only", "1")
    assert second.code == 0, second.err
    assert json.loads((output / "crossval.json").read_text()) == second.document
    assert [fold["number"] for fold in second.document["folds"]] == [1, 2]


def test_every_image_is_answered_once_by_the_fold_that_never_saw_it(done: tuple[Path, Path]) -> None:
    table, output = done
    rows = rows_of(output)
    with table.open(newline="") as stream:
        assert sorted(row["file"] for row in csv.DictReader(stream)) == sorted(row["file"] for row in rows)
    with (output / "folds.csv").open(newline="") as stream:
        trained = {(row["fold"], row["patient"]) for row in csv.DictReader(stream) if row["part"] == "train"}
    assert not {(row["fold"], row["patient"]) for row in rows} & trained
    assert list(rows[0])[6:] == ["fold", "plane", "answer", "accepted", *PLANES, "not_standard"]


def test_the_pooled_scores_are_those_of_the_table(done: tuple[Path, Path]) -> None:
    _, output = done
    document = json.loads((output / "crossval.json").read_text())
    rows = [row for row in rows_of(output) if row["label"] in PLANES]
    truth, said = [row["label"] for row in rows], [max(PLANES, key=lambda p: float(row[p])) for row in rows]
    assert said == [row["plane"] for row in rows]
    assert document["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))
    assert document["n"] == sum(fold["n"] for fold in document["folds"]) == len(rows) == 24
    low, high = document["intervals"]["macro_f1"]
    assert 0 <= low <= document["macro_f1"] <= high <= 1
    assert set(document["by_machine"]) == {"Aloka", "Voluson E6"} and set(document["by_operator"]) == {"op0", "op1"}
    assert document["coverage"]["refused_n"] == 12
    assert any("no threshold" in warning for warning in document["warnings"])  # fewer than 30 right answers


def test_the_decision_is_that_of_the_saved_weights_on_val(done: tuple[Path, Path]) -> None:
    from calibration.formats import load_dataset
    from compile.training.crossval.folds import folds_by_patient, grouped_dataset

    table, output = done
    document = json.loads((output / "crossval.json").read_text())
    fold = folds_by_patient(
        grouped_dataset(load_dataset(table)), PLANES, ("profile_nonstandard", "cervix", "other"), 2
    )[1]
    module, info = teacher_from_checkpoint(output / "fold2" / "weights.safetensors")
    assert info.spec is not None
    val = fold.dataset.where(split="val")
    logits = module(torch.from_numpy(inputs_from_dataset(val, info.spec.preprocess)))[0].numpy()
    decision = decision_from_logits(logits, [s.label for s in val.samples], info.spec.labels, ("not_standard",))
    assert document["folds"][1]["decision"]["temperature"] == decision.temperature
    assert document["folds"][1]["decision"]["n"] == decision.n > 0


def test_what_is_trained_is_not_trained_again(
    done: tuple[Path, Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*_: object, **__: object) -> None:
        pytest.fail("a finished fold was trained")

    before = json.loads((done[1] / "crossval.json").read_text())
    monkeypatch.setattr(stage, "student_from_dataset", unexpected)
    again = run(*done)
    assert again.code == 0 and again.document == before
    assert not list(done[1].rglob("checkpoint.pt"))


def test_another_recipe_or_other_images_need_another_folder(done: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    table, output = done
    check_told(run(table, output, "--seed", 1), 3, "by another recipe")
    check_told(run(table_of(tmp_path / "other", "fpdb", 9), output), 3, "other images or other folds")
    check_told(run(table, output, "--folds", 3), 3, "other images or other folds")


def test_a_finished_fold_is_not_taken_for_one_of_another_start_or_teacher(
    done: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    table, output = done
    teachers = [tmp_path / f"{seed}.safetensors" for seed in range(2)]
    for seed, path in enumerate(teachers):
        torch.manual_seed(seed)
        spec = ModelSpec("edge_n_noscan", (*PLANES, "not_standard"))
        save_student(student_from_name("edge_n_noscan", 3), spec, path)
    check_told(run(table, output, "--init", teachers[0]), 3, "with another --init")
    check_told(run(table, output, "--init", tmp_path / "none"), 3, "is not a file")
    taught = (table, tmp_path / "kd", "--feature-weight", 0, "--folds-only", "1", "--init", teachers[1])
    first = run(*taught, "--teacher", teachers[0])
    assert first.code == 0, first.err
    assert run(*taught, "--teacher", teachers[0]).code == 0
    check_told(run(*taught, "--teacher", teachers[1]), 3, "with another --teacher")
    check_told(run(*taught, "--teacher", teachers[0], "--unlabelled", table), 3, "with another --unlabelled")
    check_told(run(*taught[:-2], "--teacher", teachers[0]), 3, "with another --init")


@pytest.mark.parametrize("start", ["", "efficientnet_lite0 0123", "imagenet 4567"])
def test_a_fold_from_imagenet_is_one_and_no_other_is(start: str) -> None:
    recipe = Recipe(model="efficientnet_lite0")
    made_from = {"recipe": replace(recipe, initial=start).digest, **({"initial": start} if start else {})}
    asked = json.dumps(asdict(recipe), sort_keys=True)
    record = stage.FoldRecord(1, "1", "", recipe.digest, made_from, asked, "", 1, 1.0, ())
    if start.startswith("imagenet"):
        check_sources(record, [], "imagenet", [])
    else:
        with pytest.raises(CheckpointError, match="with another --init"):
            check_sources(record, [], "imagenet", [])


def test_each_fold_has_the_teacher_that_never_saw_its_patients(
    done: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    table, output = done
    told = run(table, tmp_path / "kd", "--teacher", output / "fold{fold}" / "weights.safetensors", "--folds-only", "2")
    assert told.code == 0, told.err
    assert told.document["warnings"] == []
    record = json.loads((tmp_path / "kd" / "fold2" / "fold.json").read_text())
    _, info = teacher_from_checkpoint(output / "fold2" / "weights.safetensors")
    assert record["made_from"]["teacher 1"] == f"edge_n_noscan {info.sha256}"


def test_a_teacher_that_has_seen_tested_images_is_refused(done: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    table, output = done
    teacher = output / "fold1" / "weights.safetensors"
    check_told(run(table, tmp_path / "kd", "--teacher", teacher), 3, "has learned from")
    check_told(run(table, tmp_path / "kd", "--init", teacher), 3, "has learned from")
    check_told(run(table, tmp_path / "kd", "--teacher", tmp_path / "x{fold}.safetensors"), 3, "Fold 1 needs")


def test_a_teacher_that_does_not_say_what_it_saw_is_warned_of(
    done: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    table, output = done
    teacher = tmp_path / "t.safetensors"
    save_student(student_from_name("edge_n_noscan", 3), ModelSpec("edge_n_noscan", (*PLANES, "not_standard")), teacher)
    shutil.copytree(output, tmp_path / "kd")
    for number in (1, 2):
        (tmp_path / "kd" / f"fold{number}" / "fold.json").unlink()
    told = run(table, tmp_path / "kd", "--init", teacher, "--folds-only", "1", "--epochs", "1@32")
    assert told.code == 0, told.err
    assert "does not say on which images" in told.document["warnings"][0]


def test_machines_are_left_out_one_by_one_and_another_cohort_is_answered(run: Run, tmp_path: Path) -> None:
    table, other = table_of(tmp_path / "data", "fpdb", 12), table_of(tmp_path / "other", "elsewhere", 4)
    done = run(table, tmp_path / "out", "--by", "machine", "--cohort", f"abroad={other}")
    assert done.code == 0, done.err
    assert [fold["name"] for fold in done.document["folds"]] == ["Aloka", "Voluson E6"]
    assert {row["machine"]: row["fold"] for row in rows_of(tmp_path / "out")} == {
        "Aloka": "Aloka",
        "Voluson E6": "Voluson E6",
    }
    cohort = done.document["cohorts"]["abroad"]
    assert cohort["images"] == 6 and [fold["n"] for fold in cohort["folds"]] == [4, 4]
    low, high = cohort["macro_f1_range"]
    assert low <= cohort["macro_f1_mean"] <= high


def test_a_cohort_of_the_same_patients_is_none(run: Run, tmp_path: Path) -> None:
    table = table_of(tmp_path / "data", "fpdb", 12)
    check_told(run(table, tmp_path / "out", "--cohort", f"same={table}"), 3, "were trained on")


def test_a_cohort_that_teachers_show_in_training_is_none(run: Run, tmp_path: Path) -> None:
    table, other = table_of(tmp_path / "data", "fpdb", 12), table_of(tmp_path / "other", "elsewhere", 4)
    learning = ("--teacher", tmp_path / "t.safetensors", "--unlabelled", other)
    sets = other.read_text("utf-8")
    check_told(run(table, tmp_path / "out", *learning, "--cohort", f"tested={other}"), 3, "t.safetensors is not a file")
    other.write_text(sets.replace(",test,", ",train,"))
    check_told(run(table, tmp_path / "out", *learning, "--cohort", f"same={other}"), 3, "were trained on")


BAD = {
    "way": (["--by", "operator"], "no folds by", 2),
    "folds": (["--folds-only", "1,3"], "names no folds", 2),
    "folds of scanners": (["--by", "machine", "--folds", "2"], "there is a fold a scanner", 2),
    "cohort": (["--cohort", "labels.csv"], "has no name", 2),
    "no teacher": (["--views", "2"], "there is no teacher", 2),
    "data set": (["--only-datasets", "hc18"], "hc18", 3),
}


def test_a_file_in_the_way_is_told_before_a_fold_is_trained(kept: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    check_told(run(kept[0], tmp_path / "out"), 2, "is a file, not a folder")


@pytest.mark.parametrize(("arguments", "told", "code"), BAD.values(), ids=BAD)
def test_what_cannot_mean_anything_is_refused(
    kept: tuple[Path, Path], run: Run, tmp_path: Path, arguments: list[str], told: str, code: int
) -> None:
    check_told(run(kept[0], tmp_path / "out", *arguments), code, told)
