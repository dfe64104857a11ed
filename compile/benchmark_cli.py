"""`edge benchmark`: parse, call one function, show one result.

Here and not beside `calibration/benchmark.py`, because `--kernels` builds what it times. Files need nothing of this
folder: they are timed on a device without a toolchain.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edge.commands.progress import progress_bar
from edge.commands.terminal import AsJson, Threads, show_json, show_notices, show_table, user_keyring
from edge.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from compile.kernel_benchmark import KernelTimes

FILES = Annotated[Optional[list[Path]], typer.Argument(help="Bundles and ONNX files.", show_default=False)]
SIZE = Annotated[int, typer.Option("--size", min=16, help="Input side where a file does not fix it, pixels.")]
RUNS = Annotated[int, typer.Option("--runs", min=3, help="Timed runs of each file or form.")]
KERNELS = Annotated[bool, typer.Option("--kernels", help="Time the native scan against other forms of it; no FILES.")]
COMPILER = Annotated[str, typer.Option("--compiler", envvar="CXX", help="C++ compiler for --kernels.")]
FILE_OPTIONS = ("size", "threads")  # which --kernels cannot mean: its stages and threads are fixed


def register(app: typer.Typer) -> None:
    """Mount `benchmark`."""
    app.command("benchmark")(benchmark)


def benchmark(
    context: typer.Context,
    files: FILES = None,
    runs: RUNS = 50,
    size: SIZE = 224,
    threads: Threads = 2,
    kernels: KERNELS = False,
    compiler: COMPILER = "",
    as_json: AsJson = False,
) -> None:
    """Time bundles and ONNX files, one run of each in turn, so that a busy machine is busy for all."""
    if kernels:
        _check_alone(context, files or [])
        _benchmark_kernels(runs, compiler, as_json)
        return
    if not files:
        raise UsageError("There is nothing to time.", "Give bundles or ONNX files, or --kernels.")
    _benchmark_files(files, runs, size, threads, as_json)


def _check_alone(context: typer.Context, files: list[Path]) -> None:
    if files:
        raise UsageError(f"--kernels times no files, got {files[0]}.", "Give files in a command of their own.")
    for name in FILE_OPTIONS:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name} means nothing with --kernels, which times fixed maps on one thread and on two.",
                f"Leave out --{name}.",
            )


def _benchmark_files(files: list[Path], runs: int, size: int, threads: int, as_json: bool) -> None:
    from calibration.benchmark import timings_from_files

    with progress_bar(as_json) as progress:
        timings = timings_from_files(files, threads, runs, size, user_keyring(), progress)
    show_notices(f"{timing.file}: {notice}" for timing in timings for notice in timing.notices)
    if as_json:
        show_json({"schema": 1, "threads": threads, "runs": runs, "files": [asdict(timing) for timing in timings]})
        return
    from calibration.reports.tables import timing_table

    show_table(timing_table(timings))


def _benchmark_kernels(runs: int, compiler: str, as_json: bool) -> None:
    from compile.kernel_benchmark import document_from_times, kernel_times
    from edge.cpu import load_cpu
    from edge.files import cache_from_environment

    cpu = load_cpu()
    with progress_bar(as_json) as progress:
        times = kernel_times(cpu, cache_from_environment(os.environ), compiler, runs, progress)
    show_notices(times.notes)
    if as_json:
        show_json(document_from_times(times, cpu))
    else:
        show_table(kernel_table(times))


def kernel_table(times: KernelTimes) -> Table:
    """Forms against each other, stage by stage and over the network, with the ratio to the native forward pass."""
    from rich.table import Table

    from compile.kernel_benchmark import POOLS

    ns, wall_ns, best = times.cpu_ns, times.wall_ns, times.isas[-1]
    table = Table(
        title=f"SelectiveScan2D, ns an element, {best}; {times.rounds} rounds of every form in turn",
        caption="one thread: CPU time, medians, ratio to ours; two threads: wall time, best, ratio to one",
    )
    table.add_column("form")
    for row in times.stages:
        table.add_column(f"{row.stage.side_px}x{row.stage.side_px}x{row.stage.d_inner}", justify="right")
    for title in ("weighted", "ratio"):
        table.add_column(title, justify="right")
    for form, value in ns.items():
        cells = (f"{row.cpu_ns[form]:.2f}" for row in times.stages)
        table.add_row(form, *cells, f"{value:.2f}", f"{value / ns[best]:.2f}", style="bold" if form == best else None)
    for pool in POOLS:
        two, one = f"{pool}_2t", f"{pool}_1t"
        cells = (f"{row.wall_ns[two]:.2f}" for row in times.stages)
        ratio = f"{wall_ns[two] / wall_ns[one]:.2f}"
        table.add_row(f"two threads, {pool}", *cells, f"{wall_ns[two]:.2f}", ratio)
    return table
