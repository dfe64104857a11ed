"""`edge data prepare`: the compact set from the original downloads, or a check of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.errors import LabelsError

if TYPE_CHECKING:
    from calibration.prepare import Preparation

SHOWN = 5  # names a state shows in the table; --json gives all
SOURCES = Annotated[list[Path], typer.Argument(help="Folders with the original downloads; or one compact set.")]
OUT = Annotated[Optional[Path], typer.Option("--out", "-o", help="Folder to build. Without it SOURCE is checked.")]
JSON = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Mount `data` with its command `prepare`."""
    data = typer.Typer(help="Data sets.", no_args_is_help=True)
    data.command("prepare")(prepare)
    data.callback()(_group)  # with a single command typer would drop its name
    app.add_typer(data, name="data")


def _group() -> None:
    """Data sets: rebuild and check."""


def prepare(sources: SOURCES, out: OUT = None, as_json: JSON = False) -> None:
    """Rebuild the compact set from FETAL_PLANES_DB, HC18 and Fetus Framework, or check one (without --out)."""
    preparation = _run(sources, out, quiet=as_json)
    typer.echo(json.dumps(_document(preparation), indent=2) if as_json else _text(preparation))
    _check(preparation)


def _run(sources: list[Path], out: Path | None, quiet: bool) -> Preparation:
    from rich.console import Console
    from rich.progress import Progress

    from calibration.prepare import load_list, verify
    from calibration.prepare import prepare as build

    if out is None and len(sources) > 1:
        raise typer.BadParameter("Several folders need --out; without it one compact set is checked.")
    with Progress(console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def report(stage: str, share: float) -> None:
            bar.update(task, description=stage, completed=share)

        if out is None:
            return verify(sources[0], load_list(), report)
        return build(sources, out, load_list(), report)


def _document(preparation: Preparation) -> dict[str, object]:
    from calibration.prepare import EXACT, STATES

    return {
        "images": len(preparation.states),
        "counts": {state: preparation.count(state) for state in STATES},
        "files": {state: preparation.files(state) for state in STATES if state != EXACT},
    }


def _text(preparation: Preparation) -> str:
    from calibration.prepare import EXACT, REENCODED, STATES

    lines = [f"{preparation.count(state):6d}  {state}" for state in STATES]
    if preparation.count(REENCODED):
        lines.append(
            f"warning: pixels differ: {preparation.count(REENCODED)} (same pictures, another JPEG encoder or filter)"
        )
    for state in STATES:
        files = preparation.files(state)
        if files and state not in (EXACT, REENCODED):
            more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
            lines.append(f"{state}: {', '.join(files[:SHOWN])}{more}")
    return "\n".join(lines)


def _check(preparation: Preparation) -> None:
    """Missing files are no error: most people have one of the three downloads. Wrong ones are."""
    from calibration.prepare import DAMAGED, OTHER

    wrong = (*preparation.files(OTHER), *preparation.files(DAMAGED))
    if wrong:
        raise LabelsError(
            f"{len(wrong)} files do not hold the picture the list names, the first is {wrong[0]}.",
            "Download the original data set again.",
        )
