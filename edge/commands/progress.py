"""Progress on the terminal's error stream, so that results can be piped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar for one stage at a time.

    Args:
        quiet: show nothing.

    Yields:
        What stages report to: a text and the share done, 0..1.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>24}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    quiet = quiet or not console.is_terminal  # in a file or pipe even a hidden bar leaves an empty line
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)

        def report(stage: str, share: float) -> None:
            bar.update(task, description=stage, completed=share)

        yield report
