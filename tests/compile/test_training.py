"""Training on a few generated images: what is drawn, that a run repeats and resumes, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from calibration.dataset import Dataset, dataset_from_csv
from compile.model.checkpoint import teacher_from_checkpoint
from compile.model.students import Student, StudentShape
from compile.training.augment import Augmentation, text_blocks
from compile.training.cli import register
from compile.training.images import (
    NEGATIVES,
    SOURCE_PX,
    TrainingImages,
    batches,
    inputs_from_dataset,
    training_images_from_dataset,
)
from compile.training.loop import HeldOut, trained
from compile.training.recipe import Phase, Recipe
from compile.training.student import student_from_dataset
from edge.errors import CheckpointError, LabelsError, UsageError
from edge.preprocess import Preprocess, input_from_frame, square_from_frame
from edge.sources.images import load_image

SHAPE = StudentShape((8, 16, 16, 16), (1, 1, 2, 1), mlp_ratio=1.0)
RECIPE = Recipe(
    labels=("abdomen", "femur"),
    rejects=("cervix",),
    phases=(Phase(1, 32), Phase(1, 64)),
    size_px=64,
    batch=5,
    warmup_epochs=1,
    ema=0.5,
    drop_path=0.5,
    negatives=0.2,
)
REJECT = 2  # class number behind the two labels


def silent(_stage: str, _share: float) -> None: ...


@pytest.fixture(scope="module")
def images() -> TrainingImages:
    """Twelve coarse textures of three classes, and four negatives."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (16, 8, 8), dtype=np.uint8)
    targets = torch.tensor([index % 3 for index in range(12)] + [REJECT] * 4)
    return TrainingImages(torch.from_numpy(coarse.repeat(8, 1).repeat(8, 2)), targets, real=12, classes=3)


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    inputs = np.random.default_rng(1).normal(size=(3, 1, 64, 64)).astype(np.float32)
    return HeldOut(inputs, np.array([0, 1, 2]))


def run(images: TrainingImages, held_out: HeldOut, folder: Path, recipe: Recipe = RECIPE) -> dict[str, Tensor]:
    """One whole run, or the rest of one."""
    return weights_of(trained(fresh(recipe), images, held_out, recipe, folder, silent))


def fresh(recipe: Recipe) -> Student:
    torch.manual_seed(recipe.seed)
    return Student(SHAPE, classes=3, drop_path=recipe.drop_path)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def are_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


class StoppedError(Exception):
    """A power cut, as far as the loop can tell."""


def stop_after_one_epoch(stage: str, share: float) -> None:
    if share >= 0.5:
        raise StoppedError


@pytest.fixture(scope="module")
def whole(images: TrainingImages, held_out: HeldOut, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The weights of a run that nothing interrupted."""
    return run(images, held_out, tmp_path_factory.mktemp("whole"))


def test_a_run_that_was_stopped_after_an_epoch_ends_in_the_very_same_weights(
    images: TrainingImages, held_out: HeldOut, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        trained(fresh(RECIPE), images, held_out, RECIPE, tmp_path, stop_after_one_epoch)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1
    torch.manual_seed(99)  # another process has drawn other numbers by then
    other = Student(SHAPE, classes=3, drop_path=RECIPE.drop_path)
    assert are_equal(weights_of(trained(other, images, held_out, RECIPE, tmp_path, silent)), whole)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    images: TrainingImages, held_out: HeldOut, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    assert are_equal(run(images, held_out, tmp_path / "same"), whole)
    assert not are_equal(run(images, held_out, tmp_path / "other", replace(RECIPE, seed=1)), whole)


def test_a_finished_run_is_not_trained_again(images: TrainingImages, held_out: HeldOut, tmp_path: Path) -> None:
    first = run(images, held_out, tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    assert are_equal(run(images, held_out, tmp_path), first)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_training_changes_every_tensor(whole: dict[str, Tensor]) -> None:
    start = weights_of(fresh(RECIPE))
    assert [name for name in start if torch.equal(start[name], whole[name])] == []


def test_every_epoch_is_a_line_of_the_log_and_the_last_is_scored(
    images: TrainingImages, held_out: HeldOut, tmp_path: Path
) -> None:
    run(images, held_out, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {"epoch", "loss", "seconds"}
    assert 0 <= lines[1]["macro_f1"] <= lines[1]["accuracy"] * 2 and 0 <= lines[1]["accuracy"] <= 1


def test_a_run_of_another_recipe_is_not_gone_on_with(images: TrainingImages, held_out: HeldOut, tmp_path: Path) -> None:
    run(images, held_out, tmp_path, replace(RECIPE, phases=(Phase(1, 32),)))
    with pytest.raises(CheckpointError, match="a run of another recipe") as refusal:
        run(images, held_out, tmp_path)
    assert refusal.value.exit_code == 3 and "--work" in refusal.value.cure


def test_batches_are_normalised_inputs_of_the_epochs_size_and_soft_targets(images: TrainingImages) -> None:
    text = torch.from_numpy(text_blocks(2, 0))
    for epoch, side in enumerate((32, 64)):
        drawn = list(batches(images, RECIPE, text, epoch))
        assert len(drawn) == 3  # 12 real images, four a batch beside one negative
        for x, y in drawn:
            assert (x.shape, x.dtype) == ((5, 1, side, side), torch.float32)
            assert x.min() >= -1 and x.max() <= 3  # (0 - 0.25) / 0.25 and (1 - 0.25) / 0.25
            assert torch.allclose(y.sum(1), torch.ones(5))


def test_batches_repeat_for_a_seed_and_an_epoch_and_only_then(images: TrainingImages) -> None:
    text = torch.from_numpy(text_blocks(2, 0))

    def first(recipe: Recipe, epoch: int) -> Tensor:
        torch.manual_seed(np.random.default_rng().integers(1000))  # the global generator has no say
        return next(iter(batches(images, recipe, text, epoch)))[0]

    same_size = replace(RECIPE, phases=(Phase(2, 32),))
    assert torch.equal(first(same_size, 0), first(same_size, 0))
    assert not torch.equal(first(same_size, 0), first(same_size, 1))
    assert not torch.equal(first(same_size, 0), first(replace(same_size, seed=1), 0))


def test_images_fewer_than_a_batch_still_make_one_step(images: TrainingImages) -> None:
    recipe = replace(RECIPE, batch=32)
    assert [len(x) for x, _ in batches(images, recipe, torch.from_numpy(text_blocks(2, 0)), 0)] == [32]


def test_rare_classes_are_drawn_more_often_than_they_occur() -> None:
    targets = torch.tensor([0] * 90 + [1] * 10 + [REJECT])
    images = TrainingImages(torch.zeros(101, 32, 32, dtype=torch.uint8), targets, real=100, classes=3)
    plain = Recipe(phases=(Phase(40, 16),), batch=50, mixup=0.0, negatives=0.0, augmentation=Augmentation(text=0.0))
    shares = {}
    for balance in (0.0, 0.7, 1.0):
        recipe, text = replace(plain, balance=balance), torch.zeros(1, 8, 8)
        y = torch.cat([y for epoch in range(10) for _, y in batches(images, recipe, text, epoch)])
        shares[balance] = float(y[:, 1].mean())
    assert shares[0.0] == pytest.approx(0.1, abs=0.03)
    assert shares[1.0] == pytest.approx(0.5, abs=0.05)
    assert shares[0.0] < shares[0.7] < shares[1.0]


def test_planted_text_is_equally_frequent_on_every_class_negatives_included() -> None:
    targets = torch.tensor([0] * 60 + [1] * 20 + [REJECT] * 20 + [REJECT] * 10)
    images = TrainingImages(torch.zeros(110, 64, 64, dtype=torch.uint8), targets, real=100, classes=3)
    augmentation = Augmentation(erase=0.0, text=0.5)
    recipe = replace(RECIPE, phases=(Phase(20, 32),), batch=50, mixup=0.0, augmentation=augmentation)
    drawn = [batch for epoch in range(20) for batch in batches(images, recipe, torch.ones(1, 8, 8), epoch)]
    has_text = torch.cat([x.amax((1, 2, 3)) > 2.9 for x, _ in drawn])  # on black frames nothing else is white
    classes = torch.cat([y.argmax(1) for _, y in drawn])
    rates = [float(has_text[classes == number].float().mean()) for number in range(3)]
    assert min(int((classes == number).sum()) for number in range(3)) > 400  # three standard deviations are 0.075
    assert rates == pytest.approx([0.5] * 3, abs=0.075)


TRAINED = ("t0", "t1", "t2", "t3", "t4", "t5")
ROWS = [
    *[(f"t{i}.png", ("abdomen", "femur", "cervix")[i % 3], "train", f"p{i}", "Aloka") for i in range(6)],
    ("h0.png", "femur", "train", "held", "Aloka"),
    ("h1.png", "abdomen", "train", "held", "Aloka"),
    ("name.png", "femur", "train", "", ""),
    ("v0.png", "abdomen", "val", "p7", "scanner of no training image"),
    ("s0.png", "spine", "train", "p8", "scanner of a label that is not trained"),
]
HELD_OUT_ROWS = [
    ("x.png", "femur", "test", "held", ""),
    ("y.png", "cervix", "test", "q", ""),
    ("name.png", "femur", "test", "", ""),
]


def dataset_of(folder: Path, rows: list[tuple[str, ...]]) -> Dataset:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(rows))
    for name, *_ in rows:
        Image.fromarray(rng.integers(0, 256, (24, 32), dtype=np.uint8).repeat(2, 0).repeat(2, 1)).save(folder / name)
    table = folder / "labels.csv"
    table.write_text("file,label,split,patient,machine\n" + "".join(",".join(row) + "\n" for row in rows))
    return dataset_from_csv(table)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Images to train on and images that are held out."""
    folder = tmp_path_factory.mktemp("data")
    return dataset_of(folder / "train", ROWS), dataset_of(folder / "held", HELD_OUT_ROWS)


@pytest.fixture(scope="module")
def loaded(data: tuple[Dataset, Dataset]) -> TrainingImages:
    return training_images_from_dataset(*data, RECIPE, silent)


def test_held_out_patients_and_files_other_splits_and_other_labels_are_never_trained_on(
    data: tuple[Dataset, Dataset], loaded: TrainingImages
) -> None:
    dataset, _ = data
    square = Preprocess(size_px=SOURCE_PX)
    expected = [square_from_frame(load_image(dataset.root / f"{name}.png"), square) for name in TRAINED]
    assert loaded.real == len(TRAINED)
    assert np.array_equal(loaded.squares[: loaded.real].numpy(), expected)


def test_reject_labels_and_negatives_teach_the_class_behind_the_planes(loaded: TrainingImages) -> None:
    assert loaded.targets.tolist() == [0, 1, REJECT, 0, 1, REJECT] + [REJECT] * NEGATIVES
    assert (loaded.classes, len(loaded.squares)) == (3, len(TRAINED) + NEGATIVES)


def test_a_label_without_a_training_image_is_refused_by_name(data: tuple[Dataset, Dataset]) -> None:
    recipe = replace(RECIPE, labels=("abdomen", "femur", "thorax"))
    with pytest.raises(LabelsError, match="has no image of thorax") as refusal:
        training_images_from_dataset(*data, recipe, silent)
    assert refusal.value.exit_code == 3


def test_a_label_whose_images_are_all_held_out_is_missing(data: tuple[Dataset, Dataset]) -> None:
    dataset, held_out = data
    only_held = replace(dataset, samples=tuple(s for s in dataset.samples if s.label != "femur" or s.patient == "held"))
    with pytest.raises(LabelsError, match="has no image of femur"):
        training_images_from_dataset(only_held, held_out, RECIPE, silent)


def test_held_out_images_without_a_trained_label_are_refused(data: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    dataset, held_out = data
    strangers = replace(held_out, samples=tuple(replace(sample, label="spine") for sample in held_out.samples))
    with pytest.raises(LabelsError, match="no image of a label that is trained"):
        student_from_dataset(dataset, strangers, RECIPE, tmp_path, tmp_path / "student.safetensors", silent)


def test_an_unknown_model_is_refused_before_any_image_is_read(data: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="edge-n"):
        student_from_dataset(*data, replace(RECIPE, model="edge-n"), tmp_path, tmp_path / "x", unexpected)


def unexpected(stage: str, _share: float) -> None:
    pytest.fail(f"{stage} was begun")


@pytest.mark.parametrize("epochs", ["", "90", "90@", "0@160", "5@0", "-1@160", "90@160;25@224", "9.5@160"])
def test_a_schedule_that_means_nothing_is_a_usage_error(data: tuple[Dataset, Dataset], epochs: str) -> None:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["edge_n", "--data", str(data[0].root), "-o", "x", "--epochs", epochs])
    assert isinstance(result.exception, UsageError) and "no schedule" in result.exception.cause


def test_training_inputs_of_held_out_images_are_the_devices(data: tuple[Dataset, Dataset]) -> None:
    _, held_out = data
    inputs = inputs_from_dataset(held_out, Preprocess(size_px=64))
    expected = [input_from_frame(load_image(held_out.path(s)), Preprocess(size_px=64))[0] for s in held_out.samples]
    assert np.array_equal(inputs, expected)


def test_a_student_is_trained_from_a_table_to_weights_that_describe_themselves(
    data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    recipe = replace(RECIPE, phases=(Phase(1, 32),))
    artifact = student_from_dataset(*data, recipe, tmp_path / "work", tmp_path / "student.safetensors", silent)
    model, info = teacher_from_checkpoint(artifact.path)
    assert info.spec is not None
    assert (info.spec.name, info.spec.labels) == ("edge_n", ("abdomen", "femur", "not_standard"))
    assert info.spec.reject_labels == ("not_standard",)
    assert info.spec.machines == ("Aloka",)
    assert info.spec.preprocess == Preprocess(size_px=64)
    assert info.spec.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert set(artifact.made_from) == {"dataset", "recipe"}
