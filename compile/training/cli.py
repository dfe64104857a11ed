"""`edge train`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.errors import UsageError

if TYPE_CHECKING:
    from compile.training.recipe import Phase

MODEL = Annotated[str, typer.Argument(help="Zoo name, e.g. edge_n.")]
DATA = Annotated[Path, typer.Option("--data", help="Images: a LABELS.csv, or a folder in a known layout.")]
OUT = Annotated[Path, typer.Option("--output", "-o", help="Weights to write, NAME.safetensors.")]
HELD_OUT = Annotated[Optional[Path], typer.Option("--held-out", help="Images whose patients are never trained on.")]
EPOCHS = Annotated[Optional[str], typer.Option("--epochs", help="Schedule, EPOCHS@PIXELS[,...], e.g. 90@160,25@224.")]
SEED = Annotated[int, typer.Option("--seed", help="Of everything random.")]
WORK = Annotated[Optional[Path], typer.Option("--work", help="Checkpoint and log; a run goes on from here.")]
JSON = Annotated[bool, typer.Option("--json", help="One JSON document at the end.")]


def register(app: typer.Typer) -> None:
    """Mount `train`."""
    app.command("train")(train)


def train(
    model: MODEL,
    data: DATA,
    output: OUT,
    held_out: HELD_OUT = None,
    epochs: EPOCHS = None,
    seed: SEED = 0,
    work: WORK = None,
    as_json: JSON = False,
) -> None:
    """Train a classifier from fresh weights; goes on where an interrupted run stopped."""
    from calibration.samples_set import dataset_with_splits, held_out_dataset
    from compile.training.recipe import Recipe
    from compile.training.student import student_from_dataset
    from edge.commands.progress import progress_bar

    recipe = (
        Recipe(model=model, seed=seed) if epochs is None else Recipe(model=model, seed=seed, phases=_phases(epochs))
    )
    folder = work or output.parent / "work" / f"train-{output.stem}"
    with progress_bar(as_json) as progress:
        dataset = dataset_with_splits(data)
        artifact = student_from_dataset(dataset, held_out_dataset(held_out, dataset), recipe, folder, output, progress)
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    document = {"schema": 1, "weights": str(artifact.path), "sha256": artifact.sha256, "log": str(folder / "log.jsonl")}
    if as_json:
        typer.echo(json.dumps({**document, "last_epoch": last, "made_from": dict(artifact.made_from)}))
    else:
        typer.echo(
            f"weights: {artifact.path}\nheld-out images: accuracy {last['accuracy']}, macro-F1 {last['macro_f1']}"
        )


def _phases(text: str) -> tuple[Phase, ...]:
    from compile.training.recipe import Phase

    parts = [re.fullmatch(r"([1-9]\d*)@([1-9]\d*)", part.strip()) for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"{text!r} is no schedule.", "Give EPOCHS@PIXELS[,EPOCHS@PIXELS...], e.g. 90@160,25@224.")
    return tuple(Phase(int(part[1]), int(part[2])) for part in parts if part)
