"""`edge exam list|show|export|verify|delete|purge`: the exams of this device."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edge.commands.export import export
from edge.commands.stores import StoreFile, opened_reader, store_file
from edge.commands.terminal import AsJson, pairs_table, show_json, show_table
from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.store_rows import ExamSummary, StoredEvent

Operator = Annotated[Optional[str], typer.Option("--operator", help="Id of who does it, for the audit log.")]
Yes = Annotated[bool, typer.Option("--yes", help="Really delete; there is no way back.")]
SCHEMA = 1  # of every JSON document here

exams = typer.Typer(help="Exams: what was recorded on this device.")
exams.command("export")(export)


@exams.command("list")
def list_exams(store: StoreFile = None, as_json: AsJson = False) -> None:
    """Show the exams, without patients' names."""
    from edge.store_reader import open_reader

    with open_reader(store_file(store)) as reader:
        found = reader.exams()
    if as_json:
        show_json({"schema": SCHEMA, "exams": [dataclasses.asdict(exam) for exam in found]})
        return
    from rich.table import Table

    table = Table("exam", "opened", "operator", "events", "captures")
    table.columns[0].no_wrap = True  # it is copied into the next command
    for exam in found:
        table.add_row(exam.exam, exam.opened, exam.operator, str(exam.events), str(exam.captures))
    show_table(table)


@exams.command()
def show(
    exam: Annotated[str, typer.Argument(help="Id of the exam.")], store: StoreFile = None, as_json: AsJson = False
) -> None:
    """Show one exam with its patient and its events."""
    with opened_reader(store) as reader:
        summary, about, events = reader.exam(exam), reader.about(exam), reader.events(exam)
    if as_json:
        listed = [dataclasses.asdict(event) for event in events]
        show_json({"schema": SCHEMA, **dataclasses.asdict(summary), "about": dict(about), "recorded": listed})
        return
    _show_exam(summary, dict(about), events)


@exams.command()
def verify(
    store: StoreFile = None,
    noted: Annotated[Optional[str], typer.Option("--head", help="NUMBER:DIGEST noted at an earlier check.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the audit chain and every record against it; note the head it prints somewhere else."""
    from edge.store_check import check_store
    from edge.store_reader import open_reader

    with open_reader(store_file(store)) as reader:
        found = check_store(reader, _head(noted))
    head = f"{found.head.number}:{found.head.digest}"
    counts = {"exams": found.exams, "records": found.records, "deleted": found.deleted}
    if as_json:
        show_json({"schema": SCHEMA, "valid": True, "head": head, **counts})
    else:
        typer.echo(f"valid: {found.exams} exams, {found.records} records, {found.deleted} deleted; head {head}")


@exams.command()
def delete(
    exam: Annotated[str, typer.Argument(help="Id of the exam.")],
    yes: Yes = False,
    operator: Operator = None,
    store: StoreFile = None,
    as_json: AsJson = False,
) -> None:
    """Erase an exam: its records, images and their bytes on the disk. The audit log keeps its number."""
    from edge.store import open_store
    from edge.store_reader import open_reader

    path = store_file(store)
    with open_reader(path) as reader:
        found = reader.exam(exam)
    if not yes:
        raise UsageError(f"Exam {exam} ({found.captures} captures) would be gone for good.", "If it shall: add --yes.")
    with open_store(path, wall=_wall, keyless=True) as opened:
        opened.delete(exam, operator)
    _show_deleted((exam,), as_json)


@exams.command()
def purge(
    older_than: Annotated[str, typer.Option("--older-than", help="Age since the last event: 12h, 30d, 8w.")],
    yes: Yes = False,
    every: Annotated[bool, typer.Option("--every", help="Even if no exam is left.")] = False,
    operator: Operator = None,
    store: StoreFile = None,
    as_json: AsJson = False,
) -> None:
    """Erase all exams older than an age."""
    from edge import store_retention
    from edge.commands.progress import progress_bar
    from edge.store import open_store

    path, age, now = store_file(store), store_retention.age_from_text(older_than), datetime.now(timezone.utc)
    _check_exists(path)
    with open_store(path, wall=_wall, keyless=True) as opened:
        old = store_retention.exams_older_than(opened.exams(), age, now)
        if old and not yes:
            raise UsageError(
                f"{len(old)} exam(s) older than {older_than} would be gone for good.", "If they shall: add --yes."
            )
        with progress_bar(as_json) as progress:
            gone = store_retention.purge(opened, age, now, operator, every, progress)
    _show_deleted(gone, as_json)


def _check_exists(path: Path) -> None:
    from edge.store_reader import no_store

    if not path.is_file():
        raise no_store(path)


def _wall() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _head(noted: str | None) -> Any:
    from edge.audit import DIGEST, Head

    if noted is None:
        return None
    number, _, digest = noted.partition(":")
    if not number.isascii() or not number.isdigit() or not DIGEST.fullmatch(digest):
        raise UsageError(
            f"{noted!r} is no head of an audit chain.", "Give what edge exam verify printed: NUMBER:DIGEST."
        )
    return Head(int(number), digest)


def _show_exam(summary: ExamSummary, about: dict[str, Any], events: tuple[StoredEvent, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    told = {**dataclasses.asdict(summary), **about}
    show_table(pairs_table((name, _text(value)) for name, value in told.items()))
    table = Table("", "kind", "told at", "image", "event")
    for event in events:
        image = "JPEG" if event.has_jpeg else ""
        table.add_row(str(event.sequence), event.kind, event.wall, image, Text(_text(dict(event.event))))
    show_table(table)


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value, ensure_ascii=False)


def _show_deleted(exam_ids: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        show_json({"schema": SCHEMA, "deleted": list(exam_ids)})
    else:
        typer.echo("\n".join(f"deleted: {exam}" for exam in exam_ids) or "nothing to delete")
