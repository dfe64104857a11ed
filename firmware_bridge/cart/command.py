"""`edge bridge cart`: the cart's lamps, bell and keys, until it is told to stop."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands.config_file import ConfigFile, checked_by
from edge.commands.terminal import AsJson, show_json

if TYPE_CHECKING:
    from firmware_bridge.cart.bridge import Note

SOCKET = Path("/run/vmamba-edge/api.sock")  # of the installed service
WHY = ("error", "cure")  # sentences among a note's fields
PORT = Annotated[
    str,
    typer.Option(
        parser=checked_by("firmware_bridge.cart.transports:opener_from_text"),
        metavar="PORT",
        help="Where the cart is: /dev/ttyACM0, tcp:HOST:PORT or unix:PATH.",
    ),
]
MAX_BAUD = 12_000_000  # of the fastest USB adapters; pyserial fails at more than 31 bits
BAUD = Annotated[int, typer.Option(min=300, max=MAX_BAUD, help="Of a serial line; USB ignores it.")]
PLANE_CHECK = Annotated[Path, typer.Option("--socket", help="Unix socket of `edge serve`.")]
FOOT = Annotated[
    str,
    typer.Option(
        parser=checked_by("firmware_bridge.cart.shown:check_foot"),
        metavar="MEANING",
        help="What the foot switch means: freeze, acknowledge, pause or none.",
    ),
]


def cart(
    port: PORT = "/dev/ttyACM0", socket: PLANE_CHECK = SOCKET, baud: BAUD = 115200, foot: FOOT = "freeze",
    config: ConfigFile = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Join the cart's microcontroller to the plane check: lamps and bell there, freeze key and foot switch here."""
    from edge.service.notify import notifier_from_environment, watchdog_from_environment
    from edge.service.stop import Stop
    from firmware_bridge.cart.bridge import CartBridge, Note
    from firmware_bridge.cart.hello import box_hello
    from firmware_bridge.cart.line import Line, Waker
    from firmware_bridge.cart.link import Link
    from firmware_bridge.cart.plane_check import Asker, Watcher
    from firmware_bridge.cart.transports import opener_from_text

    opener = opener_from_text(port, baud)
    notifier = notifier_from_environment(os.environ)
    period_s = watchdog_from_environment(os.environ, os.getpid()) or float("inf")
    with Stop() as stop, Waker() as waker, Line(Link(box_hello(), clock()), opener, waker, clock) as line:
        stop.is_serving = True
        watcher, asker = Watcher(socket, waker, clock), Asker(socket, waker, clock)
        bridge = CartBridge(line, watcher, asker, foot, lambda note: show_note(note, as_json), clock)
        show_note(Note("ready", {"port": port, "socket": str(socket)}), as_json)
        notifier.send("READY=1")
        alive_s = clock()
        while not stop.event.is_set():
            bridge.turn()
            if clock() - alive_s >= period_s:
                alive_s = clock()
                notifier.send("WATCHDOG=1")
        notifier.send("STOPPING=1")
        watcher.end()
        asker.end()


def show_note(note: Note, as_json: bool) -> None:
    """One line on standard output."""
    if as_json:
        show_json({"event": note.event, **note.fields})
    elif note.event == "service":
        typer.echo(f"plane check: {'does not answer; it is waited for' if note.fields['is_away'] else 'answers'}")
    else:
        why = " ".join(str(note.fields[name]) for name in WHY if name in note.fields)
        words = ", ".join(f"{name} {value}" for name, value in note.fields.items() if name not in WHY and value != "")
        typer.echo(": ".join(part for part in (note.event, words, why) if part))
    sys.stdout.flush()


def clock() -> float:
    """Monotonic, seconds; runs on while the machine sleeps, as the service's: after a sleep every result is old."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
