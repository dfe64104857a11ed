"""`edge sim cart`: a cart that prints its lamps, with keys from the keyboard or a script."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.commands.terminal import AsJson, show_json

if TYPE_CHECKING:
    from firmware_bridge.cart.sim_cart import Document

LISTEN = Annotated[str, typer.Option(help="Where the box finds this cart: pty:PATH, tcp:HOST:PORT or unix:PATH.")]
SCRIPT = Annotated[str, typer.Option(help="Keys once the link is up, e.g. 'f 0.5 s q': freeze, wait, foot, quit.")]


def cart(listen: LISTEN = "tcp:127.0.0.1:7011", script: SCRIPT = "", as_json: AsJson = False) -> None:
    """A cart in software: lamps and bell on the screen; keys f (freeze), s (foot switch), q (quit)."""
    from edge.service.stop import Stop
    from firmware_bridge.cart.command import clock
    from firmware_bridge.cart.hello import sim_hello
    from firmware_bridge.cart.line import Line, Waker
    from firmware_bridge.cart.link import Link
    from firmware_bridge.cart.link_states import State
    from firmware_bridge.cart.listeners import listening
    from firmware_bridge.cart.sim_cart import SimCart, steps_from_script

    steps = list(steps_from_script(script))
    with Stop() as stop, listening(listen) as place, Waker() as waker, ExitStack() as stack:
        screen = stack.enter_context(_Screen(place.address, as_json))
        line = stack.enter_context(Line(Link(sim_hello(), clock()), place.opener, waker, clock))
        sim = SimCart(line, screen.show, clock)
        keys = stack.enter_context(_keyboard())
        stop.is_serving = True
        until_s = 0.0
        while not stop.event.is_set():
            sim.turn(0.05 if steps or keys else 0.1)
            is_due = steps and line.link.state is State.UP and line.link.unanswered == 0 and clock() >= until_s
            step = steps.pop(0) if is_due else _key(keys)
            if isinstance(step, float):
                until_s = clock() + step
            elif step == "q":
                return
            elif step:
                sim.press(step)


class _Screen:
    """Lamps in a terminal, or a line a change."""

    def __init__(self, address: str, as_json: bool) -> None:
        from rich.console import Console

        self._as_json = as_json
        self._console = Console()
        self._live: Any = None
        if as_json:
            show_json({"event": "listening", "port": address})
        else:
            typer.echo(f"cart: edge bridge cart --port {address}")
        sys.stdout.flush()

    def __enter__(self) -> _Screen:
        if not self._as_json and self._console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self._console, auto_refresh=False).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def show(self, document: Document) -> None:
        """One thing that happened."""
        if self._as_json:
            show_json(document)
            sys.stdout.flush()
            return
        from firmware_bridge.cart.sim_panel import panel_from_document

        if self._live is not None and document["event"] == "lamps":
            self._live.update(panel_from_document(document), refresh=True)
        else:
            self._console.print(panel_from_document(document))


@contextlib.contextmanager
def _keyboard() -> Iterator[bool]:
    """Keys one by one, where there is a keyboard."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield False
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield True
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _key(has_keys: bool) -> str:
    from firmware_bridge.cart.sim_cart import KEYS

    if not has_keys or not select.select([sys.stdin], [], [], 0)[0]:
        return ""
    letter = os.read(sys.stdin.fileno(), 1).decode("ascii", "replace")  # `read` would keep the rest from `select`
    return letter if letter in (*KEYS, "q") else ""
