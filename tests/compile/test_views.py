"""Views: kept crops and kept answers are what a teacher and a student would have met, made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from compile.training.augment import text_blocks
from compile.training.images import Views, batches
from compile.training.learner import Learner
from compile.training.loop import trained
from compile.training.recipe import Distillation, Recipe
from compile.training.teachers import Teacher, seen
from compile.training.views import views_from_images
from edge.errors import CheckpointError
from tests.compile.test_distill import teacher_of
from tests.compile.training_cases import RECIPE, are_equal, fresh, held_out_of, images_of, silent, weights_of

KEPT = replace(RECIPE, distillation=Distillation(("vmamba",), views=2, unlabelled=0.2))
CPU = torch.device("cpu")
TEXT = torch.from_numpy(text_blocks(2, 0))


@pytest.fixture
def teacher() -> Teacher:
    return teacher_of()


def made(folder: Path, teacher: Teacher, recipe: Recipe = KEPT) -> dict[int, Views]:
    return views_from_images(images_of(unlabelled=4), recipe, [teacher], folder, CPU, silent)


def test_each_size_has_every_image_in_every_view(tmp_path: Path, teacher: Teacher) -> None:
    views = made(tmp_path, teacher)
    assert set(views) == {32, 64}
    assert [crops.shape for crops in views[32].crops] == [(20, 32, 32)] * 2
    assert not np.array_equal(views[32].crops[0], views[32].crops[1])


def test_kept_answers_are_the_teachers_of_the_kept_crops(tmp_path: Path, teacher: Teacher) -> None:
    kept = made(tmp_path, teacher)[64]
    gray = torch.from_numpy(np.array(kept.crops[1])).unsqueeze(1).float() / 255
    assert torch.allclose(torch.from_numpy(np.array(kept.answers[0][1])), seen(teacher, gray, False)[0], atol=0.05)


def test_a_mixed_crop_has_the_labels_of_both_images(tmp_path: Path, teacher: Teacher) -> None:
    targets = np.concatenate(made(tmp_path, teacher)[32].targets)
    assert (targets.sum(1) <= 1 + 1e-6).all()
    assert ((targets > 0).sum(1) > 1).any()


def test_a_batch_draws_crops_and_answers_of_the_same_places(tmp_path: Path, teacher: Teacher) -> None:
    views = made(tmp_path, teacher)
    images = replace(images_of(unlabelled=4), views=views)
    batch = next(iter(batches(images, KEPT, TEXT, 0)))
    crops = np.concatenate(views[32].crops)
    for gray, target, answer in zip(batch.gray, batch.targets, batch.answers[0], strict=True):
        place = int(np.abs(crops / 255.0 - gray[0].numpy()).max((1, 2)).argmin())
        assert np.array_equal(target.numpy(), np.concatenate(views[32].targets)[place])
        assert np.array_equal(answer.numpy(), np.concatenate(views[32].answers[0])[place])


def test_the_loss_is_that_of_a_teacher_that_answers_now(tmp_path: Path, teacher: Teacher) -> None:
    images = replace(images_of(unlabelled=4), views=made(tmp_path, teacher))
    batch = next(iter(batches(images, KEPT, TEXT, 0)))
    learner = Learner(fresh(), KEPT, [teacher]).eval()
    now = replace(batch, answers=())
    with torch.no_grad():
        assert float(learner(batch)["loss"]) == pytest.approx(float(learner(now)["loss"]), rel=0.01)


def test_only_what_is_missing_is_made(tmp_path: Path, teacher: Teacher) -> None:
    made(tmp_path, teacher)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    made(tmp_path, replace(teacher, name="another"))
    now = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert times.items() <= now.items()
    assert len(now) - len(times) == 4  # its answers: two sizes, two views


def test_other_augmentation_makes_other_crops(tmp_path: Path, teacher: Teacher) -> None:
    made(tmp_path, teacher)
    changed = replace(KEPT, augmentation=replace(KEPT.augmentation, erase=0.9))
    made(tmp_path, teacher, changed)
    assert len({path.parent for path in tmp_path.rglob("*.npy")}) == 4


@pytest.mark.parametrize("left", [b"\x93NUMPY", b""])
def test_a_damaged_file_is_named(tmp_path: Path, teacher: Teacher, left: bytes) -> None:
    made(tmp_path, teacher)
    next(tmp_path.rglob("crops-0.npy")).write_bytes(left)
    with pytest.raises(CheckpointError, match="damaged"):
        made(tmp_path, teacher)


def test_a_run_on_views_repeats_to_the_bit(tmp_path: Path, teacher: Teacher) -> None:
    images = replace(images_of(unlabelled=4), views=made(tmp_path / "views", teacher))
    runs = [
        weights_of(trained(fresh(), images, held_out_of(), KEPT, tmp_path / name, silent, [teacher]))
        for name in ("a", "b")
    ]
    assert are_equal(*runs)
