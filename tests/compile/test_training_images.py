"""What is drawn for training: which images, how often, with which targets, and the same again for the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from calibration.dataset import Dataset
from compile.training.augment import Augmentation, text_blocks
from compile.training.burned_in import without_text
from compile.training.images import (
    NEGATIVES,
    NO_TARGET,
    SOURCE_PX,
    TrainingImages,
    batches,
    inputs_from_dataset,
    training_images_from_dataset,
)
from compile.training.recipe import Distillation, Phase, Recipe
from compile.training.workers import Workers
from edge.errors import LabelsError
from edge.preprocess import Preprocess, input_from_frame, square_from_frame
from edge.sources.images import load_image
from tests.compile.training_cases import (
    HELD_OUT_ROWS,
    RECIPE,
    REJECT,
    ROWS,
    TRAINED,
    dataset_of,
    images_of,
    silent,
)

TEXT = torch.from_numpy(text_blocks(2, 0))
WITH_TEACHERS = replace(RECIPE, distillation=Distillation(("a teacher",), unlabelled=0.4))


def black(targets: list[int], real: int, side: int = 32) -> TrainingImages:
    """Black frames, those behind `real` negatives."""
    numbers = torch.tensor(targets)
    squares = torch.zeros(len(targets), side, side, dtype=torch.uint8)
    return TrainingImages(squares, numbers, torch.ones(len(targets), dtype=torch.bool), real, 0, 3)


def test_batches_are_gray_crops_of_the_epoch_s_size_and_soft_targets() -> None:
    for epoch, side in enumerate((32, 64)):
        drawn = list(batches(images_of(), RECIPE, TEXT, epoch))
        assert len(drawn) == 3  # 12 real images, four a batch beside one negative
        for batch in drawn:
            assert (batch.gray.shape, batch.gray.dtype) == ((5, 1, side, side), torch.float32)
            assert batch.gray.min() >= 0 and batch.gray.max() <= 1
            assert torch.allclose(batch.targets.sum(1), torch.ones(5))


def test_batches_repeat_for_a_seed_and_an_epoch_and_only_then() -> None:
    def first(recipe: Recipe, epoch: int) -> Tensor:
        torch.manual_seed(np.random.default_rng().integers(1000))  # the global generator has no say
        return next(iter(batches(images_of(), recipe, TEXT, epoch))).gray

    same_size = replace(RECIPE, phases=(Phase(2, 32),))
    assert torch.equal(first(same_size, 0), first(same_size, 0))
    assert not torch.equal(first(same_size, 0), first(same_size, 1))
    assert not torch.equal(first(same_size, 0), first(replace(same_size, seed=1), 0))


def test_an_epoch_goes_on_at_any_step() -> None:
    whole = list(batches(images_of(), RECIPE, TEXT, 0))
    rest = list(batches(images_of(), RECIPE, TEXT, 0, first=2))
    assert len(rest) == 1 and torch.equal(rest[0].gray, whole[2].gray)


def test_processes_share_a_batch_without_an_image_twice() -> None:
    recipe = replace(RECIPE, mixup=0.0, batch=6, negatives=0.34)
    numbered = images_of()
    whole = next(iter(batches(numbered, recipe, TEXT, 0))).targets
    parts = [next(iter(batches(numbered, recipe, TEXT, 0, workers=Workers(rank, 2)))).targets for rank in range(2)]
    assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)


def test_images_fewer_than_a_batch_still_make_one_step() -> None:
    recipe = replace(RECIPE, batch=32)
    assert [len(batch.gray) for batch in batches(images_of(), recipe, TEXT, 0)] == [32]


def test_images_without_a_label_have_their_share_of_a_batch_and_no_target() -> None:
    images = images_of(unlabelled=8)
    recipe = replace(WITH_TEACHERS, mixup=0.0)
    drawn = list(batches(images, recipe, TEXT, 0))
    assert len(drawn) == 6  # 12 labelled images, two a batch
    assert [batch.targets.sum(1).tolist() for batch in drawn] == [[1, 1, 0, 0, 1]] * 6
    assert recipe.shares(0) == (4, 0, 1)  # where there are none, their places go to labelled ones


def test_rare_classes_are_drawn_more_often_than_they_occur() -> None:
    images = black([0] * 90 + [1] * 10 + [REJECT], real=100)
    plain = Recipe(phases=(Phase(40, 16),), batch=50, mixup=0.0, negatives=0.0, augmentation=Augmentation(text=0.0))
    shares = {}
    for balance in (0.0, 0.7, 1.0):
        recipe = replace(plain, balance=balance)
        y = torch.cat([b.targets for epoch in range(10) for b in batches(images, recipe, torch.zeros(1, 8, 8), epoch)])
        shares[balance] = float(y[:, 1].mean())
    assert shares[0.0] == pytest.approx(0.1, abs=0.03)
    assert shares[1.0] == pytest.approx(0.5, abs=0.05)
    assert shares[0.0] < shares[0.7] < shares[1.0]


def test_planted_text_is_equally_frequent_on_every_class_negatives_included() -> None:
    images = black([0] * 60 + [1] * 20 + [REJECT] * 30, real=100, side=64)
    augmentation = Augmentation(erase=0.0, text=0.5)
    recipe = replace(RECIPE, phases=(Phase(20, 32),), batch=50, mixup=0.0, augmentation=augmentation)
    drawn = [batch for epoch in range(20) for batch in batches(images, recipe, torch.ones(1, 8, 8), epoch)]
    has_text = torch.cat([batch.gray.amax((1, 2, 3)) > 0.97 for batch in drawn])  # nothing else is white on black
    classes = torch.cat([batch.targets.argmax(1) for batch in drawn])
    rates = [float(has_text[classes == number].float().mean()) for number in range(3)]
    assert min(int((classes == number).sum()) for number in range(3)) > 400  # three standard deviations are 0.075
    assert rates == pytest.approx([0.5] * 3, abs=0.075)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Images to train on and images that are held out."""
    folder = tmp_path_factory.mktemp("data")
    return dataset_of(folder / "train", ROWS), dataset_of(folder / "held", HELD_OUT_ROWS)


@pytest.fixture(scope="module")
def loaded(data: tuple[Dataset, Dataset]) -> TrainingImages:
    return training_images_from_dataset(*data, RECIPE, silent)


def square_of(path: Path) -> np.ndarray:  # type: ignore[type-arg]  # of uint8
    frame = load_image(path)
    return without_text(square_from_frame(frame, Preprocess(size_px=SOURCE_PX)), frame.shape[:2])


def test_held_out_patients_and_files_other_splits_and_other_labels_are_never_trained_on(
    data: tuple[Dataset, Dataset], loaded: TrainingImages
) -> None:
    expected = [square_of(data[0].root / f"{name}.png") for name in TRAINED]
    assert (loaded.real, loaded.unlabelled) == (len(TRAINED), 0)
    assert np.array_equal(loaded.squares[: loaded.real].numpy(), expected)


def test_reject_labels_and_negatives_teach_the_class_behind_the_planes(loaded: TrainingImages) -> None:
    assert loaded.targets.tolist() == [0, 1, REJECT, 0, 1, REJECT] + [REJECT] * NEGATIVES
    assert (loaded.classes, len(loaded.squares)) == (3, len(TRAINED) + NEGATIVES)


def test_teachers_also_see_training_images_of_other_labels_but_no_held_out_one(
    data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    more = [("u0.png", "anything", "train", "p20", ""), ("u1.png", "femur", "val", "p21", "")]
    more += [("u2.png", "femur", "train", "held", "")]
    extra = dataset_of(tmp_path / "more", more)
    images = training_images_from_dataset(*data, WITH_TEACHERS, silent, [extra])
    expected = [square_of(data[0].root / "s0.png"), square_of(extra.root / "u0.png")]
    assert (images.real, images.unlabelled) == (6, 2)
    assert np.array_equal(images.squares[6:8].numpy(), expected)
    assert images.targets[6:8].tolist() == [NO_TARGET] * 2 and images.targets[8:].tolist() == [REJECT] * NEGATIVES


def test_teachers_never_show_what_the_table_itself_keeps_for_a_test(
    data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    more = [("u0.png", "femur", "", "p20", ""), ("u1.png", "femur", "", "p7", ""), ("v0.png", "femur", "", "", "")]
    extra = dataset_of(tmp_path / "more", more)  # p7 and v0.png are of the table's split val
    images = training_images_from_dataset(*data, WITH_TEACHERS, silent, [extra])
    assert np.array_equal(images.squares[7].numpy(), square_of(extra.root / "u0.png"))
    assert images.unlabelled == 2


def test_planes_that_a_mirror_changes_are_marked(data: tuple[Dataset, Dataset]) -> None:
    images = training_images_from_dataset(*data, replace(RECIPE, unflipped=("femur",)), silent)
    assert images.may_flip[:6].tolist() == [True, False, True] * 2 and bool(images.may_flip[6:].all())
    shown = training_images_from_dataset(*data, replace(WITH_TEACHERS, unflipped=("spine",)), silent)
    assert shown.unlabelled == 1 and shown.may_flip.tolist() == [True] * 6 + [False] + [True] * NEGATIVES


def test_equal_names_in_other_folders_of_one_set_are_other_images(tmp_path: Path) -> None:
    rows = [("abdomen/1.png", "abdomen", "train", "", ""), ("femur/1.png", "femur", "train", "", "")]
    for label in ("abdomen", "femur"):
        (tmp_path / "images" / label).mkdir(parents=True)
    dataset = dataset_of(tmp_path / "images", rows)
    held = replace(dataset, samples=dataset.samples[:1])
    images = training_images_from_dataset(dataset, held, replace(RECIPE, labels=("femur",)), silent)
    assert images.real == 1


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


def test_training_inputs_of_held_out_images_are_the_devices(data: tuple[Dataset, Dataset]) -> None:
    _, held_out = data
    inputs = inputs_from_dataset(held_out, Preprocess(size_px=64))
    expected = [input_from_frame(load_image(held_out.path(s)), Preprocess(size_px=64))[0] for s in held_out.samples]
    assert np.array_equal(inputs, expected)
