"""`--config FILE` of a command that has a section there: the file's values become the defaults of its options."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edge.config.keys import NOT_IN_FILE


def take_config(context: typer.Context, path: Optional[Path]) -> Optional[Path]:
    """Eager, before any other option is looked at; the section has the command's name."""
    if path is not None and not context.resilient_parsing:
        from edge.config.checks import options_from_text, text_from_file

        context.default_map = options_from_text(text_from_file(path), context.info_name or "")
    return path


def read_by(place: str) -> Callable[[str], Any]:
    """What reads an option's text, imported when there is a text.

    Args:
        place: "module:function"; it raises UsageError where the text means nothing.
    """

    def read(text: str) -> Any:
        module, _, name = place.partition(":")
        return getattr(import_module(module), name)(text)

    return read


def checked_by(place: str) -> Callable[[str], str]:
    """The same for an option that stays a text.

    Args:
        place: "module:function"; what it returns is not used.
    """
    read = read_by(place)

    def check(text: str) -> str:
        read(text)
        return text

    return check


ConfigFile = Annotated[
    Optional[Path],
    typer.Option(
        "--config",
        is_eager=True,
        callback=take_config,
        help="TOML file (docs/config.toml) whose section of this name sets options; those given here win.",
    ),
    NOT_IN_FILE,
]
