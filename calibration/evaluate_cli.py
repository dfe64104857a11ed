"""`edge evaluate`: parse, call one function, show one result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.commands.progress import progress_bar
from edge.commands.terminal import (
    AsJson,
    Threads,
    show_json,
    show_notices,
    show_research_line,
    show_table,
    user_keyring,
)

if TYPE_CHECKING:
    from calibration.evaluate import Evaluation

BUNDLES = Annotated[list[Path], typer.Argument(help="Bundles; a LABELS.csv at the end is taken as --data.")]
DATA = Annotated[Optional[Path], typer.Option("--data", help="LABELS.csv or folder; without it the shipped images.")]
SPLIT = Annotated[Optional[str], typer.Option("--split", help="Only these rows; without it test, else val, else all.")]
REPORT = Annotated[Optional[Path], typer.Option("--report", help="Folder for report.json and pictures.")]
LIST = Annotated[int, typer.Option("--list", min=0, help="Show that many single images, spread over the labels.")]
SKIP = Annotated[bool, typer.Option("--skip-unknown", help="Leave out images whose label the model does not know.")]


def register(app: typer.Typer) -> None:
    """Mount `evaluate`."""
    app.command("evaluate")(evaluate)


def evaluate(
    bundles: BUNDLES,
    data: DATA = None,
    split: SPLIT = None,
    report: REPORT = None,
    show: LIST = 0,
    skip_unknown: SKIP = False,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Measure bundles on labelled images; several stand side by side, compared with the first."""
    from calibration.evaluate import comparison_from_evaluations
    from calibration.report import document_from_evaluations, save_report

    if data is None and len(bundles) > 1 and bundles[-1].suffix == ".csv":
        bundles, data = bundles[:-1], bundles[-1]
    evaluations = [_evaluated(path, data, split, skip_unknown, threads, as_json) for path in bundles]
    comparisons = [comparison_from_evaluations(other, evaluations[0]) for other in evaluations[1:]]
    document = document_from_evaluations(evaluations, comparisons)
    if report is not None:
        save_report(report, evaluations, document)
    if as_json:
        show_json(document)
        return
    from calibration.tables import comparison_lines, image_table, score_table

    for evaluation in evaluations:
        show_table(score_table(evaluation))
    for line in comparison_lines(comparisons):
        typer.echo(line)
    if show:
        show_table(image_table(evaluations[0], show))
    if report is not None:
        typer.echo(f"report: {report}")


def _evaluated(
    path: Path, data: Path | None, split: str | None, skip_unknown: bool, threads: int, as_json: bool
) -> Evaluation:
    from calibration.evaluate import evaluation_from_session
    from calibration.samples_set import gate_dataset, split_dataset
    from edge.protocol import load_protocol
    from edge.session import open_session

    dataset = gate_dataset(data) if split is None else split_dataset(data, split)
    with open_session(path, threads=threads, keyring=user_keyring()) as session, progress_bar(as_json) as progress:
        show_notices(session.notices)
        protocol = session.manifest.protocol.id
        refused = load_protocol(protocol).refused if protocol else ()
        evaluation = evaluation_from_session(session, dataset, refused, skip_unknown, progress)
        show_research_line(session.manifest.notice, as_json=True)
    return evaluation
