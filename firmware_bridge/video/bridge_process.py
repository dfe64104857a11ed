"""What igtl and video share as processes: signals that end them, systemd, lines on standard output, two clocks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from edge.commands.terminal import show_json
from edge.service.notify import notifier_from_environment
from edge.service.stop import Stop
from firmware_bridge.video.bridge_screen import BridgeScreen


@contextmanager
def bridge_process(name: str, as_json: bool) -> Iterator[tuple[threading.Event, BridgeScreen]]:
    """The event that a signal sets, and where the bridge shows itself.

    Args:
        name: of the bridge.
        as_json: lines are JSON, not words.
    """
    notifier = notifier_from_environment(os.environ)
    with Stop() as stop:
        stop.is_serving = True
        yield stop.event, BridgeScreen(name, notifier, show_json if as_json else _show_words)
        notifier.send("STOPPING=1")


def clock_s() -> float:
    """Monotonic, seconds; runs on while the machine sleeps, so that a frame of before the sleep is old after it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall_s() -> float:
    """Seconds since 1970, for records only."""
    return time.time()


def _show_words(document: Mapping[str, Any]) -> None:
    words = (f"{name} {value}" for name, value in document.items() if name != "schema" and value not in (None, "", 0))
    typer.echo(", ".join(words))
