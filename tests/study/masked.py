"""Masked pre-training: `python -m tests.study.masked MODEL --data LABELS.csv -o FILE` -> weights that `--init` takes.

::

    crop --60 % of its cells of 32 px hidden--> model --last map, linear--> pixels; those of hidden cells are compared

Every training image takes part, whatever its label; held-out patients do not. Tried for the aim of the students
(docs/decisions/0029-study-budget.md). A run that was interrupted goes on.

Source: Xie et al., SimMIM: a simple framework for masked image modeling, arXiv 2111.09886: raw pixels, L1, a linear
head. Hidden cells are mean grey instead of a learned token: convolutions see pixels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from calibration.samples_set import checked_dataset, held_out_dataset
from compile.model.checkpoint import save_student
from compile.model.spec import ModelSpec
from compile.model.zoo import model_from_name
from compile.training.augment import Augmentation, augmented
from compile.training.cli import training_machine
from compile.training.cpu_forms import cpu_forms
from compile.training.images import TrainingImages, generator_from_numbers, training_images_from_dataset
from compile.training.journal import write_record
from compile.training.kept_memory import kept_memory
from compile.training.loop import has_fast_bf16
from compile.training.recipe import NOT_STANDARD, Distillation, Recipe
from compile.training.recipe_file import phases_from_text
from compile.training.run_state import Position, RunState
from compile.training.schedule import optimizer_from_recipe, rate_at
from edge.preprocess import Preprocess

CELL_PX = 32  # the last map's stride
HIDDEN = 0.6  # share of the cells; the paper's
NO_SPOTS = Augmentation(speckle=0.0, text=0.0, erase=0.0)  # what is drawn in at random cannot be told from around it


class Painter(nn.Module):
    """A model that paints the hidden cells of its input.

    Args:
        student: of the zoo; its last map has one pixel a cell.
        width: channels of that map.
    """

    def __init__(self, student: nn.Module, width: int) -> None:
        super().__init__()
        self.student = student
        self.pixels = nn.Linear(width, CELL_PX * CELL_PX)
        self.preprocess = Preprocess()

    def forward(self, gray: Tensor, hidden: Tensor) -> Tensor:
        """Mean absolute error of hidden pixels: (B,1,P,P) 0..1 and (B,P/32,P/32) bool -> a number, in deviations."""
        x = (gray - self.preprocess.mean) / self.preprocess.std
        covered = hidden.repeat_interleave(CELL_PX, 1).repeat_interleave(CELL_PX, 2).unsqueeze(1)
        painted = self.pixels(self.student(x.masked_fill(covered, 0.0))[1]).float()
        batch, rows, columns = hidden.shape
        cells = x.view(batch, rows, CELL_PX, columns, CELL_PX).transpose(2, 3).flatten(3)
        error: Tensor = (painted - cells).abs()[hidden].mean()
        return error


def hidden_cells(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Which cells of each image are hidden: (count,side,side) bool, as many in each."""
    places = torch.rand(count, side * side, generator=generator).argsort(1)
    return (places < round(HIDDEN * side * side)).view(count, side, side)


def pretrained(
    model: nn.Module, images: TrainingImages, recipe: Recipe, folder: Path, told: Callable[[str, float], None]
) -> nn.Module:
    """Let a model paint all real images of a set, or go on where an interrupted run stopped.

    Args:
        model: fresh, on the CPU.
        images: to paint.
        recipe: schedule, batch, optimizer, augmentation and seed.
        folder: gets `checkpoint.pt` and `log.jsonl`.
        told: what is done, 0..1.

    Returns:
        The model in eval mode, on the CPU.

    Raises:
        CheckpointError: the folder holds a run of another recipe or on other images.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad():
        width = model.eval()(torch.zeros(1, 1, recipe.size_px, recipe.size_px))[1].shape[-1]
    torch.manual_seed(recipe.seed)  # of the head
    painter = Painter(model, width).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    no_average = nn.Identity()  # the rate ends at zero
    state = RunState(painter, no_average, optimizer_from_recipe(painter, recipe))
    made_from = {"recipe": recipe.digest, "images": images.digest}
    first = state.restore(folder, made_from).epoch
    with kept_memory(), cpu_forms(painter, device):
        for epoch in range(first, recipe.epochs):
            started = time.monotonic()
            loss = _epoch(state, images, recipe, epoch, device)
            seconds = round(time.monotonic() - started, 1)
            write_record(folder, {"epoch": epoch + 1, "loss": round(loss, 4), "seconds": seconds})
            state.save(folder, made_from, Position(epoch + 1))
            told(f"epoch {epoch + 1}/{recipe.epochs} loss {loss:.3f}", (epoch + 1) / recipe.epochs)
    return model.eval().cpu()


def _epoch(state: RunState, images: TrainingImages, recipe: Recipe, epoch: int, device: torch.device) -> float:
    """Each image once, in a new crop with other cells hidden: the mean loss."""
    painter, side = state.learner.train(), recipe.input_px(epoch)
    order = torch.randperm(images.real + images.unlabelled, generator=generator_from_numbers(recipe.seed, epoch))
    steps = torch.split(order, recipe.batch)
    losses: list[float] = []
    for step, index in enumerate(steps):
        for group in state.optimizer.param_groups:
            group["lr"] = rate_at(recipe, epoch + step / len(steps))
        generator = generator_from_numbers(recipe.seed, epoch, step)
        squares = images.squares[index].to(device)
        gray = augmented(squares, images.may_flip[index], side, squares[:0], recipe.augmentation, generator)
        hidden = hidden_cells(len(index), side // CELL_PX, generator).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
            loss = painter(gray, hidden)
        state.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(painter.parameters(), recipe.clip)
        state.optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def main() -> None:
    """Train, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a student")
    parser.add_argument("--data", type=Path, required=True, help="the compact set's labels.csv")
    parser.add_argument("-o", "--output", type=Path, required=True, help="weights, safetensors")
    parser.add_argument("--epochs", default="60@160", help="schedule, as of edge train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    phases = phases_from_text(arguments.epochs)
    every_image = Distillation(())  # those without a label of the recipe, too
    recipe = Recipe(arguments.model, phases=phases, seed=arguments.seed, drop_path=0.0, distillation=every_image)
    recipe = replace(recipe, augmentation=NO_SPOTS)
    preprocess = Preprocess(size_px=recipe.size_px)
    torch.manual_seed(recipe.seed)
    model = model_from_name(recipe.model, len(recipe.labels) + 1, preprocess.channels)
    folder = arguments.output.parent / "work" / f"masked-{arguments.output.stem}"
    with training_machine(quiet=False) as (_, told):
        dataset = checked_dataset(arguments.data)
        images = training_images_from_dataset(dataset, held_out_dataset(None, dataset), recipe, told)
        model = pretrained(model, images, recipe, folder, told)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    labels = (*recipe.labels, NOT_STANDARD)
    spec = ModelSpec(recipe.model, labels, (NOT_STANDARD,), preprocess, parameters=parameters)
    save_student(model, spec, arguments.output)


if __name__ == "__main__":
    main()
