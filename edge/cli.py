"""The command line: `edge COMMAND ...`. A command parses, calls one function and shows one result.

Commands of the other folders come through the entry-point group "edge.commands" (name -> "module:function(app)"), so
the runtime imports nothing upward. Exit codes: 0 ok, else those of edge/errors.py.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NoReturn

import typer

from edge import __version__
from edge.commands import classify, doctor, exam, inspect, install_service, key, replay, serve, verify
from edge.commands.failure import error_from_exception

OWN_COMMANDS: Mapping[str, Callable[..., None]] = {
    "classify": classify.classify,
    "inspect": inspect.inspect,
    "verify": verify.verify,
    "replay": replay.replay,
    "doctor": doctor.doctor,
    "serve": serve.serve,
    "install-service": install_service.install_service,
}
ENTRY_POINTS = "edge.commands"
DEBUG_VARIABLE = "VMAMBA_EDGE_DEBUG"


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Chinese must not end a command
    sys.exit(code_from_arguments(sys.argv[1:] or ["--help"]))


def code_from_arguments(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: what follows the program's name.

    Returns:
        The exit code; an error has been shown.
    """
    try:
        command = typer.main.get_command(app_from_arguments(arguments))
        with command.make_context("edge", list(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains while it ends
        return 1
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # the door of the program: every failure becomes two lines
        if type(error).__name__ == "Exit":  # click's and typer's; they have no common public base
            return int(getattr(error, "exit_code", 0))
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _show_error(error, "--json" in arguments)
    return 0


def app_from_arguments(arguments: Sequence[str]) -> typer.Typer:
    """The commands that these arguments can mean; others' are only imported when one of theirs is asked for."""
    app = typer.Typer(name="edge", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_program)
    for name, function in OWN_COMMANDS.items():
        app.command(name)(function)
    app.add_typer(key.keys, name="key")
    app.add_typer(exam.exams, name="exam")
    if not arguments or arguments[0] not in (*OWN_COMMANDS, "key", "exam", "--version"):
        _mount_others(app)
    return app


def _program(
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=lambda on: _show_version(on))] = False,
) -> None:
    """Prenatal ultrasound standard planes, offline: compile, check and run models. Research software."""


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"vmamba-edge {__version__}")
        raise typer.Exit


def _mount_others(app: typer.Typer) -> None:
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            point.load()(app)
        except ImportError as error:
            lenient = {"ignore_unknown_options": True, "allow_extra_args": True}
            app.command(point.name, help="(not installed)", context_settings=lenient)(_stand_in(error))


def _stand_in(error: ImportError) -> Callable[[], None]:
    def stand_in() -> None:
        raise error

    return stand_in


def _show_error(error: BaseException, as_json: bool) -> int:
    told = error_from_exception(error)
    if as_json:
        document = {"error": told.cause, "cure": told.cure, "exit_code": told.exit_code}
        typer.echo(json.dumps(document, ensure_ascii=False))
    typer.echo(f"error: {told.cause}\n  cure: {told.cure}", err=True)
    return told.exit_code
