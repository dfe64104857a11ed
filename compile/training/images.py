"""Dataset -> what the training loop draws from: squares in memory, class numbers, and one seeded order an epoch.

::

    split train, without held-out patients --+--> labelled squares (text in their margins taken out)
                                             +--> squares without a label of the recipe: for teachers only
    seeded drawings ------------------------------> squares that are no plane
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from calibration.dataset import Dataset
from calibration.splits import without_known
from compile.training.augment import augmented, text_blocks
from compile.training.burned_in import without_text
from compile.training.negatives import negative_squares
from compile.training.recipe import Recipe
from compile.training.workers import Workers
from edge.errors import LabelsError
from edge.preprocess import Preprocess, input_from_square, square_from_frame
from edge.sources.images import load_image

SOURCE_PX = 256  # side of the stored squares: no smaller than any training input
NEGATIVES = 700  # synthetic frames kept; a hundred of each kind
TEXT_BLOCKS = 256
NO_TARGET = -1  # class number of an image without a label of the recipe


@dataclass(frozen=True)
class Views:
    """Kept crops of one input size, V of each image, see `compile.training.views`.

    Attributes:
        crops: V times (M,P,P) uint8.
        targets: V times (M,classes), soft.
        answers: of each teacher, V times its logits (M,K).
    """

    crops: tuple[NDArray[np.uint8], ...]
    targets: tuple[NDArray[np.float32], ...]
    answers: tuple[tuple[NDArray[np.float32], ...], ...]


@dataclass(frozen=True)
class TrainingImages:
    """Images in memory: labelled ones first, then those without a label, then synthetic ones.

    Attributes:
        squares: (M,S,S) uint8.
        targets: (M,) class numbers, NO_TARGET where there is none.
        may_flip: (M,) bool, a mirror image shows the same plane.
        real: number of labelled images.
        unlabelled: number of images without a label.
        classes: number of classes, the reject label included.
        views: input side in px -> kept crops to draw from instead of new ones.
    """

    squares: Tensor
    targets: Tensor
    may_flip: Tensor
    real: int
    unlabelled: int
    classes: int
    views: Mapping[int, Views] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over pixels, class numbers and what may be mirrored, hexadecimal; views follow from these."""
        digest = hashlib.sha256(f"{self.real} {self.unlabelled} {self.classes}".encode())
        for part in (self.squares, self.targets, self.may_flip):
            digest.update(part.cpu().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Batch:
    """One step's images.

    Attributes:
        gray: (B,1,P,P), 0..1.
        targets: (B,classes), soft; a row adds up to the share of the image that has a label.
        answers: logits (B,K) of each teacher where they are kept with the crops.
    """

    gray: Tensor
    targets: Tensor
    answers: tuple[Tensor, ...] = ()


def training_images_from_dataset(
    dataset: Dataset,
    held_out: Dataset,
    recipe: Recipe,
    progress: Callable[[str, float], None],
    unlabelled: Sequence[Dataset] = (),
) -> TrainingImages:
    """Load the `train` split without the patients that are held out.

    Args:
        dataset: images with labels; only the split "train" is used.
        held_out: images whose files and patients must not be trained on.
        recipe: labels, rejects and seed; a recipe with teachers uses images of other labels without them.
        progress: told what is done, 0..1.
        unlabelled: more images for the teachers, their labels ignored; of a table with splits only "train", and no
            patient or file of the data set's own other splits.

    Raises:
        LabelsError: no image is left, or a label of the recipe has none.
    """
    labelled, others = _sources(dataset, held_out, recipe, unlabelled)
    sources = [(source, sample) for source in (labelled, *others) for sample in source.samples]
    paths = [source.path(sample) for source, sample in sources]
    squares = np.zeros((len(paths) + NEGATIVES, SOURCE_PX, SOURCE_PX), np.uint8)
    for index, path in enumerate(paths):
        frame = load_image(path)
        squares[index] = without_text(square_from_frame(frame, Preprocess(size_px=SOURCE_PX)), frame.shape[:2])
        progress("reading images", (index + 1) / len(paths))
    text = text_blocks(TEXT_BLOCKS, recipe.seed)
    squares[len(paths) :] = negative_squares(NEGATIVES, SOURCE_PX, squares[: len(paths)], text, recipe.seed)
    reject, real = len(recipe.labels), len(labelled.samples)
    targets = [recipe.labels.index(s.label) if s.label in recipe.labels else reject for s in labelled.samples]
    targets += [NO_TARGET] * (len(paths) - real) + [reject] * NEGATIVES
    may_flip = torch.ones(len(squares), dtype=torch.bool)
    may_flip[: len(paths)] = torch.tensor([sample.label not in recipe.unflipped for _, sample in sources])
    return TrainingImages(
        torch.from_numpy(squares), torch.tensor(targets), may_flip, real, len(paths) - real, reject + 1
    )


def _sources(
    dataset: Dataset, held_out: Dataset, recipe: Recipe, unlabelled: Sequence[Dataset]
) -> tuple[Dataset, list[Dataset]]:
    """Images with a label of the recipe, and those that only teachers see."""
    known = {*recipe.labels, *recipe.rejects}
    usable = without_known(dataset.where(split="train"), held_out)
    labelled = usable.where(labels=known)
    missing = set(recipe.labels) - {sample.label for sample in labelled.samples}
    if missing:
        raise LabelsError(
            f"The train split of {dataset.root} has no image of {', '.join(sorted(missing))}.",
            "Add images of every label to the split train; images of held-out patients do not count.",
        )
    others = [usable.where(labels=set(usable.labels) - known)] if recipe.distillation else []
    tested = replace(dataset, samples=tuple(s for s in dataset.samples if s.split not in ("train", "")))
    return labelled, others + [without_known(without_known(trainable(m), held_out), tested) for m in unlabelled]


def trainable(dataset: Dataset) -> Dataset:
    """What teachers may show of a data set: its split "train", all of it where it has no splits."""
    return dataset.where(split="train") if any(sample.split for sample in dataset.samples) else dataset


def generator_from_numbers(*numbers: int) -> torch.Generator:
    """A source of randomness, the same for the same numbers and unrelated for others; zeros at the end do not count."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def batches(
    images: TrainingImages, recipe: Recipe, text: Tensor, epoch: int, first: int = 0, workers: Workers | None = None
) -> Iterator[Batch]:
    """This process's part of one epoch's batches, the same for the same seed, epoch and step, whatever was before.

    Args:
        images: to draw from; their device is the batches'.
        recipe: sampling and augmentation.
        text: blocks of `text_blocks`, on the same device.
        epoch: counted from 0.
        first: step to begin with, counted from 0.
        workers: the processes that share a batch; None for this one alone.
    """
    rank, count = (workers.rank, workers.count) if workers else (0, 1)
    drawn, without, synthetic = recipe.shares(images.unlabelled)
    targets = images.targets[: images.real]
    weights = torch.bincount(targets, minlength=images.classes).float()[targets] ** -recipe.balance
    steps = recipe.steps(images.real, images.unlabelled)
    order = torch.multinomial(
        weights, steps * drawn, replacement=True, generator=generator_from_numbers(recipe.seed, epoch)
    ).view(steps, drawn)
    end = images.real + images.unlabelled
    for step in range(first, steps):
        generator = generator_from_numbers(recipe.seed, epoch, step)
        others = torch.randint(images.real, max(end, images.real + 1), (without,), generator=generator)
        noise = torch.randint(end, max(len(images.squares), end + 1), (synthetic,), generator=generator)
        index = torch.cat([order[step], others, noise])[rank::count]
        own = generator_from_numbers(recipe.seed, epoch, step, rank)
        side = recipe.input_px(epoch)
        if side in images.views:
            yield _kept(images.views[side], index, own, images.squares.device)
        else:
            yield batch_from_index(images, index, recipe, text, side, own)


def _kept(views: Views, index: Tensor, generator: torch.Generator, device: torch.device) -> Batch:
    """A batch of kept crops, each image in a view of its own."""
    drawn = torch.randint(len(views.crops), (len(index),), generator=generator).tolist()
    places = list(zip(drawn, index.tolist(), strict=True))

    def taken(parts: Sequence[NDArray[Any]]) -> Tensor:
        return torch.from_numpy(np.stack([parts[view][image] for view, image in places])).to(device)

    return Batch(
        taken(views.crops).unsqueeze(1).float() / 255,
        taken(views.targets),
        tuple(taken(parts) for parts in views.answers),
    )


def batch_from_index(
    images: TrainingImages, index: Tensor, recipe: Recipe, text: Tensor, size_px: int, generator: torch.Generator
) -> Batch:
    """New crops of the images with these numbers, mixed with each other as the recipe says."""
    device = images.squares.device
    squares = images.squares[index.to(device)]
    x = augmented(squares, images.may_flip[index], size_px, text, recipe.augmentation, generator)
    numbers = images.targets[index]
    y = functional.one_hot(numbers.clamp(min=0), images.classes).float() * (numbers != NO_TARGET).unsqueeze(1)
    if recipe.mixup:
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        share = float(rng.beta(recipe.mixup, recipe.mixup))
        mate = torch.randperm(len(index), generator=generator)
        x, y = torch.lerp(x[mate.to(device)], x, share), torch.lerp(y[mate], y, share)
    return Batch(x, y.to(device))


def inputs_from_dataset(dataset: Dataset, preprocess: Preprocess) -> NDArray[np.float32]:
    """Inputs of a whole (small) dataset, as the device computes them: (M,C,S,S)."""
    squares = [square_from_frame(load_image(dataset.path(sample)), preprocess) for sample in dataset.samples]
    return np.concatenate([input_from_square(square, preprocess) for square in squares])
