"""`edge benchmark`: parse, call one function, show one result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.progress import progress_bar
from edge.commands.terminal import AsJson, Threads, show_json, show_table, user_keyring

FILES = Annotated[list[Path], typer.Argument(help="Bundles and ONNX files.")]
SIZE = Annotated[int, typer.Option("--size", min=16, help="Input side where a file does not fix it, pixels.")]
RUNS = Annotated[int, typer.Option("--runs", min=3, help="Timed runs of each file.")]


def register(app: typer.Typer) -> None:
    """Mount `benchmark`."""
    app.command("benchmark")(benchmark)


def benchmark(files: FILES, runs: RUNS = 50, size: SIZE = 224, threads: Threads = 2, as_json: AsJson = False) -> None:
    """Time bundles and ONNX files, one run of each in turn, so that a busy machine is busy for all."""
    from calibration.benchmark import timings_from_files

    with progress_bar(as_json) as progress:
        timings = timings_from_files(files, threads, runs, size, user_keyring(), progress)
    if as_json:
        show_json({"schema": 1, "threads": threads, "runs": runs, "files": [asdict(timing) for timing in timings]})
        return
    from calibration.tables import timing_table

    show_table(timing_table(timings))
