"""`edge exam export`: an exam as JSON, PDF, FHIR and its pictures."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.commands.stores import StoreFile, opened_reader
from edge.commands.terminal import AsJson, show_json, show_notices, show_research_line
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.reports.gather import Report

SCHEMA = 1  # of the command's JSON
FILE_MODE = 0o600  # patient data: nobody but the user who exported them


class Format(str, Enum):
    """What is written."""

    JSON = "json"
    PDF = "pdf"
    FHIR = "fhir"
    ALL = "all"


SUFFIXES = {Format.JSON: ".json", Format.PDF: ".pdf", Format.FHIR: ".fhir.json"}
Target = Annotated[Optional[Path], typer.Option("-o", help="Folder; with one format also a file. Default: ./EXAM.")]
Kind = Annotated[Format, typer.Option("--format", help="`all` writes the pictures as well.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
Font = Annotated[
    Optional[Path], typer.Option("--font", help="TrueType font for Chinese that was typed in, for the PDF.")
]


def export(
    exam: Annotated[str, typer.Argument(help="Id of the exam.")],
    target: Target = None,
    kind: Kind = Format.ALL,
    force: Force = False,
    font: Font = None,
    store: StoreFile = None,
    as_json: AsJson = False,
) -> None:
    """Write an exam into files; they hold patient data and are yours to keep and to delete."""
    from edge.files import write_atomic
    from edge.manifest import RESEARCH_USE
    from edge.reports.gather import report_from_store

    with opened_reader(store) as reader:
        report = report_from_store(reader, exam)
    files, notices = _files_from_report(report, kind, font)
    paths = _paths(target, kind, exam, list(files))
    if not force and (there := [path for path in paths if path.exists()]):
        raise UsageError(f"{there[0]} is there already.", "Give another folder with -o, or replace it with --force.")
    for path, data in zip(paths, files.values(), strict=True):
        write_atomic(path, data, FILE_MODE)
    show_notices([*notices, "These files hold patient data. They are yours to keep safe and to delete."])
    if as_json:
        show_json({"schema": SCHEMA, "exam": exam, "files": [str(path) for path in paths]})
    else:
        typer.echo("\n".join(str(path) for path in paths))
    show_research_line(RESEARCH_USE, as_json)


def _files_from_report(report: Report, kind: Format, font: Path | None) -> tuple[dict[str, bytes], list[str]]:
    """End of a name -> bytes, and what a person must be told."""
    from edge.reports import fhir, schema_json
    from edge.reports.words import LABELS

    document, files, notices = report.document, dict[str, bytes](), list[str]()
    if kind in (Format.JSON, Format.ALL):
        files[SUFFIXES[Format.JSON]] = schema_json.bytes_from_document(document)
    if kind in (Format.PDF, Format.ALL):
        from edge.reports.pdf import pdf_from_report

        made = pdf_from_report(report, font)
        files[SUFFIXES[Format.PDF]] = made.data
        if not made.is_embedded:
            notices.append(
                "The PDF names a Chinese font without holding it: install one with TrueType outlines, or give --font."
            )
    if kind in (Format.FHIR, Format.ALL):
        files[SUFFIXES[Format.FHIR]] = fhir.bytes_from_document(document)
    if kind is Format.ALL:
        for picture in document.pictures:
            if picture.frame in report.jpegs:
                files[f"-{picture.sequence:04d}.jpg"] = report.jpegs[picture.frame]
    if document.unmarked:
        notices.append(LABELS[document.unmarked][0])
    if document.phase != "ended":
        notices.append("The exam is not ended: a later export may say more.")
    return files, notices


def _paths(target: Path | None, kind: Format, exam: str, ends: list[str]) -> list[Path]:
    """Where each file lies: in a folder under the exam's id, or as the one file that was named."""
    folder = target or Path(exam)
    if kind is not Format.ALL and target is not None and not target.is_dir() and target.suffix:
        return [target]
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; {kind.value} writes into a folder.", "Give a folder with -o.")
    return [folder / f"{exam}{end}" for end in ends]
