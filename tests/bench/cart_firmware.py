"""The cart's C side by itself: size of the firmware, inputs that coverage guides under the sanitizers."""

from __future__ import annotations

import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.firmware_bridge.cart.c_programs import fuzz_command, fuzz_corpus, fuzz_target, tool

FLASH_BOUND_BYTES, RAM_BOUND_BYTES = 16 * 1024, 4 * 1024


def size_of_firmware(elf: Path) -> dict[str, int]:
    """Bytes of the image for the Cortex-M3; the stack is a section of its own and counted."""
    printed = subprocess.run([tool("arm-none-eabi-size"), elf], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(word) for word in printed.splitlines()[1].split()[:3])
    return {
        "flash_bytes": text + data,
        "flash_bound_bytes": FLASH_BOUND_BYTES,
        "ram_bytes": data + bss,
        "ram_bound_bytes": RAM_BOUND_BYTES,
    }


def fuzzed(folder: Path, runs: int) -> dict[str, Any]:
    """libFuzzer under ASan and UBSan, one process a core.

    Args:
        folder: an empty one; what breaks the library is kept there as crash-*.
        runs: inputs, all processes together.
    """
    folder.mkdir()
    program, workers = fuzz_target(folder), min(os.cpu_count() or 1, 8)
    share = -(-runs // workers)
    commands = [fuzz_command(program, fuzz_corpus(folder / f"corpus{n}"), share, n) for n in range(1, workers + 1)]
    begin_s = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(lambda command: subprocess.run(command, capture_output=True, text=True), commands))
    counted = [re.search(r"^Done (\d+) runs", each.stderr, re.MULTILINE) for each in done]
    return {
        "inputs": sum(int(found[1]) for found in counted if found),
        "findings": sum(each.returncode != 0 for each in done),
        "seconds": round(time.perf_counter() - begin_s, 1),
        "processes": workers,
        "sanitizers": "address, undefined",
    }
