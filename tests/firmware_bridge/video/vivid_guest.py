"""Inside the virtual machine: the kernel's virtual camera before `edge bridge video`; tells what the bridge said.

::

    /dev/video0 (vivid) --PyAV--> edge bridge video --> a socket here that takes every frame and writes down the signal
         ^ a standing picture, a moving one, none, unplugged, plugged in again

One JSON line: what was done -> seconds until the bridge told it, and its cause. Source: Linux, vivid.rst ("Controls").
"""

from __future__ import annotations

import fcntl
import json
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

DEVICE = Path("/dev/video0")
LIMIT_S = 120.0  # an emulated processor
QUERYCTRL, S_CTRL = 0xC0445624, 0xC008561C  # videodev2.h
NEXT_CTRL = 0x80000000
MOVEMENT, FAST = "Horizontal Movement", 6  # without it colour bars stand still under a running clock
DROPPED, ALL, NONE = "Percentage of Dropped Buffers", 100, 0


class Service(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Takes frames and words about the signal as the plane check's socket does."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Taking)
        self.frames = 0
        self.note: Any = {"signal": "", "cause": ""}


class Taking(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Service

    def address_string(self) -> str:
        return "bridge"

    def log_message(self, format: str, *arguments: object) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/frames":
            self.server.frames += 1
        else:
            self.server.note = json.loads(body)
        answer = b'{"taken": true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def control(name: str, value: int) -> None:
    """Set a control of the camera by its name."""
    with DEVICE.open("rb", buffering=0) as device:
        number = 0
        while True:
            query = bytearray(68)
            struct.pack_into("=I", query, 0, number | NEXT_CTRL)
            fcntl.ioctl(device, QUERYCTRL, query)
            number = struct.unpack_from("=I", query)[0]
            if bytes(query[8:40]).partition(b"\0")[0].decode() == name:
                fcntl.ioctl(device, S_CTRL, struct.pack("=Ii", number, value))
                return


def seconds_until(condition: Callable[[], bool]) -> float:
    start_s = time.monotonic()
    while not condition():
        if time.monotonic() - start_s > LIMIT_S:
            raise TimeoutError
        time.sleep(0.02)
    return round(time.monotonic() - start_s, 2)


def told(service: Service, signal: str) -> dict[str, Any]:
    """Seconds until the bridge says so, and why."""
    seconds = seconds_until(lambda: service.note["signal"] == signal)
    return {"seconds": seconds, "signal": signal, "cause": service.note["cause"]}


def story(service: Service, plug: str) -> dict[str, Any]:
    """All of it in turn.

    Args:
        service: what the bridge speaks to.
        plug: a command that plugs the camera in again.
    """
    steps: dict[str, Any] = {"standing": told(service, "frozen")}
    control(MOVEMENT, FAST)
    steps["moving"] = told(service, "running")
    control(DROPPED, ALL)
    steps["no frames"] = told(service, "lost")
    control(DROPPED, NONE)
    steps["frames again"] = told(service, "running")
    control("Disconnect", 0)
    seconds = seconds_until(lambda: bool(service.note["cause"]))
    steps["unplugged"] = {**told(service, "lost"), "seconds": seconds}
    frames = service.frames
    subprocess.run(["/bin/sh", "-c", plug], check=True)
    seconds = seconds_until(lambda: service.frames > frames)
    control(MOVEMENT, FAST)
    steps["plugged in"] = {**told(service, "running"), "seconds": seconds}
    return steps


def main() -> None:
    """Run the story; the last argument is the command that plugs the camera in again."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "api.sock"
        service = Service(place)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        command = [sys.executable, "-m", "edge", "bridge", "video", f"camera:{DEVICE}", "--socket", str(place)]
        command += ["--roi", "160,60,320,240", "--stuck", str(LIMIT_S), "--json"]
        with subprocess.Popen(command) as bridge:
            try:
                print("STORY " + json.dumps(story(service, sys.argv[1])), flush=True)
            except TimeoutError:
                print("STORY " + json.dumps({"failed": {"note": service.note, "frames": service.frames}}), flush=True)
            finally:
                bridge.terminate()


if __name__ == "__main__":
    main()
