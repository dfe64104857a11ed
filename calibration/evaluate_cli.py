"""`edge evaluate`: parse, call one function, show one result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

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
from edge.errors import LabelsError, UsageError
from edge.files import check_folder

if TYPE_CHECKING:
    from calibration.comparison import Comparison
    from calibration.dataset import Dataset
    from calibration.evaluate import Evaluation
    from calibration.reports.page import Section
    from edge.session import Session

BUNDLES = Annotated[list[Path], typer.Argument(help="Bundles; a LABELS.csv or folder at the end is taken as --data.")]
DATA = Annotated[Optional[Path], typer.Option("--data", help="LABELS.csv or folder; without it the shipped images.")]
SPLIT = Annotated[Optional[str], typer.Option("--split", help="Only these rows; without it test, else val, else all.")]
REPORT = Annotated[Optional[Path], typer.Option("--report", help="Folder for report.html, report.json and pictures.")]
OTHERS = Annotated[
    Optional[Path],
    typer.Option(
        "--others", help="LABELS.csv or folder: what is answered to labels the model does not know, unscored."
    ),
]
LIST = Annotated[int, typer.Option("--list", min=0, help="Show that many single images, spread over the labels.")]
SKIP = Annotated[bool, typer.Option("--skip-unknown", help="Leave out images whose label the model does not know.")]


@dataclass(frozen=True)
class Images:
    """Which images are answered; of other labels those of `others`, unscored."""

    dataset: Dataset
    skip_unknown: bool
    others: Dataset | None


@dataclass(frozen=True)
class Answered:
    """One bundle's evaluation, and the sections of the report that only its open session gives."""

    evaluation: Evaluation
    sections: tuple[Section, ...]


def register(app: typer.Typer) -> None:
    """Mount `evaluate`."""
    app.command("evaluate")(evaluate)


def evaluate(
    bundles: BUNDLES,
    data: DATA = None,
    split: SPLIT = None,
    report: REPORT = None,
    others: OTHERS = None,
    show: LIST = 0,
    skip_unknown: SKIP = False,
    threads: Threads = 2,
    as_json: AsJson = False,
) -> None:
    """Measure bundles on labelled images; several stand side by side, compared with the first."""
    from calibration.comparison import comparison_from_evaluations
    from calibration.reports.report import PAGE, document_from_evaluations

    if data is None and len(bundles) > 1 and (bundles[-1].suffix.lower() == ".csv" or bundles[-1].is_dir()):
        bundles, data = bundles[:-1], bundles[-1]
    if report is not None:
        check_folder(report)
    images = _images(data, split, skip_unknown, others)
    _check_same_planes(bundles)
    answered = [
        _answered(path, file, images, report is not None, threads, as_json)
        for path, file in zip(bundles, _files_told_apart(bundles), strict=True)
    ]
    evaluations = [one.evaluation for one in answered]
    comparisons = [comparison_from_evaluations(other, evaluations[0]) for other in evaluations[1:]]
    if report is None:
        document = document_from_evaluations(evaluations, comparisons)
    else:
        document = _reported(report, answered, comparisons)
    if as_json:
        show_json(document)
        return
    from calibration.reports.tables import comparison_lines, image_table, others_table, score_table

    for evaluation in evaluations:
        show_table(score_table(evaluation))
        if evaluation.others:
            show_table(others_table(evaluation))
    for line in comparison_lines(comparisons):
        typer.echo(line)
    if show:
        show_table(image_table(evaluations[0], show))
    if report is not None:
        typer.echo(f"report: {report / PAGE}")


def _files_told_apart(bundles: Sequence[Path]) -> list[str]:
    """The bundles' files by name; with their folders where two have one name; empty of a bundle alone."""
    files = [path.name for path in bundles]
    if len(files) == 1:
        return [""]
    return [path.name if files.count(path.name) == 1 else str(path) for path in bundles]


def _images(data: Path | None, split: str | None, skip_unknown: bool, others: Path | None) -> Images:
    """Read the tables, and say which of the rows are answered where that was left to the table."""
    from calibration.samples_set import checked_dataset, gate_split, note_on_split, split_dataset

    other = checked_dataset(others) if others else None
    if split is not None:
        return Images(split_dataset(data, split), skip_unknown, other)
    whole = checked_dataset(data)
    chosen = gate_split(whole)
    if data is not None and (note := note_on_split(data.name or str(data), whole, chosen)):
        show_notices([note])
    return Images(chosen, skip_unknown, other)


def _check_same_planes(bundles: Sequence[Path]) -> None:
    """Refuse what could not be compared before the first of them has answered every image."""
    from edge.loading import load_bundle

    if len(bundles) < 2:
        return
    planes = [[label.id for label in load_bundle(path, user_keyring()).manifest.planes] for path in bundles]
    other = next((path for path, found in zip(bundles, planes, strict=True) if found != planes[0]), None)
    if other is not None:
        raise LabelsError(f"{other} and {bundles[0]} have different planes.", "Compare bundles of the same labels.")


def _answered(path: Path, file: str, images: Images, for_report: bool, threads: int, as_json: bool) -> Answered:
    from calibration.evaluate import evaluation_from_session
    from edge.protocol import load_protocol
    from edge.session import open_session

    with open_session(path, threads=threads, keyring=user_keyring()) as session, progress_bar(as_json) as progress:
        show_notices(session.notices)
        protocol = session.manifest.protocol.id
        refused = load_protocol(protocol).refused if protocol else ()
        evaluation = evaluation_from_session(
            session,
            images.dataset,
            refused,
            images.skip_unknown,
            progress,
            others=images.others,
            with_features=for_report,
        )
        if file and file != f"{session.manifest.name}.edge":  # two bundles may have one name
            evaluation = replace(evaluation, name=f"{evaluation.name} ({file})")
        sections = [attention_section(session, evaluation)] if for_report else []  # it needs the open session
        show_research_line(session.manifest.notice, as_json=True)
    return Answered(evaluation, tuple(sections))


def attention_section(session: Session, evaluation: Evaluation) -> Section:
    """The report's attention maps, or why there are none."""
    from calibration.reports.attention_sheet import maps_from_session, png_from_attention
    from calibration.reports.markup import paragraph
    from calibration.reports.page import Section, picture_section
    from calibration.reports.page_sections import credit_from_evaluation

    title = "Where the network looked"
    try:
        maps = maps_from_session(session, evaluation)
    except UsageError as error:
        return Section(title, paragraph(error.cause))
    return picture_section(
        title,
        png_from_attention(evaluation, maps),
        "The surest right and the surest wrong answers, each with the attention map of the plane that was answered "
        "(Grad-CAM on the last map of the engine). Cells are coarse: they rank regions and outline nothing.",
        "Pairs of frames and the same frames tinted where the answer comes from, with label, answer and probability",
        credit_from_evaluation(evaluation),
    )


def _reported(folder: Path, answered: Sequence[Answered], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Write the report; its document is what `--json` prints."""
    from calibration.reports.evidence import evidence_from_evaluation
    from calibration.reports.report import document_from_evaluations, page_from_evaluations, save_report

    evaluations = [one.evaluation for one in answered]
    evidence = [evidence_from_evaluation(evaluation) for evaluation in evaluations]
    document = document_from_evaluations(evaluations, comparisons, evidence)
    page = page_from_evaluations(evaluations, comparisons, evidence, [one.sections for one in answered])
    save_report(folder, evaluations, document, page)
    return document
