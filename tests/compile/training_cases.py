"""A few generated images, a student of a few thousand weights and a recipe of seconds, for the tests of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from calibration.dataset import Dataset, dataset_from_csv
from compile.model.students import Student, StudentShape
from compile.training.images import TrainingImages
from compile.training.loop import HeldOut, trained
from compile.training.recipe import Phase, Recipe

SHAPE = StudentShape((8, 16, 16, 16), (1, 1, 2, 1), mlp_ratio=1.0)
RECIPE = Recipe(
    labels=("abdomen", "femur"),
    rejects=("cervix",),
    phases=(Phase(1, 32), Phase(1, 64)),
    batch=5,
    warmup_epochs=1,
    ema=0.5,
    drop_path=0.5,
    negatives=0.2,
)
REJECT = 2  # class number behind the two labels
STEPS = 3  # of an epoch: 12 labelled images, four a batch beside one negative

TRAINED = ("t0", "t1", "t2", "t3", "t4", "t5")
ROWS = [
    *[(f"t{i}.png", ("abdomen", "femur", "cervix")[i % 3], "train", f"p{i}", "Aloka") for i in range(6)],
    ("h0.png", "femur", "train", "held", "Aloka"),
    ("h1.png", "abdomen", "train", "held", "scanner of a held-out patient"),
    ("name.png", "femur", "train", "", ""),
    ("v0.png", "abdomen", "val", "p7", "scanner of no training image"),
    ("s0.png", "spine", "train", "p8", "scanner of a label that is not trained"),
]
HELD_OUT_ROWS = [
    ("x.png", "femur", "test", "held", ""),
    ("y.png", "cervix", "test", "q", ""),
    ("name.png", "femur", "test", "", ""),
]


def silent(_stage: str, _share: float) -> None: ...


def images_of(unlabelled: int = 0) -> TrainingImages:
    """Twelve coarse textures of three classes, some without a class, and four negatives."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (16 + unlabelled, 8, 8), dtype=np.uint8)
    targets = torch.tensor([index % 3 for index in range(12)] + [-1] * unlabelled + [REJECT] * 4)
    squares = torch.from_numpy(coarse.repeat(8, 1).repeat(8, 2))
    return TrainingImages(squares, targets, torch.ones(len(squares), dtype=torch.bool), 12, unlabelled, 3)


def held_out_of() -> HeldOut:
    inputs = np.random.default_rng(1).normal(size=(3, 1, 64, 64)).astype(np.float32)
    return HeldOut(inputs, np.array([0, 1, 2]))


def fresh(recipe: Recipe = RECIPE) -> Student:
    torch.manual_seed(recipe.seed)
    return Student(SHAPE, classes=3, drop_path=recipe.drop_path)


def run(folder: Path, recipe: Recipe = RECIPE) -> dict[str, Tensor]:
    """One whole run, or the rest of one."""
    return weights_of(trained(fresh(recipe), images_of(), held_out_of(), recipe, folder, silent))


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def are_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def short(recipe: Recipe = RECIPE) -> Recipe:
    return replace(recipe, phases=(Phase(1, 32),))


def dataset_of(folder: Path, rows: list[tuple[str, ...]]) -> Dataset:
    """Images of coarse noise and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(rows))
    for name, *_ in rows:
        Image.fromarray(rng.integers(0, 256, (24, 32), dtype=np.uint8).repeat(2, 0).repeat(2, 1)).save(folder / name)
    table = folder / "labels.csv"
    table.write_text("file,label,split,patient,machine\n" + "".join(",".join(row) + "\n" for row in rows))
    return dataset_from_csv(table)
