"""What a scanner, a probe and a hand vary, and what is no plane at all: shapes, ranges and seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from compile.training.augment import TEXT_SIDE_PX, Augmentation, augmented, text_blocks
from compile.training.negatives import negative_squares


def augment(squares: Tensor, seed: int = 0, augmentation: Augmentation | None = None, may_flip: bool = True) -> Tensor:
    generator, text = torch.Generator().manual_seed(seed), torch.from_numpy(text_blocks(3, 0))
    flips = torch.full((len(squares),), may_flip)
    return augmented(squares, flips, 48, text, augmentation or Augmentation(), generator)


@pytest.fixture
def squares() -> Tensor:
    return torch.from_numpy(np.random.default_rng(3).integers(0, 256, (32, 64, 64), dtype=np.uint8))


def test_augmented_images_keep_shape_type_and_range(squares: Tensor) -> None:
    x = augment(squares)
    assert (x.shape, x.dtype) == ((32, 1, 48, 48), torch.float32)
    assert x.min() >= 0 and x.max() <= 1 and torch.isfinite(x).all()


def test_augmentation_repeats_with_its_generator_and_leaves_the_images_alone(squares: Tensor) -> None:
    before = squares.clone()
    torch.manual_seed(1)
    first = augment(squares)
    torch.manual_seed(2)
    assert torch.equal(augment(squares), first)
    assert not torch.equal(augment(squares, seed=1), first)
    assert torch.equal(squares, before)


def test_equal_images_are_augmented_differently(squares: Tensor) -> None:
    x = augment(squares[:1].expand(8, -1, -1))
    assert all(not torch.equal(x[0], other) for other in x[1:])


@pytest.mark.parametrize(("share", "brightest"), [(0.0, 0), (1.0, 8)])
def test_text_is_all_that_is_ever_added_to_a_black_image(share: float, brightest: int) -> None:
    x = augment(torch.zeros(8, 64, 64, dtype=torch.uint8), augmentation=Augmentation(text=share))
    assert int((x.amax((1, 2, 3)) > 0.1).sum()) == brightest


@pytest.mark.parametrize(("share", "erased"), [(0.0, 0), (1.0, 8)])
def test_erasing_leaves_a_black_rectangle(share: float, erased: int) -> None:
    inner = Augmentation(area=(0.2, 0.3), rotation_deg=0.0, text=0.0, erase=share)  # a crop without a border
    x = augment(torch.full((8, 64, 64), 255, dtype=torch.uint8), augmentation=inner)
    assert int((x == 0).flatten(1).any(1).sum()) == erased


def test_a_plane_that_a_mirror_changes_is_never_flipped() -> None:
    """A frame that is bright on the left stays so, or does so half the time."""
    still = Augmentation(area=(0.9, 1.0), rotation_deg=0.0, text=0.0, erase=0.0, speckle=0.0)
    squares = torch.zeros(64, 48, 48, dtype=torch.uint8)
    squares[:, :, :20] = 200
    shares = []
    for may_flip in (False, True):
        x = augment(squares, augmentation=still, may_flip=may_flip)
        shares.append(float((x[..., :24].sum((1, 2, 3)) > x[..., 24:].sum((1, 2, 3))).float().mean()))
    assert shares[0] == 1.0 and 0.3 < shares[1] < 0.7


def test_text_blocks_are_seeded_bright_on_black() -> None:
    blocks = text_blocks(8, 0)
    assert (blocks.shape, blocks.dtype) == ((8, TEXT_SIDE_PX, TEXT_SIDE_PX), np.float32)
    assert blocks.min() == 0 and blocks.max() <= 1
    assert all(0.001 < (block > 0.3).mean() < 0.5 for block in blocks)
    assert np.array_equal(blocks, text_blocks(8, 0)) and not np.array_equal(blocks, text_blocks(8, 1))


def negatives(seed: int, count: int = 14) -> NDArray[np.uint8]:
    real = np.random.default_rng(7).integers(0, 256, (2, 128, 128), dtype=np.uint8)
    return negative_squares(count, 128, real, text_blocks(2, 0), seed)


def test_negatives_are_seeded_and_all_different() -> None:
    frames = negatives(0)
    assert (frames.shape, frames.dtype) == ((14, 128, 128), np.uint8)
    assert np.array_equal(frames, negatives(0)) and not np.array_equal(frames, negatives(1))
    assert len({frame.tobytes() for frame in frames}) == 14
