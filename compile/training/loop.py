"""The training loop: images + recipe + teachers -> averaged weights, resumable at every checkpoint.

::

    batches -> learner -> loss -> optimizer -> moving average -> checkpoint.pt, log.jsonl, tensorboard/
                                                    `-> held-out images: accuracy, macro-F1 (shown, never chosen by)
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from compile.training.augment import text_blocks
from compile.training.cpu_forms import cpu_forms
from compile.training.images import TEXT_BLOCKS, TrainingImages, batches, generator_from_numbers
from compile.training.journal import write_record
from compile.training.kept_memory import kept_memory
from compile.training.learner import Learner
from compile.training.recipe import Recipe
from compile.training.run_state import Position, RunState
from compile.training.schedule import optimizer_from_recipe, rate_at
from compile.training.teachers import Teacher
from compile.training.workers import Workers
from edge.errors import UsageError

EVAL_EVERY = 5  # epochs
EVAL_BATCH = 64  # images
SAVE_EVERY_S = 300.0  # what a power cut may cost, besides the step that it hits

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class HeldOut:
    """Images that training shows its progress on.

    Attributes:
        inputs: (M,C,S,S) as the device computes them.
        targets: (M,) class numbers.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64]


@dataclass(frozen=True)
class _Run:
    """What the steps of a run share."""

    state: RunState
    shared: nn.Module
    images: TrainingImages
    text: Tensor
    recipe: Recipe
    made_from: Mapping[str, str]
    folder: Path
    workers: Workers
    progress: Progress
    clock: Callable[[], float]

    @property
    def steps(self) -> int:
        return self.recipe.steps(self.images.real, self.images.unlabelled)


def trained(
    model: nn.Module,
    images: TrainingImages,
    held_out: HeldOut,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
    teachers: Sequence[Teacher] = (),
    workers: Workers | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> nn.Module:
    """Train a model, or go on where an interrupted run of the same recipe stopped.

    Args:
        model: fresh weights, moved to the GPU where there is one.
        images: to learn from.
        held_out: to report on after every fifth epoch.
        recipe: schedule and everything else.
        folder: gets `checkpoint.pt`, `log.jsonl` and `tensorboard/`.
        progress: told the epoch, step and loss, 0..1.
        teachers: to distill from, as the recipe says.
        workers: the processes of this run; None for this one alone.
        clock: seconds, for the log and the checkpoints between epochs.

    Returns:
        The model with the averaged weights, in eval mode on the CPU.

    Raises:
        CheckpointError: the folder holds a run of another recipe or on other images.
        UsageError: fewer images a step than processes, or the loss is no number any more.
    """
    run = _prepared(model, images, recipe, folder, progress, teachers, workers or Workers(), clock)
    position = run.state.restore(folder, run.made_from)
    run = replace(run, shared=run.workers.shared(run.state.learner))
    with kept_memory(), cpu_forms(run.state.learner, run.workers.device):
        while position.epoch < recipe.epochs:
            position = _epoch_and_record(run, position, held_out)
    run.workers.wait()
    return _averaged(run.state).eval().cpu()


def _epoch_and_record(run: _Run, position: Position, held_out: HeldOut) -> Position:
    recipe, folder = run.recipe, run.folder
    position, record = _epoch(run, position)
    if position.epoch % EVAL_EVERY == 0 or position.epoch == recipe.epochs:
        record |= _scores(_averaged(run.state), held_out, run.workers.device)
    if run.workers.writes:
        # The log first: a run killed between the two repeats its epoch, instead of ending without a last line.
        write_record(folder, record)
        run.state.save(folder, run.made_from, position)
    told = f"epoch {position.epoch}/{recipe.epochs} loss {record['loss']:.3f}"
    run.progress(told, position.epoch / recipe.epochs)
    return position


def _prepared(
    model: nn.Module,
    images: TrainingImages,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
    teachers: Sequence[Teacher],
    workers: Workers,
    clock: Callable[[], float],
) -> _Run:
    if recipe.batch < workers.count:
        raise UsageError(
            f"A batch of {recipe.batch} images cannot be shared by {workers.count} processes.", "Raise --batch."
        )
    if recipe.batch < 2 * workers.count:
        _check_single(model, recipe)
    device = workers.device
    torch.manual_seed(recipe.seed)  # of the projections
    learner = Learner(model, recipe, teachers).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    for teacher in teachers:
        teacher.module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(learner.student, multi_avg_fn=_moving_average(recipe.ema), use_buffers=True)
    state = RunState(learner, average, optimizer_from_recipe(learner, recipe))
    made_from = {"recipe": recipe.digest, "images": images.digest}
    images = replace(images, squares=images.squares.to(device))
    text = torch.from_numpy(text_blocks(TEXT_BLOCKS, recipe.seed)).to(device)
    return _Run(state, learner, images, text, recipe, made_from, folder, workers, progress, clock)


def _check_single(model: nn.Module, recipe: Recipe) -> None:
    """Refuse one image a step where a normalisation over the batch would see one pixel of it."""
    trial = copy.deepcopy(model).cpu().train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for phase in recipe.phases:
            try:
                trial(torch.zeros(1, 1, phase.size_px, phase.size_px))
            except ValueError as error:
                raise UsageError(
                    f"One image of {phase.size_px} px a step and process is too little to train on: {error}.",
                    "Raise --batch.",
                ) from error


def _moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """A moving average that forgets its first steps: with a fixed decay a short run would ship its random start."""

    def average(ours: Any, theirs: Any, count: Any) -> None:
        steps = float(count)
        now = min(decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(now)(ours, theirs, count)  # type: ignore[no-untyped-call]  # torch leaves it untyped

    return average


def _averaged(state: RunState) -> nn.Module:
    module: nn.Module = state.average.module  # type: ignore[assignment]  # an AveragedModel's
    return module


def _epoch(run: _Run, position: Position) -> tuple[Position, dict[str, Any]]:
    """The rest of an epoch: the position behind it and its line of the log."""
    run.state.learner.train()
    epoch, sums, started = position.epoch, dict(position.sums), run.clock() - position.seconds
    saved = run.clock()
    drawn = batches(run.images, run.recipe, run.text, epoch, position.step, run.workers)
    for step, batch in enumerate(drawn, position.step):
        rate = rate_at(run.recipe, epoch + step / run.steps)
        for group in run.state.optimizer.param_groups:
            group["lr"] = rate
        # Stochastic depth draws from the global generator: the same numbers whichever steps this process has run.
        torch.manual_seed(generator_from_numbers(run.recipe.seed, epoch, step, run.workers.rank, 1).initial_seed())
        for name, value in _step(run, batch).items():
            sums[name] = sums.get(name, 0.0) + value
        told = f"epoch {epoch + 1}/{run.recipe.epochs} loss {sums['loss'] / (step + 1):.3f}"
        if step + 1 < run.steps:
            if run.workers.writes and run.clock() - saved > SAVE_EVERY_S:
                saved = run.clock()
                run.state.save(run.folder, run.made_from, Position(epoch, step + 1, saved - started, sums))
            run.progress(told, (epoch + (step + 1) / run.steps) / run.recipe.epochs)
    seconds = run.clock() - started
    means = {name: round(total / run.steps, 4) for name, total in sums.items()}
    pixels = run.recipe.input_px(epoch)
    record = {"epoch": epoch + 1, **means, "lr": rate, "size_px": pixels, "seconds": round(seconds, 1)}
    return Position(epoch + 1), record


def _step(run: _Run, batch: Any) -> dict[str, float]:
    """One step of the optimizer: the loss and its parts."""
    device = run.workers.device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
        parts = run.shared(batch)
    loss = parts["loss"]
    _check_finite("loss", loss)
    run.state.optimizer.zero_grad()
    loss.backward()
    _check_finite("gradient's norm", nn.utils.clip_grad_norm_(run.state.learner.parameters(), run.recipe.clip))
    run.state.optimizer.step()
    run.state.average.update_parameters(run.state.learner.student)  # type: ignore[operator]  # an AveragedModel's
    return {name: float(value.detach()) for name, value in parts.items()}


def _check_finite(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value)):
        raise UsageError(
            f"The {name} is {float(value.detach())}: training has diverged.", "Lower the learning rate (--lr)."
        )


def has_fast_bf16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster than float32 on a device."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@torch.inference_mode()
def _scores(model: nn.Module, held_out: HeldOut, device: torch.device) -> dict[str, float]:
    from sklearn.metrics import f1_score

    model.eval()
    inputs = torch.from_numpy(held_out.inputs)
    starts = range(0, len(inputs), EVAL_BATCH)
    logits = [model(inputs[start : start + EVAL_BATCH].to(device))[0].cpu() for start in starts]
    answers = torch.cat(logits).argmax(1).numpy()
    present = np.unique(held_out.targets)
    f1 = f1_score(held_out.targets, answers, labels=present, average="macro", zero_division=0.0)
    return {"accuracy": round(float(np.mean(answers == held_out.targets)), 4), "macro_f1": round(float(f1), 4)}
