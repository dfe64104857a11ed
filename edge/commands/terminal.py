"""What the commands share in talking to a person: the user's keyring, JSON, notices, names in both languages."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.config.keys import NOT_IN_FILE
from edge.keyring import Keyring, home_from_environment
from edge.manifest import Manifest, Notice
from edge.prediction import NOT_COVERED, NOT_STANDARD

if TYPE_CHECKING:
    from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document, or one line per item."), NOT_IN_FILE]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the engine.")]

PIPE_COLUMNS = 120  # characters

ANSWERS = {
    NOT_STANDARD: "not a standard plane / 非标准切面",
    NOT_COVERED: "not covered / 无法判断",
}


def user_keyring() -> Keyring:
    """The keyring of the user who runs the command."""
    return Keyring(home_from_environment(os.environ))


def show_json(document: Any) -> None:
    """One line of JSON on standard output."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def show_table(table: Table) -> None:
    """A table on standard output; as wide as the terminal, or 120 columns in a file or pipe."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)  # a name with brackets or colons is a name
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    console.print(table)


def show_notices(notices: Iterable[str | Notice]) -> None:
    """What a person must be told, on standard error, so that it never mixes with results."""
    for notice in notices:
        typer.echo(f"note: {notice.en if isinstance(notice, Notice) else notice}", err=True)


def show_research_line(notice: Notice, as_json: bool) -> None:
    """The research-use line: under a table, or beside JSON on standard error."""
    typer.echo(f"{notice.en} {notice.zh}", err=as_json)


def names_from_manifest(manifest: Manifest) -> dict[str, str]:
    """What a person reads for every label and answer: both languages."""
    labels = {label.id: f"{label.en} / {label.zh}" if label.en != label.zh else label.en for label in manifest.labels}
    return labels | ANSWERS


def pairs_table(pairs: Iterable[tuple[str, str]]) -> Table:
    """Two columns without a frame: name and value."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(value))
    return table
