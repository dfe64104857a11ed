"""`edge bridge ...` and `edge sim ...`: commands by a table; one is only imported when it is asked for.

A bridge takes its options from the command line, else from its section of the config file:
`edge bridge cart --config FILE`, or with the file before the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from edge.commands.failure import missing_package


@dataclass(frozen=True)
class Mounted:
    """One command.

    Attributes:
        place: "module:function".
        title: what the group's help says of it.
    """

    place: str
    title: str


BRIDGES: Mapping[str, Mounted] = {
    "cart": Mounted("firmware_bridge.cart.command:cart", "The cart's microcontroller: lamps, bell, freeze key."),
    "dicom": Mounted("firmware_bridge.dicom.command:dicom", "The scanner's DICOM images, and reports back."),
    "igtl": Mounted("firmware_bridge.igtl.command:igtl", "A research scanner over OpenIGTLink."),
    "video": Mounted("firmware_bridge.video.command:video", "A scanner's video output: grabber, file or pipe."),
}
SIMS: Mapping[str, Mounted] = {
    "cart": Mounted("firmware_bridge.cart.sim_command:cart", "A cart that prints its lamps and has keys."),
    "scanner": Mounted("firmware_bridge.dicom.sim_command:scanner", "A scanner that pushes a folder as DICOM."),
}
CONFIG = Annotated[Optional[Path], typer.Option("--config", help="The same as behind the bridge's name.")]
LENIENT = {"ignore_unknown_options": True, "allow_extra_args": True}


def register(app: typer.Typer) -> None:
    """Mount `bridge` and `sim`; nothing of theirs is imported."""
    bridge = typer.Typer(cls=_Bridges, help="Join the box to a real device.", no_args_is_help=True)
    bridge.callback()(_bridge)
    app.add_typer(bridge, name="bridge")
    sim = typer.Typer(cls=_Sims, help="Devices in software, to try the bridges.", no_args_is_help=True)
    sim.callback()(_sim)
    app.add_typer(sim, name="sim")


def _bridge(context: typer.Context, config: CONFIG = None) -> None:
    """Join the box to a real device; each bridge is its own process."""
    if config is not None:
        context.default_map = {name: {"config": str(config)} for name in BRIDGES}


def _sim() -> None:
    """Devices in software, to try the bridges without hardware."""


class _Lazy(TyperGroup):
    """A group that imports a command when it is asked for; one whose package is missing says so when it is run."""

    table: Mapping[str, Mounted] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.table:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        try:
            single.command(cmd_name)(_function(self.table[cmd_name].place))
        except ImportError as error:
            title = f"{self.table[cmd_name].title} (not installed)"
            single.command(cmd_name, help=title, context_settings=LENIENT)(_stand_in(error))
        return typer.main.get_command(single)


class _Bridges(_Lazy):
    table = BRIDGES


class _Sims(_Lazy):
    table = SIMS


def _function(place: str) -> Callable[..., None]:
    module, _, name = place.partition(":")
    function: Callable[..., None] = getattr(import_module(module), name)
    return function


def _stand_in(error: ImportError) -> Callable[[], None]:
    def stand_in() -> None:
        raise missing_package(error.name or "") from error

    return stand_in
