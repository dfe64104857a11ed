"""Masked pre-training: what is hidden stays hidden, the loss falls, and an interrupted run ends as an unbroken one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from compile.training.images import TrainingImages
from compile.training.recipe import Phase, Recipe
from tests.study.masked import CELL_PX, NO_SPOTS, Painter, hidden_cells, pretrained

SIDE_PX, WIDTH = 64, 8
RECIPE = Recipe(phases=(Phase(3, SIDE_PX),), batch=8, warmup_epochs=1, augmentation=NO_SPOTS)


class Small(nn.Module):
    """One convolution over a cell, and the mean of all cells: what a hidden one is told from."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, WIDTH, CELL_PX, CELL_PX)
        self.seen: Tensor | None = None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keep what came in."""
        self.seen = x
        features = self.conv(x).permute(0, 2, 3, 1)
        features = features + features.mean((1, 2), keepdim=True)
        return features.mean((1, 2)), features


def images(count: int = 20) -> TrainingImages:
    """Half of them dark, half bright; three without a label."""
    squares = torch.full((count, 96, 96), 40, dtype=torch.uint8)
    squares[::2] = 200
    return TrainingImages(squares, torch.zeros(count, dtype=torch.long), torch.ones(count, dtype=torch.bool), 14, 3, 2)


def small() -> Small:
    torch.manual_seed(0)
    return Small()


def test_every_image_has_as_many_hidden_cells() -> None:
    hidden = hidden_cells(50, 5, torch.Generator().manual_seed(1))
    assert (hidden.sum((1, 2)) == 15).all()
    assert hidden.float().mean(0).min() > 0.3


def test_nothing_of_a_hidden_cell_reaches_the_model() -> None:
    hidden = torch.tensor([[[True, False], [False, False]]])
    painter = Painter(small(), WIDTH)
    gray = torch.rand(1, 1, SIDE_PX, SIDE_PX)
    painter(gray, hidden)
    before = painter.student.seen
    gray[..., :CELL_PX, :CELL_PX] = torch.rand(CELL_PX, CELL_PX)
    painter(gray, hidden)
    assert isinstance(before, Tensor) and isinstance(painter.student.seen, Tensor)
    assert torch.equal(before, painter.student.seen)
    assert (before[..., :CELL_PX, :CELL_PX] == 0).all()
    assert (before[..., CELL_PX:, CELL_PX:] != 0).all()


def test_only_hidden_pixels_count_each_in_its_place() -> None:
    painter = Painter(small(), WIDTH)
    nn.init.zeros_(painter.pixels.weight)
    gray = torch.rand(1, 1, SIDE_PX, SIDE_PX)
    hidden = torch.tensor([[[False, True], [False, False]]])
    cell = (gray[0, 0, :CELL_PX, CELL_PX:] - painter.preprocess.mean) / painter.preprocess.std
    painter.pixels.bias.data = cell.flatten()
    assert painter(gray, hidden).item() == pytest.approx(0.0, abs=1e-6)
    assert painter(gray, hidden.flip(2)).item() > 0.1


def test_an_interrupted_run_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    told: list[str] = []

    def stop(text: str, done: float) -> None:
        told.append(text)
        if text.startswith("epoch 2") and len(told) == 2:
            raise KeyboardInterrupt

    whole = pretrained(small(), images(), RECIPE, tmp_path / "whole", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        pretrained(small(), images(), RECIPE, tmp_path / "torn", stop)
    again = pretrained(small(), images(), RECIPE, tmp_path / "torn", stop)
    assert [line.split()[1] for line in told] == ["1/3", "2/3", "3/3"]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])


def test_the_error_falls(tmp_path: Path) -> None:
    losses: list[float] = []
    recipe = replace(RECIPE, phases=(Phase(25, SIDE_PX),), lr=1e-2)
    pretrained(small(), images(), recipe, tmp_path, lambda text, _: losses.append(float(text.split()[-1])))
    assert losses[-1] < 0.7 * losses[0]
