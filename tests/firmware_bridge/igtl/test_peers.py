"""Real OpenIGTLink peers before a real plane check: pyigtl, and the C++ library."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import absent
from tests.edge.serving import Serving, captured
from tests.firmware_bridge.bridging import WAIT_S, bridging

pytestmark = pytest.mark.peer

RATE_HZ, SECONDS = 60, 4  # `make evidence` runs a minute
SIZE = (1024, 768)
SMALL = (256, 192)
HEADERS = Path("/usr/include/openigtlink")


@pytest.fixture
def pyigtl() -> Any:
    try:
        import pyigtl
    except ImportError:
        absent("pyigtl is not installed")
    return pyigtl


def pictures(size: tuple[int, int] = SIZE, count: int = 8) -> list[NDArray[np.uint8]]:
    """Speckle that moves, brighter above: what the bundle calls "abdomen"; as pyigtl wants it, (1,H,W)."""
    width, height = size
    rng = np.random.default_rng(3)
    levels = 60 + rng.normal(0, 20, (height // 16, width // 16)).repeat(16, 0).repeat(16, 1)
    levels[: height // 3] += 120
    made = np.clip(levels + rng.normal(0, 3, levels.shape), 0, 255).astype(np.uint8)
    return [np.roll(made, 5 * number, axis=1)[None] for number in range(count)]


def stream(pyigtl: Any, client: Any, frames: int, size: tuple[int, int] = SIZE, **fields: Any) -> None:
    """Send pictures at RATE_HZ."""
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


@dataclass(frozen=True)
class Balance:
    """What the plane check had counted before a test."""

    service: Serving
    frames: int
    answered: int

    def check(self, bridge: Any, sent: int) -> None:
        """Every image that came is accounted for, on both sides; a peer that hangs up may lose its last ones."""
        assert 0.9 * sent <= bridge["received"] <= sent
        assert bridge["sent"] + bridge["dropped"] + bridge["stale"] == bridge["received"]
        deadline = time.monotonic() + WAIT_S
        while frames_of(self.service) < self.frames + bridge["sent"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert frames_of(self.service) == self.frames + bridge["sent"]
        answered = self.service.view()["engine"]["answered"] - self.answered
        assert sent / 10 < answered <= bridge["sent"]  # on a loaded machine


def balance_of(service: Serving) -> Balance:
    return Balance(service, frames_of(service), service.view()["engine"]["answered"])


def frames_of(service: Serving) -> int:
    _, text = service.request("GET", "/metrics")
    (line,) = [line for line in text.decode().splitlines() if line.startswith("vmamba_edge_frames_total ")]
    return int(line.split()[1])


def test_pyigtl_at_60_frames_a_second_is_classified_with_counted_drops(service: Serving, pyigtl: Any) -> None:
    balance = balance_of(service)
    with bridging("igtl", "--listen", 0, "--socket", service.ready["socket"]) as bridge:
        client = patient(pyigtl.OpenIGTLinkClient("127.0.0.1", bridge.ready["port"]))
        stream(pyigtl, client, RATE_HZ * SECONDS)
        view = service.view()
        assert view["source"]["signal"] == "running"
        assert set(captured(view)) == {"abdomen"}
        told = json.loads(client.wait_for_message("PlaneCheck", WAIT_S).string)
        assert (told["ai_on"], told["answer"], told["en"]) == (True, "abdomen", "Upper abdomen, transverse")
        time.sleep(1.0)  # what is under way when pyigtl hangs up is lost
        client.stop()
        service.wait_view(lambda view: view["engine"]["cause"] == "No OpenIGTLink peer is connected.")
        bridge.process.terminate()
        counts = bridge.wait(lambda line: line["event"] == "ended")
    balance.check(counts, RATE_HZ * SECONDS)


def test_the_bridge_connects_to_a_pyigtl_server(service: Serving, pyigtl: Any) -> None:
    server = patient(pyigtl.OpenIGTLinkServer(port=0))
    port = server.server_address[1]
    with bridging("igtl", "--connect", f"127.0.0.1:{port}", "--socket", service.ready["socket"]) as bridge:
        deadline = time.monotonic() + WAIT_S
        while not server.is_connected():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        while not captured(service.view()):
            assert time.monotonic() < deadline
            stream(pyigtl, server, RATE_HZ // 2, SMALL)
        bridge.process.terminate()
        assert bridge.wait(lambda line: line["event"] == "ended")["received"] > 0
    server.stop()


def test_the_patient_of_the_metadata_opens_its_own_exam(service: Serving, pyigtl: Any) -> None:
    with bridging("igtl", "--listen", 0, "--socket", service.ready["socket"]) as bridge:
        client = patient(pyigtl.OpenIGTLinkClient("127.0.0.1", bridge.ready["port"]))
        names = {"PatientID": "P-igtl", "StudyInstanceUID": "1.2.3"}
        stream(pyigtl, client, 30, SMALL, header_version=2, metadata=names)
        view = service.wait_view(lambda view: view if view["exam"]["patient"] == "P-igtl" else None)
        client.stop()
    assert view["exam"]["study"] == "1.2.3"
    assert view["exam"]["is_changed"]


def test_an_image_of_another_size_than_the_region_is_a_lost_signal_with_its_cause(
    service: Serving, pyigtl: Any
) -> None:
    roi = f"0,0,128,128@{SMALL[0]}x{SMALL[1] + 1}"
    with bridging("igtl", "--listen", 0, "--socket", service.ready["socket"], "--roi", roi) as bridge:
        client = patient(pyigtl.OpenIGTLinkClient("127.0.0.1", bridge.ready["port"]))
        stream(pyigtl, client, 20, SMALL)
        view = service.wait_view(lambda view: view if "belongs to another size" in view["engine"]["cause"] else None)
        client.stop()
    assert view["source"]["signal"] == "lost"
    assert not captured(view)


def test_the_cpp_library_at_60_frames_a_second_is_classified(service: Serving, tmp_path: Path) -> None:
    sender, balance = compiled(tmp_path), balance_of(service)
    with bridging("igtl", "--listen", 0, "--socket", service.ready["socket"]) as bridge:
        words = ("127.0.0.1", bridge.ready["port"], *SIZE, RATE_HZ * SECONDS, RATE_HZ)
        done = subprocess.run([sender, *map(str, words)], capture_output=True, text=True, timeout=60, check=True)
        told = json.loads(done.stdout)
        bridge.process.terminate()
        counts = bridge.wait(lambda line: line["event"] == "ended")
    assert told["sent"] == counts["received"] == RATE_HZ * SECONDS
    assert set(told["answer"]) == {"ai_on", "answer", "en", "zh", "confidence", "left"}
    balance.check(counts, told["sent"])
    assert set(captured(service.view())) == {"abdomen"}


def compiled(folder: Path) -> Path:
    """The C++ library's own sender."""
    if shutil.which("g++") is None or not HEADERS.is_dir():
        absent("g++ or libopenigtlink-dev is not installed")
    source, program = Path(__file__).parent / "sender.cpp", folder / "sender"
    command = [
        "g++",
        "-O1",
        "-std=c++17",
        f"-I{HEADERS}",
        str(source),
        "-o",
        str(program),
        "-lOpenIGTLink",
        "-lpthread",
    ]
    subprocess.run(command, check=True, timeout=120)
    return program
