"""A V4L2 device that stands still, stops, goes and comes back, under Debian's own kernel: `make nightly`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.firmware_bridge.video.vivid_machine import PLUG, kernel, ran

ROOT = Path(__file__).parents[3]
LIMIT_S = 600.0  # an emulated processor: 45 s of this one's, half of it for Python's imports


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the bridge said of each step, see `vivid_guest`."""
    python = f"{sys.executable} -u -m tests.firmware_bridge.video.vivid_guest {shlex.quote(PLUG)}"
    command = f"cd {ROOT} && HOME=/tmp PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 {python}\n"
    printed = ran(tmp_path_factory.mktemp("vivid"), kernel(), command, LIMIT_S)
    lines = [line for line in printed.splitlines() if line.startswith("STORY ")]
    assert lines, printed[-3000:]
    told: dict[str, Any] = json.loads(lines[0].removeprefix("STORY "))
    assert "failed" not in told, printed[-3000:]
    print(f"vivid: {json.dumps(told)}")
    return told


@pytest.mark.nightly
@pytest.mark.peer
@pytest.mark.qemu
@pytest.mark.parametrize(
    ("step", "signal", "cause"),
    [
        ("standing", "frozen", ""),
        ("moving", "running", ""),
        ("no frames", "lost", ""),
        ("frames again", "running", ""),
        ("unplugged", "lost", "The camera /dev/video0 gives no picture: No such device."),
        ("plugged in", "running", ""),
    ],
)
def test_the_bridge_tells_what_the_device_does(step: str, signal: str, cause: str, story: dict[str, Any]) -> None:
    assert (story[step]["signal"], story[step]["cause"]) == (signal, cause)
