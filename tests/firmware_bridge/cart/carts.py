"""A cart in this process at the other end of a bridge that is a process: turned by the test until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.cart.command import clock
from firmware_bridge.cart.hello import sim_hello
from firmware_bridge.cart.line import Line, Waker
from firmware_bridge.cart.link import Link
from firmware_bridge.cart.listeners import listening
from firmware_bridge.cart.messages import Hello
from firmware_bridge.cart.sim_cart import SimCart

WAIT_S = 20.0  # a loaded machine


@dataclass
class Cart:
    """A running cart.

    Attributes:
        sim: the cart.
        line: its line.
        address: for `--port`.
        told: every document so far.
    """

    sim: SimCart
    line: Line
    address: str
    told: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def lamps(self) -> Mapping[str, Any]:
        """The newest."""
        return next(document for document in reversed(self.told) if document["event"] == "lamps")

    def until(self, condition: Callable[[Cart], bool], seconds: float = WAIT_S) -> float:
        """Turn until it is so; seconds that it took."""
        started_s = time.monotonic()
        while True:
            self.sim.turn(0.02)
            if self.told and condition(self):
                return time.monotonic() - started_s
            assert time.monotonic() - started_s < seconds, self.told[-5:]

    def until_lamps(self, seconds: float = WAIT_S, **wanted: object) -> float:
        """Until the lamps show this."""
        return self.until(lambda cart: wanted.items() <= cart.lamps.items(), seconds)

    def heard(self, event: str) -> list[Mapping[str, Any]]:
        """Documents of one kind."""
        return [document for document in self.told if document["event"] == event]


@contextmanager
def waiting_cart(place: str, hello: Hello | None = None) -> Iterator[Cart]:
    """A cart that waits for a box."""
    with ExitStack() as stack:
        found, waker = stack.enter_context(listening(place)), stack.enter_context(Waker())
        line = stack.enter_context(Line(Link(hello or sim_hello(), clock()), found.opener, waker, clock))
        told: list[Mapping[str, Any]] = []
        yield Cart(SimCart(line, told.append, clock), line, found.address, told)


def unix_place(folder: Path) -> str:
    return f"unix:{folder / 'cart.sock'}"
