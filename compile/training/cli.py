"""`edge train` and `edge distill`: parse, call one function, show one result."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.commands.terminal import show_notices
from edge.errors import UsageError

if TYPE_CHECKING:
    from compile.training.recipe import Distillation, Recipe
    from compile.training.workers import Workers

MAX_SEED = 2**32 - 1  # what every source of random numbers takes
MODEL = Annotated[str, typer.Argument(help="Zoo name, e.g. edge_n.")]
DATA = Annotated[Path, typer.Option("--data", help="Images: a LABELS.csv, or a folder in a known layout.")]
OUT = Annotated[Path, typer.Option("--output", "-o", help="Weights to write, NAME.safetensors.")]
HELD_OUT = Annotated[Optional[Path], typer.Option("--held-out", help="Images whose patients are never trained on.")]
EPOCHS = Annotated[Optional[str], typer.Option("--epochs", help="Schedule, EPOCHS@PIXELS[,...]; else 90@160,25@224.")]
LABELS = Annotated[Optional[Path], typer.Option("--labels", help="Planes to learn, one a line; else the seven.")]
RECIPE = Annotated[Optional[Path], typer.Option("--recipe", help="TOML with fields of the recipe.")]
BATCH = Annotated[Optional[int], typer.Option("--batch", help="Images a step, over all processes; else 32.", min=1)]
OPTIMIZER = Annotated[Optional[str], typer.Option("--optimizer", help="adamw or sgd; else adamw.")]
LR = Annotated[Optional[float], typer.Option("--lr", help="Peak learning rate; else 1e-3.")]
INITIAL = Annotated[str, typer.Option("--init", help="Weights to start from: a file of the same network, or imagenet.")]
SEED = Annotated[int, typer.Option("--seed", help="Of everything random.", min=0, max=MAX_SEED)]
WORK = Annotated[Optional[Path], typer.Option("--work", help="Checkpoint and log; a run goes on from here.")]
THREADS = Annotated[Optional[int], typer.Option("--threads", help="Threads of torch; else as many as cores.", min=1)]
JSON = Annotated[bool, typer.Option("--json", help="One JSON document at the end.")]
TEACHER = Annotated[list[str], typer.Option("--teacher", help="Checkpoint, or sononet16:PATH; may be repeated.")]
KIND = Annotated[str, typer.Option("--kd", help="Loss on the logits: kd, dkd or dist.")]
KD_WEIGHT = Annotated[Optional[float], typer.Option("--kd-weight", help="Of that loss.", min=0.0)]
LABEL_WEIGHT = Annotated[Optional[float], typer.Option("--label-weight", help="Of the labels' loss.", min=0.0)]
FEATURE_WEIGHT = Annotated[
    Optional[float],
    typer.Option("--feature-weight", help="Of the stage maps; else 0.5, or 0 if no teacher has them.", min=0.0),
]
TEMPERATURE = Annotated[Optional[float], typer.Option("--temperature", help="Of both sides; else 2, for dist 1.")]
VIEWS = Annotated[
    int, typer.Option("--views", help="Crops of each image kept with the teachers' answers; 0: none.", min=0)
]
KEPT = Annotated[Optional[Path], typer.Option("--views-folder", help="Where they lie, for several students.")]
UNLABELLED = Annotated[
    Optional[list[Path]], typer.Option("--unlabelled", help="More images for the teachers only; may be repeated.")
]

Progress = Callable[[str, float], None]
FEATURES = 0.5  # weight of the stage maps where a teacher has them
AS_POSSIBLE = -1.0  # stands for a feature weight that was not given
TEMPERATURES = {"kd": 2.0, "dkd": 2.0, "dist": 1.0}


def register(app: typer.Typer) -> None:
    """Mount `train` and `distill`."""
    app.command("train")(train)
    app.command("distill")(distill)


def train(
    model: MODEL,
    data: DATA,
    output: OUT,
    held_out: HELD_OUT = None,
    epochs: EPOCHS = None,
    labels: LABELS = None,
    recipe: RECIPE = None,
    batch: BATCH = None,
    optimizer: OPTIMIZER = None,
    lr: LR = None,
    initial: INITIAL = "",
    seed: SEED = 0,
    work: WORK = None,
    threads: THREADS = None,
    as_json: JSON = False,
) -> None:
    """Train a classifier, from fresh weights or with --init further; goes on where an interrupted run stopped."""
    made = recipe_from_options(model, epochs, labels, recipe, batch, optimizer, lr, seed)
    _run(made, Sources(data, held_out, initial), output, work, threads, as_json)


def distill(
    model: MODEL,
    data: DATA,
    output: OUT,
    teacher: TEACHER,
    kd: KIND = "kd",
    kd_weight: KD_WEIGHT = None,
    label_weight: LABEL_WEIGHT = None,
    feature_weight: FEATURE_WEIGHT = None,
    temperature: TEMPERATURE = None,
    unlabelled: UNLABELLED = None,
    views: VIEWS = 0,
    views_folder: KEPT = None,
    held_out: HELD_OUT = None,
    epochs: EPOCHS = None,
    labels: LABELS = None,
    recipe: RECIPE = None,
    batch: BATCH = None,
    optimizer: OPTIMIZER = None,
    lr: LR = None,
    initial: INITIAL = "",
    seed: SEED = 0,
    work: WORK = None,
    threads: THREADS = None,
    as_json: JSON = False,
) -> None:
    """Train a student with the votes of teachers; goes on where an interrupted run stopped."""
    made = recipe_from_options(model, epochs, labels, recipe, batch, optimizer, lr, seed, taught=True)
    made = taught_recipe(made, kd, kd_weight, label_weight, feature_weight, temperature, views)
    check_views(views, views_folder)
    sources = Sources(data, held_out, initial, tuple(teacher), tuple(unlabelled or ()), views_folder)
    _run(made, sources, output, work, threads, as_json)


@dataclass(frozen=True)
class Sources:
    """What a run learns from.

    Attributes:
        data: labelled images.
        held_out: images whose patients are left out.
        initial: weights to start from; empty for fresh ones.
        teachers: as `teacher_from_text` reads them.
        unlabelled: more images, for the teachers only.
        views: folder of kept crops.
    """

    data: Path
    held_out: Path | None = None
    initial: str = ""
    teachers: tuple[str, ...] = ()
    unlabelled: tuple[Path, ...] = ()
    views: Path | None = None


def check_views(views: int, folder: Path | None) -> None:
    """Raise UsageError for a folder of views without views."""
    if folder is not None and not views:
        raise UsageError("--views-folder is given, and no views are kept.", "Give --views N besides.")


def taught_recipe(
    recipe: Recipe,
    kind: str,
    weight: float | None,
    label_weight: float | None,
    feature_weight: float | None,
    temperature: float | None,
    views: int,
) -> Recipe:
    """A recipe with what these options ask of teachers that are not loaded yet.

    Raises:
        UsageError: no distillation has that name.
    """
    from compile.training.recipe import KINDS, Distillation

    if kind not in KINDS:
        raise UsageError(f"There is no distillation {kind!r}.", f"Choose one of: {', '.join(KINDS)}.")
    given = {
        "weight": weight,
        "label_weight": label_weight,
        "feature_weight": feature_weight,
        "temperature": temperature,
    }
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    chosen = {"feature_weight": AS_POSSIBLE, "temperature": TEMPERATURES[kind], "views": views, **chosen}
    return replace(recipe, distillation=replace(recipe.distillation or Distillation(()), kind=kind, **chosen))


def recipe_from_options(
    model: str,
    epochs: str | None,
    labels: Path | None,
    file: Path | None,
    batch: int | None,
    optimizer: str | None,
    lr: float | None,
    seed: int,
    taught: bool = False,
) -> Recipe:
    """The recipe that these options and the file of one describe; `taught`: with teachers.

    Raises:
        UsageError: an option or a field of the file has no meaning.
    """
    from compile.training.recipe import Distillation, Recipe
    from compile.training.recipe_file import checked_recipe, labels_from_file, phases_from_text, recipe_from_toml

    recipe = Recipe(model=model, seed=seed, distillation=Distillation(()) if taught else None)
    if file is not None:
        recipe = recipe_from_toml(file, recipe)
    given = {
        "phases": phases_from_text(epochs) if epochs is not None else None,
        "labels": labels_from_file(labels) if labels is not None else None,
        "batch": batch,
        "optimizer": optimizer,
        "lr": lr,
    }
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return checked_recipe(replace(recipe, **chosen))


@contextlib.contextmanager
def training_machine(quiet: bool) -> Iterator[tuple[Workers, Progress]]:
    """The processes of the run with the native scan, and what they report to."""
    from compile.kernels.torch_machine import scan_from_machine
    from compile.kernels.torch_scan import use_native
    from compile.training.workers import workers_from_environment
    from edge.commands.progress import progress_bar
    from edge.files import cache_from_environment

    with contextlib.ExitStack() as stack:
        workers = stack.enter_context(workers_from_environment(os.environ))
        progress = stack.enter_context(progress_bar(quiet or not workers.writes))
        scan = scan_from_machine(cache_from_environment(os.environ), os.environ.get("CXX", ""), progress)
        stack.enter_context(use_native(scan))
        yield workers, progress


def _run(recipe: Recipe, sources: Sources, output: Path, work: Path | None, threads: int | None, as_json: bool) -> None:
    import torch

    from calibration.samples_set import checked_dataset, dataset_with_splits, held_out_dataset, note_on_held_out
    from compile.training.recipe import NOT_STANDARD
    from compile.training.recipe_file import checked_recipe
    from compile.training.student import student_from_dataset
    from compile.training.teachers import teacher_from_text

    if output.suffix != ".safetensors":
        raise UsageError(f"The output {output} is not named NAME.safetensors.", "Give -o NAME.safetensors.")
    folder = work or output.parent / "work" / f"train-{output.stem}"
    _check_output(output, folder, sources)
    if threads is not None:
        torch.set_num_threads(threads)
    teachers = [teacher_from_text(name, (*recipe.labels, NOT_STANDARD)) for name in sources.teachers]
    if recipe.distillation is not None:
        recipe = checked_recipe(replace(recipe, distillation=distillation_with_teachers(recipe.distillation, teachers)))
    with training_machine(as_json) as (workers, progress):
        dataset = dataset_with_splits(sources.data)
        more = [checked_dataset(path) for path in sources.unlabelled]
        held = held_out_dataset(sources.held_out, dataset)
        if workers.writes and (note := note_on_held_out(dataset, held)):
            show_notices([note])
        artifact = student_from_dataset(
            dataset, held, recipe, folder, output, progress, teachers, more, workers, sources.initial, sources.views
        )
        if workers.writes:
            _print(artifact, folder, as_json)


def _check_output(output: Path, folder: Path, sources: Sources) -> None:
    """Refuse, before hours of training, what could not be written or would overwrite what is learned from."""
    from compile.training.teachers import SONONET
    from edge.files import check_folder

    if output.is_dir():
        raise UsageError(f"The output {output} is a folder.", "Give the name of a file.")
    for place in (output.parent, folder):
        check_folder(place)
    for text in (*sources.teachers, *filter(None, [sources.initial])):
        if output.exists() and (path := Path(text.removeprefix(f"{SONONET}:"))).exists() and output.samefile(path):
            raise UsageError(f"The output {output} would overwrite weights that are learned from.", "Give another -o.")


def distillation_with_teachers(distillation: Distillation, teachers: list[Any]) -> Distillation:
    """With the teachers' names, and features where they are possible and nothing else was asked for."""
    from compile.training.teachers import has_stages

    possible = FEATURES if any(has_stages(teacher) for teacher in teachers) else 0.0
    weight = possible if distillation.feature_weight == AS_POSSIBLE else distillation.feature_weight
    return replace(distillation, teachers=tuple(teacher.name for teacher in teachers), feature_weight=weight)


def _print(artifact: Any, folder: Path, as_json: bool) -> None:
    from compile.training.journal import FILE, read_records

    last = read_records(folder)[-1]
    document = {"schema": 1, "weights": str(artifact.path), "sha256": artifact.sha256, "log": str(folder / FILE)}
    if as_json:
        typer.echo(json.dumps({**document, "last_epoch": last, "made_from": dict(artifact.made_from)}))
    else:
        typer.echo(
            f"weights: {artifact.path}\nheld-out images: accuracy {last['accuracy']}, macro-F1 {last['macro_f1']}"
        )
