"""The box's own line to a running firmware, clean or over a bad wire."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_bridge.cart.command import clock
from firmware_bridge.cart.hello import box_hello
from firmware_bridge.cart.line import Line, Waker
from firmware_bridge.cart.link import Link
from firmware_bridge.cart.link_states import Delivered, State
from firmware_bridge.cart.messages import TimeSync
from firmware_bridge.cart.transports import Port
from tests.firmware_bridge.cart.boards import PATIENCE_S, Board
from tests.firmware_bridge.cart.damaged import BadWire


class BadPort(Port):
    """A port whose frames are hurt, each way.

    Attributes:
        wires: from the cart, to the cart.
    """

    def __init__(self, number: int, share: float, seed: int) -> None:
        super().__init__(number, lambda: None)
        self.wires = BadWire(2 * seed, share), BadWire(2 * seed + 1, share)
        self._begun = b""

    def read(self) -> bytes:
        whole, zero, self._begun = (self._begun + super().read()).rpartition(b"\0")
        return self.wires[0].pass_on(whole + zero)

    def write(self, data: bytes) -> None:
        super().write(self.wires[1].pass_on(data))


@contextmanager
def line_to(board: Board, share: float = 0.0, seed: int = 1) -> Iterator[tuple[Line, BadPort]]:
    """A box's line whose link is up."""
    os.set_blocking(board.line, False)
    port = BadPort(board.line, share, seed)
    with Waker() as waker, Line(Link(box_hello(), clock()), lambda: port, waker, clock) as line:
        end = time.monotonic() + PATIENCE_S
        while line.link.state is not State.UP:
            line.turn()
            assert time.monotonic() < end
        yield line, port


def request_s(line: Line) -> float:
    """Ask the cart for its clock; seconds until the answer is there."""
    started_s = time.perf_counter()
    line.link.ask_time(clock())
    while not any(isinstance(o, Delivered) and isinstance(o.body, TimeSync) for o in line.turn()):
        assert time.perf_counter() - started_s < PATIENCE_S
    return time.perf_counter() - started_s
