"""Dataset -> what the training loop draws from: squares in memory, class numbers, and one seeded order an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from calibration.dataset import Dataset, Sample
from compile.training.augment import augmented, text_blocks
from compile.training.negatives import negative_squares
from compile.training.recipe import Recipe
from edge.errors import LabelsError
from edge.preprocess import Preprocess, input_from_square, square_from_frame
from edge.sources.images import load_image

SOURCE_PX = 256  # side of the stored squares: no smaller than any training input
NEGATIVES = 700  # synthetic frames kept; a hundred of each kind
TEXT_BLOCKS = 256


@dataclass(frozen=True)
class TrainingImages:
    """Images in memory.

    Attributes:
        squares: (M,S,S) uint8, real images first, synthetic negatives after them.
        targets: (M,) class numbers.
        real: number of real images.
        classes: number of classes, the reject label included.
    """

    squares: Tensor
    targets: Tensor
    real: int
    classes: int


def training_images_from_dataset(
    dataset: Dataset, held_out: Dataset, recipe: Recipe, progress: Callable[[str, float], None]
) -> TrainingImages:
    """Load the `train` split without the patients that are held out.

    Args:
        dataset: images with labels; only the split "train" is used.
        held_out: images whose files and patients must not be trained on.
        recipe: labels, rejects and seed.
        progress: told what is done, 0..1.

    Raises:
        LabelsError: no image is left, or a label of the recipe has none.
    """
    patients = {(sample.dataset, sample.patient) for sample in held_out.samples if sample.patient}
    names = {_name(sample) for sample in held_out.samples}
    wanted = dataset.where(split="train", labels={*recipe.labels, *recipe.rejects})
    samples = [s for s in wanted.samples if (s.dataset, s.patient) not in patients and _name(s) not in names]
    missing = set(recipe.labels) - {sample.label for sample in samples}
    if missing:
        raise LabelsError(
            f"The train split of {dataset.root} has no image of {', '.join(sorted(missing))}.",
            "Add images of every label to the split train; images of held-out patients do not count.",
        )
    squares = np.zeros((len(samples) + NEGATIVES, SOURCE_PX, SOURCE_PX), np.uint8)
    for index, sample in enumerate(samples):
        squares[index] = square_from_frame(load_image(dataset.path(sample)), Preprocess(size_px=SOURCE_PX))
        progress("reading images", (index + 1) / len(samples))
    reject = len(recipe.labels)
    targets = [recipe.labels.index(s.label) if s.label in recipe.labels else reject for s in samples]
    text = text_blocks(TEXT_BLOCKS, recipe.seed)
    squares[len(samples) :] = negative_squares(NEGATIVES, SOURCE_PX, squares[: len(samples)], text, recipe.seed)
    return TrainingImages(
        torch.from_numpy(squares), torch.tensor(targets + [reject] * NEGATIVES), len(samples), reject + 1
    )


def _name(sample: Sample) -> tuple[str, str]:
    return sample.dataset, sample.file.rsplit("/", 1)[-1]


def batches(images: TrainingImages, recipe: Recipe, text: Tensor, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of one epoch, the same for the same seed and epoch.

    Args:
        images: to draw from.
        recipe: sampling and augmentation.
        text: blocks of `text_blocks`.
        epoch: counted from 0.

    Yields:
        input (B,1,P,P) normalised, and soft targets (B,classes).
    """
    generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
    preprocess = Preprocess(size_px=recipe.size_px)
    targets = images.targets[: images.real]
    weights = torch.bincount(targets, minlength=images.classes).float()[targets] ** -recipe.balance
    steps, drawn = recipe.steps(images.real), recipe.drawn()
    order = torch.multinomial(weights, steps * drawn, replacement=True, generator=generator)
    for rows in order.view(steps, drawn):
        noise = torch.randint(images.real, len(images.squares), (recipe.batch - drawn,), generator=generator)
        index = torch.cat([rows, noise])
        x = augmented(images.squares[index], recipe.input_px(epoch), text, recipe.augmentation, generator)
        y = functional.one_hot(images.targets[index], images.classes).float()
        if recipe.mixup:
            rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
            share = float(rng.beta(recipe.mixup, recipe.mixup))
            mate = torch.randperm(len(index), generator=generator)
            x, y = torch.lerp(x[mate], x, share), torch.lerp(y[mate], y, share)
        yield (x - preprocess.mean) / preprocess.std, y


def inputs_from_dataset(dataset: Dataset, preprocess: Preprocess) -> NDArray[np.float32]:
    """Inputs of a whole (small) dataset, as the device computes them: (M,C,S,S)."""
    squares = [square_from_frame(load_image(dataset.path(sample)), preprocess) for sample in dataset.samples]
    return np.concatenate([input_from_square(square, preprocess) for square in squares])
