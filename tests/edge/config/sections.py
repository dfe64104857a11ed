"""A package that is not the project's own and has a section of the config file, as its entry point says."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Annotated, Optional

import typer

from edge.commands.config_file import ConfigFile
from edge.config.keys import NOT_IN_FILE


class Light(Enum):
    """What it can show."""

    GREEN = "green"
    RED = "red"


TEXT = Annotated[str, typer.Option("--a-text", "-t", help="Some\n text.")]
NUMBER = Annotated[float, typer.Option(min=0.5, max=2, help="A number.")]
FLAG = Annotated[bool, typer.Option("--flag/--no-flag", help="A flag.")]
LIST = Annotated[Optional[list[Path]], typer.Option(help="Paths.")]
LIGHT = Annotated[Light, typer.Option(help="Its colour.")]
PERSON = Annotated[str, typer.Option(help="Whose."), NOT_IN_FILE]


def lamp(
    needed: TEXT, number: NUMBER = 1.0, flag: FLAG = False, paths: LIST = None,
    light: LIGHT = Light.GREEN, person: PERSON = "", config: ConfigFile = None,
) -> None:  # fmt: skip
    """Has one option of each kind."""


def with_lamp(
    own: Callable[..., EntryPoints], place: str = "tests.edge.config.sections:lamp"
) -> Callable[..., EntryPoints]:
    """`importlib.metadata.entry_points` where that package is installed as well."""

    def entry_points(group: str) -> EntryPoints:
        more = (EntryPoint("lamp", place, group),) if group == "edge.config_sections" else ()
        return EntryPoints((*own(group=group), *more))

    return entry_points
