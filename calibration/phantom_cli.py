"""`edge phantom`: a set of computed images of the 21 planes, marked as synthetic everywhere."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

OUT = Annotated[Path, typer.Option("--out", "-o", help="Folder to fill: new, empty, or begun with the same options.")]
PER_PLANE = Annotated[int, typer.Option("--per-plane", help="Frames of each plane.")]
SEED = Annotated[int, typer.Option("--seed", help="Of everything.")]
SIZE = Annotated[int, typer.Option("--size", help="Longest side of a frame, px.")]
SPLIT = Annotated[str, typer.Option("--split", help="Shares of train, val and test, by patient.")]
JSON = Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")]


def register(app: typer.Typer) -> None:
    """Mount `phantom`."""
    app.command("phantom")(phantom)


def phantom(
    out: OUT,
    per_plane: PER_PLANE = 60,
    seed: SEED = 0,
    size: SIZE = 512,
    split: SPLIT = "7:1:2",
    as_json: JSON = False,
) -> None:
    """Draw a synthetic set of the 21 planes and of frames that are none; goes on where an interrupted run stopped."""
    from calibration.phantom.phantom_set import NOTE, phantom_set_from_settings
    from calibration.phantom.plan import PhantomSettings, split_from_text
    from edge.commands.progress import progress_bar

    settings = PhantomSettings(seed, per_plane, size, split_from_text(split))
    with progress_bar(as_json) as progress:
        made = phantom_set_from_settings(out, settings, progress)
    if as_json:
        document = {**asdict(made), "folder": str(made.folder), "labels": str(made.labels)}
        typer.echo(json.dumps({"schema": 1, "synthetic": True, **document}))
        return
    shares = ", ".join(f"{count} {name}" for name, count in made.splits.items())
    typer.echo(f"{made.frames} synthetic frames of {made.patients} made-up patients ({shares}); {made.drawn} drawn now")
    typer.echo(f"labels: {made.labels}\n{NOTE}")
