"""Real senders of OpenIGTLink images: pyigtl, and the C++ library's own."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.conftest import absent
from tests.firmware_bridge.bridging import WAIT_S

RATE_HZ = 60
SIZE = (1024, 768)
HEADERS = Path("/usr/include/openigtlink")


def pictures(size: tuple[int, int] = SIZE, count: int = 48) -> list[NDArray[np.uint8]]:
    """Speckle that moves, brighter above: what the bundle calls "abdomen"; as pyigtl wants it, (1,H,W)."""
    width, height = size
    rng = np.random.default_rng(3)
    levels = 60 + rng.normal(0, 20, (height // 16, width // 16)).repeat(16, 0).repeat(16, 1)
    levels[: height // 3] += 120
    made = np.clip(levels + rng.normal(0, 3, levels.shape), 0, 255).astype(np.uint8)
    return [np.roll(made, 5 * number, axis=1)[None] for number in range(count)]


def stream(pyigtl: Any, client: Any, frames: int, size: tuple[int, int] = SIZE, **fields: Any) -> None:
    """Send pictures at RATE_HZ with pyigtl.

    Args:
        pyigtl: the package.
        client: of it, or a server.
        frames: how many.
        size: width and height.
        fields: of every message.
    """
    start_s, made = time.monotonic(), pictures(size)
    for number in range(frames):
        message = pyigtl.ImageMessage(made[number % len(made)], device_name="US")
        for name, value in fields.items():
            setattr(message, name, value)
        client.send_message(message, wait=True)
        time.sleep(max(0.0, start_s + (number + 1) / RATE_HZ - time.monotonic()))


def patient(client: Any) -> Any:
    """Let pyigtl wait for its receiver: it gives up where the system does not take a whole message within 10 ms."""
    send = client._send_queued_message_from_socket

    def wait(socket: Any) -> Any:
        socket.settimeout(WAIT_S)
        try:
            return send(socket)
        finally:
            socket.settimeout(0.01)

    client._send_queued_message_from_socket = wait
    return client


def compiled(folder: Path) -> Path:
    """The C++ library's own sender."""
    if shutil.which("g++") is None or not HEADERS.is_dir():
        absent("g++ or libopenigtlink-dev is not installed")
    source, program = Path(__file__).parent / "sender.cpp", folder / "sender"
    files = (f"-I{HEADERS}", source, "-o", program, "-lOpenIGTLink", "-lpthread")
    subprocess.run(["g++", "-O1", "-std=c++17", *files], check=True, timeout=120)
    return program
