"""A program run to its end, or the one line that says why it failed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from edge.errors import DeviceError


def run(command: Sequence[str], seconds: float) -> str:
    """What a program prints and complains.

    Args:
        command: its name and arguments.
        seconds: how long it may take.

    Raises:
        DeviceError: it failed or took too long; the cause is its last line.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{command[0]}: {str(error)[:200]}", "See docs/gpu.md.") from error
    text = done.stdout + done.stderr
    if done.returncode:
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "it says nothing")
        raise DeviceError(f"{command[0]} ended with {done.returncode}: {last[:300]}", "See docs/gpu.md.")
    return text
