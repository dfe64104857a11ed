"""The cart's C side: size of the firmware, random inputs under the sanitizers, time of a request on both boards."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge.proto import cart_pb2 as cart
from tests.firmware_bridge.cart.boards import Board, Box, process_board, qemu_board
from tests.firmware_bridge.cart.c_programs import PROGRAMS, SANITIZERS, built, firmware, tool


def measured(small: bool) -> dict[str, Any]:
    """Figures of the C library and the reference firmware.

    Args:
        small: 200,000 random inputs and 500 requests instead of 10 million and 10,000.
    """
    requests = 500 if small else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "size": _size(folder),
            "fuzz": _fuzzed(folder, 200_000 if small else 10_000_000),
            "process": _timed(process_board, folder / "process", requests),
            "qemu": _timed(qemu_board, folder / "qemu", requests),
        }


def _size(folder: Path) -> dict[str, int]:
    elf = firmware(folder, "cart.elf")
    printed = subprocess.run([tool("arm-none-eabi-size"), elf], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(word) for word in printed.splitlines()[1].split()[:3])
    return {"flash_bytes": text + data, "ram_bytes": data + bss}


def _fuzzed(folder: Path, inputs: int) -> dict[str, Any]:
    program = built(folder / "fuzz", *SANITIZERS, "-O2", PROGRAMS / "fuzz.c")
    begin = time.perf_counter()
    done = subprocess.run([program, str(inputs), "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {"inputs": inputs, "findings": 0, "seconds": round(time.perf_counter() - begin, 1)}


def _timed(board: Callable[[Path], AbstractContextManager[Board]], folder: Path, requests: int) -> dict[str, Any]:
    folder.mkdir()
    taken_ms = []
    with board(folder) as running:
        box = Box(running.line)
        box.serve_until("is_up")
        for number in range(requests):
            begin = time.perf_counter()
            box.send(cart.Message(time_sync=cart.TimeSync(sent_ms=number)))
            while len(box.answers) <= number:
                box.serve(1.0)
            taken_ms.append(1e3 * (time.perf_counter() - begin))
    p50, p99 = np.percentile(taken_ms, [50, 99])
    return {"requests": requests, "p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}
