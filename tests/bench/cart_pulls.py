"""The cart's line pulled and put back: how long until a question of the box is answered again.

::

    process   socat is ended and started anew: both ends of the pty pair vanish, as a USB plug does
    qemu      the box's socket to the microcontroller's UART is closed and opened again
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import PeerError
from firmware_bridge.cart.command import clock
from firmware_bridge.cart.hello import box_hello
from firmware_bridge.cart.line import Line, Waker
from firmware_bridge.cart.link import Link
from firmware_bridge.cart.link_states import Delivered, State
from firmware_bridge.cart.messages import TimeSync
from firmware_bridge.cart.transports import Port, open_serial, open_unix
from tests.firmware_bridge.cart.boards import PATIENCE_S, qemu_board
from tests.firmware_bridge.cart.c_programs import tool

BOUND_S = 2.0
GAPS_S = (0.0,) * 4 + (0.02, 0.1, 0.3, 0.5, 1.0, 2.5)  # out of the socket; both sides notice only the last by silence


@dataclass
class Cable:
    """A line that can be pulled.

    Attributes:
        opener: of the box's end.
        pull: cuts it.
        put_back: joins it again; returns when both ends can be opened.
    """

    opener: Callable[[], Port]
    pull: Callable[[], None]
    put_back: Callable[[], None]


def pulled(cable: Cable, count: int) -> dict[str, Any]:
    """Pull and put back, and wait each time until a question is answered.

    Args:
        cable: to a running cart.
        count: of pulls; the gaps are drawn from a seed.
    """
    rng, times_s = random.Random(1), []
    with Waker() as waker, Line(Link(box_hello(), clock()), cable.opener, waker, clock) as line:
        _answered_s(line)
        for _ in range(count):
            cable.pull()
            _turned(line, rng.choice(GAPS_S))
            cable.put_back()
            times_s.append(_answered_s(line))
    return {
        "disconnects": count,
        "back_median_s": round(sorted(times_s)[count // 2], 3),
        "back_worst_s": round(max(times_s), 3),
        "bound_s": BOUND_S,
        "later_than_bound": sum(one > BOUND_S for one in times_s),
    }


def _turned(line: Line, seconds: float) -> None:
    """Until the box has noticed, and so long at least."""
    begin_s = time.monotonic()
    while line.link.state is not State.CLOSED or time.monotonic() - begin_s < seconds:
        line.turn(0.01)
        assert time.monotonic() - begin_s < PATIENCE_S, "the box never noticed"


def _answered_s(line: Line) -> float:
    begin_s, is_asked = time.monotonic(), False
    while True:
        for outcome in line.turn(0.01):
            if isinstance(outcome, Delivered) and isinstance(outcome.body, TimeSync):
                return time.monotonic() - begin_s
        if line.link.state is State.UP and not is_asked:
            line.link.ask_time(clock())
            is_asked = True
        assert time.monotonic() - begin_s < PATIENCE_S, "the cart never came back"


@contextmanager
def process_cable(folder: Path, program: Path) -> Iterator[Cable]:
    """To the C library as a process, over a socat pty pair."""
    ends = folder / "box.pty", folder / "cart.pty"
    pairs: list[subprocess.Popen[bytes]] = []

    def put_back() -> None:
        pairs.append(subprocess.Popen([tool("socat"), *(f"pty,raw,echo=0,link={end}" for end in ends)]))
        end_s = time.monotonic() + PATIENCE_S
        while not all(end.exists() for end in ends):
            assert time.monotonic() < end_s, "socat made no line"
            time.sleep(0.002)

    def pull() -> None:
        pairs[-1].terminate()
        pairs[-1].wait()
        for end in ends:
            end.unlink(missing_ok=True)

    put_back()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with subprocess.Popen([program, ends[1]], **pipes) as cart:
        try:
            yield Cable(lambda: open_serial(str(ends[0]), 115200), pull, put_back)
        finally:
            cart.kill()
            pull()


@contextmanager
def qemu_cable(folder: Path, elf: Path) -> Iterator[Cable]:
    """To the firmware in QEMU, over a socket."""
    with qemu_board(folder, elf) as board:
        opened: list[Port] = []
        is_in = True

        def opener() -> Port:
            if not is_in:
                raise PeerError("The line is pulled.", "Put it back.")
            opened.append(open_unix(board.address.removeprefix("unix:")))
            return opened[-1]

        def pull() -> None:
            nonlocal is_in
            is_in = False
            with socket.socket(fileno=os.dup(opened[-1].fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)

        def put_back() -> None:
            nonlocal is_in
            is_in = True

        board.hand_over()
        yield Cable(opener, pull, put_back)
