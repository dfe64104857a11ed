"""The training loop: images + recipe -> averaged weights, resumable after every epoch.

::

    batches -> student -> cross-entropy -> AdamW -> moving average -> checkpoint.pt, log.jsonl
                                                        `-> held-out images: accuracy, macro-F1 (shown, never chosen by)
"""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from compile.training.augment import text_blocks
from compile.training.images import TEXT_BLOCKS, TrainingImages, batches
from compile.training.recipe import Recipe
from edge.errors import CheckpointError
from edge.files import sha256_from_bytes, write_atomic

EVAL_EVERY = 5  # epochs
EVAL_BATCH = 64  # images


@dataclass(frozen=True)
class HeldOut:
    """Images that training shows its progress on.

    Attributes:
        inputs: (M,C,S,S) as the device computes them.
        targets: (M,) class numbers.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64]


def trained(
    model: nn.Module,
    images: TrainingImages,
    held_out: HeldOut,
    recipe: Recipe,
    folder: Path,
    progress: Callable[[str, float], None],
) -> nn.Module:
    """Train a model, or go on where an interrupted run of the same recipe stopped.

    Args:
        model: fresh weights, moved to the GPU where there is one.
        images: to learn from.
        held_out: to report on after every fifth epoch.
        recipe: schedule and everything else.
        folder: gets `checkpoint.pt` and `log.jsonl`.
        progress: told the epoch, loss and macro-F1, 0..1.

    Returns:
        The model with the averaged weights, in eval mode on the CPU.

    Raises:
        CheckpointError: the folder holds a run of another recipe.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    average_fn = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    average = AveragedModel(model, multi_avg_fn=average_fn, use_buffers=True)
    optimizer = _optimizer(model, recipe)
    text = torch.from_numpy(text_blocks(TEXT_BLOCKS, recipe.seed))
    state = _restored(folder, recipe, model, average, optimizer)
    for epoch in range(state, recipe.epochs):
        started = time.monotonic()
        torch.manual_seed(recipe.seed * 100_003 + epoch)
        loss = _epoch(model, average, optimizer, images, recipe, text, epoch, device)
        record: dict[str, Any] = {
            "epoch": epoch + 1,
            "loss": round(loss, 4),
            "seconds": round(time.monotonic() - started, 1),
        }
        if (epoch + 1) % EVAL_EVERY == 0 or epoch + 1 == recipe.epochs:
            record |= _scores(average.module, held_out, device)
        _save(folder, recipe, model, average, optimizer, epoch + 1, record)
        progress(f"epoch {epoch + 1}/{recipe.epochs} loss {loss:.3f}", (epoch + 1) / recipe.epochs)
    return average.module.eval().cpu()


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.lr)


def _rate(recipe: Recipe, position: float) -> float:
    """Learning rate at a position in epochs."""
    if position < recipe.warmup_epochs:
        return recipe.lr * (position + 0.01) / recipe.warmup_epochs
    done = (position - recipe.warmup_epochs) / max(1, recipe.epochs - recipe.warmup_epochs)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * done))


def _epoch(
    model: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    images: TrainingImages,
    recipe: Recipe,
    text: Tensor,
    epoch: int,
    device: torch.device,
) -> float:
    model.train()
    losses = []
    steps = recipe.steps(images.real)
    for step, (x, y) in enumerate(batches(images, recipe, text, epoch)):
        for group in optimizer.param_groups:
            group["lr"] = _rate(recipe, epoch + step / steps)
        x = x.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
            logits, _ = model(x)
        loss = functional.cross_entropy(logits.float(), y.to(device), label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        average.update_parameters(model)
        losses.append(float(loss.detach()))
    return sum(losses) / len(losses)


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


def _digest(recipe: Recipe) -> str:
    return sha256_from_bytes(json.dumps(asdict(recipe), sort_keys=True).encode())


def _save(
    folder: Path,
    recipe: Recipe,
    model: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    record: dict[str, Any],
) -> None:
    stream = io.BytesIO()
    parts = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**parts, "epoch": epoch, "recipe": _digest(recipe)}, stream)
    # The log first: a run killed between the two repeats its epoch, instead of ending without a last line.
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(record) + "\n")
    write_atomic(folder / "checkpoint.pt", stream.getvalue())


def _restored(
    folder: Path, recipe: Recipe, model: nn.Module, average: AveragedModel, optimizer: torch.optim.Optimizer
) -> int:
    path = folder / "checkpoint.pt"
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["recipe"] != _digest(recipe):
        raise CheckpointError(
            f"{folder} holds a run of another recipe.",
            "Choose another --work folder, or remove this one to start anew.",
        )
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["epoch"])
