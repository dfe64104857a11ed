"""`edge probe`: parse, call the stages in turn, show one result."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from compile.training.cli import DATA, MAX_SEED
from edge.commands.progress import progress_bar
from edge.commands.terminal import AsJson, Threads, pairs_table, show_json, show_research_line, show_table, user_keyring
from edge.errors import LabelsError, UsageError
from edge.manifest import RESEARCH_USE

if TYPE_CHECKING:
    from calibration.dataset import Dataset
    from compile.training.probe.encoder import Encoder
    from compile.training.probe.regression import Encoded

ENCODER = Annotated[str, typer.Argument(help="Checkpoint (.safetensors, .pth), sononet16:PATH, or a bundle.")]
OUT = Annotated[Path, typer.Option("--output", "-o", help="Folder for probe.json and the kept features.")]
HELD_OUT = Annotated[Optional[Path], typer.Option("--held-out", help="Images to test on; else the split test of DATA.")]
LABELS = Annotated[Optional[Path], typer.Option("--labels", help="Planes to tell apart, one a line.")]
ONLY = Annotated[
    Optional[list[str]], typer.Option("--only-datasets", help="Only rows of this data set; may be repeated.")
]
COHORT = Annotated[Optional[list[str]], typer.Option("--cohort", help="NAME=LABELS.csv of another place; is answered.")]
FEW = Annotated[int, typer.Option("--few", help="Probe besides with that many images a plane.", min=0)]
DRAWS = Annotated[int, typer.Option("--draws", help="Seeded draws of the few images.", min=1)]
SEED = Annotated[int, typer.Option("--seed", help="Of cuts and draws.", min=0, max=MAX_SEED)]

PROTOCOL = "demo"  # whose planes are told apart where no --labels are given
DOCUMENT = "probe.json"
Progress = Callable[[str, float], None]


def register(app: typer.Typer) -> None:
    """Mount `probe`."""
    app.command("probe")(probe)


def probe(
    encoder: ENCODER,
    data: DATA,
    output: OUT,
    held_out: HELD_OUT = None,
    labels: LABELS = None,
    only: ONLY = None,
    cohort: COHORT = None,
    few: FEW = 0,
    draws: DRAWS = 10,
    seed: SEED = 0,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Fit a linear classifier on a frozen encoder's features and test it on other patients."""
    from compile.training.probe.encoder import encoder_from_text
    from edge.files import check_folder, write_atomic

    check_folder(output)
    if few < 0 or draws < 1:
        raise UsageError("--few and --draws must be positive.", "Give for instance --few 8 --draws 10.")
    chosen = encoder_from_text(encoder)
    if chosen.kind != "bundle":  # which is probed without torch
        import torch

        torch.set_num_threads(threads)
    with progress_bar(as_json) as progress:
        train, test, planes = _parts(data, held_out, _planes(labels), only or [], progress)
        document = _probed(chosen, train, test, planes, output, cohort or [], (few, draws, seed), threads, progress)
    write_atomic(output / DOCUMENT, json.dumps(document, indent=1, ensure_ascii=False).encode())
    _show(document, as_json)


def _planes(path: Path | None) -> tuple[str, ...]:
    """Names in a file, else the planes of the demonstration; read here, because a bundle is probed without torch."""
    from edge.protocol import load_protocol

    if path is None:
        return tuple(label for plane in load_protocol(PROTOCOL).planes for label in plane.labels)
    try:
        names = tuple(dict.fromkeys(line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Give a UTF-8 file, one plane a line.") from error
    if len(names) < 2:
        raise UsageError(f"{path} names fewer than two planes.", "Give each plane once, one a line.")
    return names


def _parts(
    data: Path, held_out: Path | None, planes: Sequence[str], only: Collection[str], progress: Progress
) -> tuple[Dataset, Dataset, tuple[str, ...]]:
    """Train and test images without a shared patient, and the planes that both show."""
    from calibration.looks import patients_from_looks
    from calibration.samples_set import checked_dataset, dataset_with_splits
    from calibration.splits import without_known

    def kept(dataset: Dataset) -> Dataset:
        samples = (s for s in dataset.samples if s.label in planes and (not only or s.dataset in only))
        return replace(dataset, samples=tuple(samples))

    dataset = dataset_with_splits(data)
    other = dataset if held_out is None else checked_dataset(held_out)
    test = next((part for part in (kept(other).where(split=name) for name in ("test", "val")) if part.samples), None)
    if test is None:
        raise LabelsError(f"{other.root} has no image of these planes in its split test or val.", "Add such rows.")
    train = without_known(kept(dataset.where(split="train")), test)
    shown = tuple(plane for plane in planes if plane in train.labels)
    if len(shown) < 2:
        raise LabelsError(
            f"The split train of {data} shows {len(shown)} planes of these.", "Give images of two or more."
        )
    tested = test.where(labels=shown)
    if not tested.samples:
        raise LabelsError(f"No test image shows {', '.join(shown)}, which {data} trains.", "Add such images.")
    return patients_from_looks(train, progress), tested, shown


def _probed(
    encoder: Encoder,
    train: Dataset,
    test: Dataset,
    planes: tuple[str, ...],
    folder: Path,
    cohorts: Sequence[str],
    few: tuple[int, int, int],
    threads: int,
    progress: Progress,
) -> dict[str, Any]:
    from calibration.phantom.marking import is_synthetic
    from compile.training.crossval.cohort import cohorts_from_texts
    from compile.training.probe.encoder import kept_features
    from compile.training.probe.regression import Encoded, few_shot, probe_from_vectors, scores_from_probe

    def encoded(dataset: Dataset) -> Encoded:
        import numpy as np

        vectors = kept_features(folder, encoder, dataset, user_keyring(), threads, progress)
        truth = np.array([planes.index(sample.label) for sample in dataset.samples], np.int64)
        return Encoded(vectors, truth, tuple(sample.person for sample in dataset.samples))

    others = cohorts_from_texts(cohorts, [train], planes)
    fitting, tested = encoded(train), encoded(test)
    progress("fitting", 0.0)
    fitted, scores = probe_from_vectors(fitting, len(planes), few[2])
    ours = "The encoder was trained by this program: had it seen test images, these figures would be too good."
    return {
        "schema": 1,
        "encoder": encoder.name,
        "dimensions": int(fitting.vectors.shape[1]),
        "labels": list(planes),
        "train": {"n": len(train.samples), "patients": train.patients, "images_sha256": train.digest},
        "test": {"patients": test.patients, "images_sha256": test.digest},
        "C": fitted[-1].C,
        "macro_f1_by_C": {str(strength): score for strength, score in scores.items()},
        **scores_from_probe(fitted, tested, planes),
        "few": few_shot(fitting, tested, planes, *few) if few[0] else None,
        "cohorts": {name: scores_from_probe(fitted, encoded(other), planes) for name, other in others.items()},
        "warnings": [ours] if encoder.is_ours else [],
        "synthetic": is_synthetic((*train.samples, *test.samples)),
        "notice": asdict(RESEARCH_USE),
    }


def _show(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(document)
    else:
        patients = document["test"]["patients"]
        low, high = document["intervals"]["macro_f1"]
        pairs = [
            ("encoder", f"{document['encoder']}, {document['dimensions']} features, C {document['C']:g}"),
            (f"{'synthetic ' * document['synthetic']}test images", f"{document['n']} of {patients} patients"),
            ("macro-F1", f"{document['macro_f1']:.3f} [{low:.3f}, {high:.3f}] (95 %, by patient)"),
            ("accuracy", f"{document['accuracy']:.3f}"),
        ]
        if (few := document["few"]) is not None:
            spread = "" if few["deviation"] is None else f" +- {few['deviation']:.3f}"
            told = f"{few['mean']:.3f}{spread} over {len(few['macro_f1'])} draws"
            pairs.append((f"macro-F1 with {few['images']} images a plane", told))
        pairs += [
            (f"macro-F1 on {name}", f"{c['macro_f1']:.3f}, n {c['n']}") for name, c in document["cohorts"].items()
        ]
        show_table(pairs_table(pairs))
        for warning in document["warnings"]:
            typer.echo(f"warning: {warning}")
    show_research_line(RESEARCH_USE, as_json)
