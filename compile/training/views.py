"""Views: augmented crops kept with the teachers' answers, so that many students learn from one pass of the teachers.

::

    training images --augmentation, seeded--> crops (V,M,P,P) --each teacher--> logits (V,M,K)
                                                  `------- a student's batches draw (view, image) -------> Batch

Teacher and student see the same crop, mixed images included. Crops depend on images and augmentation only, answers on
one teacher each: another student or loss finds them made, another teacher adds its own. The synthetic images follow
the run's seed, so another seed has crops of its own.

Source: Shen and Xing, A Fast Knowledge Distillation Framework for Visual Recognition, arXiv 2112.01528, section 3.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compile.training.augment import text_blocks
from compile.training.images import (
    TEXT_BLOCKS,
    TrainingImages,
    Views,
    batch_from_index,
    generator_from_numbers,
)
from compile.training.loop import has_fast_bf16
from compile.training.recipe import Recipe
from compile.training.teachers import Teacher, seen
from edge.errors import CheckpointError
from edge.files import sha256_from_bytes, write_atomic

SEED = 20  # of the crops: views are data, the same for every student's seed
CHUNK = 32  # images that are mixed with each other


def views_from_images(
    images: TrainingImages,
    recipe: Recipe,
    teachers: Sequence[Teacher],
    folder: Path,
    device: torch.device,
    progress: Callable[[str, float], None],
) -> dict[int, Views]:
    """Make what is missing, and open all views that a distillation draws from.

    Args:
        images: to be shown, synthetic ones included.
        recipe: phases, augmentation, mixup and the number of views.
        teachers: their names tell their answers apart.
        folder: keeps the files; safe to remove.
        device: where crops are made and teachers run.
        progress: told what is done, 0..1.

    Returns:
        Input side in px -> views.

    Raises:
        CheckpointError: a kept file is damaged.
        MachineError: the folder cannot be written.
    """
    count = recipe.distillation.views if recipe.distillation else 0
    sides = sorted({phase.size_px for phase in recipe.phases})
    made = {}
    for number, side in enumerate(sides):
        own = folder / _digest(images, recipe, side)
        done = number / len(sides)
        for view in range(count):
            progress(f"views at {side} px", done + view / count / len(sides))
            _make_crops(images, recipe, side, view, own, device)
            for teacher in teachers:
                _make_answers(teacher, own, view, device)
        made[side] = Views(
            tuple(_opened(own / f"crops-{view}.npy") for view in range(count)),
            tuple(_opened(own / f"targets-{view}.npy") for view in range(count)),
            tuple(tuple(_opened(_answers_file(own, teacher, view)) for view in range(count)) for teacher in teachers),
        )
    return made


def _digest(images: TrainingImages, recipe: Recipe, side: int) -> str:
    """Of everything that a crop depends on."""
    text = json.dumps([asdict(recipe.augmentation), recipe.mixup, side, SEED, CHUNK, images.classes], sort_keys=True)
    pixels = (
        images.squares.cpu().numpy().tobytes() + images.targets.numpy().tobytes() + images.may_flip.numpy().tobytes()
    )
    return sha256_from_bytes(pixels + text.encode())[:16]


def _answers_file(folder: Path, teacher: Teacher, view: int) -> Path:
    return folder / f"answers-{sha256_from_bytes(teacher.name.encode())[:16]}-{view}.npy"


def _make_crops(
    images: TrainingImages, recipe: Recipe, side: int, view: int, folder: Path, device: torch.device
) -> None:
    if (folder / f"targets-{view}.npy").is_file():  # written last
        return
    text = torch.from_numpy(text_blocks(TEXT_BLOCKS, SEED)).to(device)
    on_device = replace(images, squares=images.squares.to(device))
    total = len(images.squares)
    crops = np.zeros((total, side, side), np.uint8)
    targets = np.zeros((total, images.classes), np.float32)
    order = torch.randperm(total, generator=generator_from_numbers(SEED, side, view))
    for step, index in enumerate(torch.split(order, CHUNK)):
        generator = generator_from_numbers(SEED, side, view, step)
        batch = batch_from_index(on_device, index, recipe, text, side, generator)
        crops[index.numpy()] = (batch.gray[:, 0] * 255).round().byte().cpu().numpy()
        targets[index.numpy()] = batch.targets.cpu().numpy()
    _save(folder / f"crops-{view}.npy", crops)
    _save(folder / f"targets-{view}.npy", targets)


@torch.inference_mode()
def _make_answers(teacher: Teacher, folder: Path, view: int, device: torch.device) -> None:
    path = _answers_file(folder, teacher, view)
    if path.is_file():
        return
    crops = _opened(folder / f"crops-{view}.npy")
    teacher.module.to(device)
    answers = []
    for start in range(0, len(crops), CHUNK):
        gray = torch.from_numpy(np.array(crops[start : start + CHUNK])).to(device).unsqueeze(1).float() / 255
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
            answers.append(seen(teacher, gray, with_maps=False)[0].float().cpu().numpy())
    _save(path, np.concatenate(answers))


def _save(path: Path, values: NDArray[Any]) -> None:
    stream = io.BytesIO()
    np.save(stream, values)
    write_atomic(path, stream.getvalue())


def _opened(path: Path) -> NDArray[Any]:
    try:
        return np.asanyarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.", f"Remove the folder {path.parent}.") from error
