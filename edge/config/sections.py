"""Which sections a config file may have, and the command behind each, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "edge.config_sections"  # section -> "module:function", annotated for Typer
SERVICE = "serve"  # of the plane check, to which the others belong


def section_names() -> tuple[str, ...]:
    """Every section, the plane check's first."""
    return tuple(sorted(_points().names, key=lambda name: (name != SERVICE, name)))


def command_of(section: str) -> Callable[..., None]:
    """The function behind a section.

    Raises:
        UsageError: no package brings that section.
        ImportError: a package that its command needs is not installed.
    """
    for point in _points().select(name=section):
        command: Callable[..., None] = point.load()
        return command
    raise UsageError(f"There is no section {section!r}.", f"Choose of: {', '.join(section_names())}.")


def parser_of(section: str) -> Any:
    """The same as the command line has it: its parameters read texts.

    Raises:
        ImportError: a package that its command needs is not installed.
    """
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(section)(command_of(section))
    return typer.main.get_command(app)


def _points() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
