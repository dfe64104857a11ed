"""The cart link against the C library: as a process on a socat pty pair, and as the firmware on a Cortex-M3 in QEMU.

::

    box: Link, Line, Port -- socat pty pair -- posix/board.c + cartlink     "process"
    box: Link, Line, Port -- Unix socket -- QEMU mps2-an385: cart.elf       "qemu"

Full: about 20 minutes on two quiet cores, of which 10 M inputs of the fuzzer take the most.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.cart_firmware import fuzzed, size_of_firmware
from tests.bench.cart_pulls import Cable, process_cable, pulled, qemu_cable
from tests.firmware_bridge.cart.boards import Board, process_board, qemu_board
from tests.firmware_bridge.cart.box_lines import line_to, request_s
from tests.firmware_bridge.cart.c_programs import firmware
from tests.firmware_bridge.cart.ledger import Ledger, kept_ledger

P99_BOUND_MS = 5.0
DAMAGED_SHARE = 0.1


@dataclass(frozen=True)
class Scale:
    """How much.

    Attributes:
        requests: to each cart.
        events: to each kind of cart, both ways together.
        process_boards: carts that share them.
        qemu_boards: the same.
        qemu_s: after which QEMU's carts are sent no further events, seconds.
        disconnects: of each cart.
        fuzz_inputs: through the decoder.
    """

    requests: int
    events: int
    process_boards: int
    qemu_boards: int
    qemu_s: float
    disconnects: int
    fuzz_inputs: int


SMALL = Scale(300, 600, 3, 2, 5.0, 5, 4_000)
FULL = Scale(10_000, 100_000, 8, 4, 900.0, 200, 10_000_000)
Opened = Callable[[Path, Path], AbstractContextManager[Board]]
Cabled = Callable[[Path, Path], AbstractContextManager[Cable]]


def measured(is_small: bool) -> dict[str, Any]:
    """Figures of requests, damaged frames, disconnects, size and random inputs.

    Args:
        is_small: for CI.

    Raises:
        AssertionError: an event was lost, doubled or wrong, or an input broke the library.
    """
    scale = SMALL if is_small else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, elf = firmware(folder, "cart"), firmware(folder, "cart.elf")
        figures = {
            "size": size_of_firmware(elf),
            "requests": {
                "process": _requests(process_board, _new(folder), process, scale.requests),
                "qemu": _requests(qemu_board, _new(folder), elf, scale.requests),
            },
            "damaged": {
                "process": _damaged(process_board, _new(folder), process, scale.process_boards, scale.events),
                "qemu": _damaged(qemu_board, _new(folder), elf, scale.qemu_boards, scale.events, scale.qemu_s),
            },
            "disconnects": {
                "process": _disconnects(process_cable, _new(folder), process, scale.disconnects),
                "qemu": _disconnects(qemu_cable, _new(folder), elf, scale.disconnects),
            },
            "fuzz": fuzzed(folder / "fuzz", scale.fuzz_inputs),
        }
    assert figures["fuzz"]["findings"] == 0, figures["fuzz"]
    return figures


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def _requests(opened: Opened, folder: Path, program: Path, count: int) -> dict[str, Any]:
    with opened(folder, program) as board, line_to(board) as (line, _):
        taken_ms = [1e3 * request_s(line) for _ in range(count)]
    p50, p99 = np.percentile(taken_ms, [50, 99])
    times_ms = {"p50_ms": p50, "p99_ms": p99, "p99_bound_ms": P99_BOUND_MS, "worst_ms": max(taken_ms)}
    return {"requests": count, **{name: round(float(ms), 3) for name, ms in times_ms.items()}}


def _damaged(
    opened: Opened, folder: Path, program: Path, boards: int, events: int, limit_s: float = float("inf")
) -> dict[str, Any]:
    def kept(seed: int) -> Ledger:
        with opened(_new(folder), program) as board:
            return kept_ledger(board, events // boards, DAMAGED_SHARE, seed, limit_s)

    begin_s = time.monotonic()
    with ThreadPoolExecutor(boards) as pool:
        ledgers = list(pool.map(kept, range(1, boards + 1)))
    counts = {name: sum(getattr(ledger, name) for ledger in ledgers) for name in ("lost", "doubled", "wrong")}
    assert set(counts.values()) == {0}, counts
    totals = {name: sum(getattr(each, name) for each in ledgers) for name in ("events", "frames", "hurt", "falls")}
    return {**totals, **counts, "carts": boards, "seconds": round(time.monotonic() - begin_s, 1)}


def _disconnects(cabled: Cabled, folder: Path, program: Path, count: int) -> dict[str, Any]:
    with cabled(folder, program) as cable:
        return pulled(cable, count)
