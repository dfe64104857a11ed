"""Real OpenIGTLink peers before a real plane check: pyigtl, and the C++ library."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import absent
from tests.edge.serving import Serving, captured
from tests.firmware_bridge.bridging import WAIT_S, bridging
from tests.firmware_bridge.igtl.senders import RATE_HZ, SIZE, compiled, patient, stream

pytestmark = pytest.mark.peer

SECONDS = 2  # `make evidence` runs a minute
SMALL = (256, 192)


@pytest.fixture
def pyigtl() -> Any:
    try:
        import pyigtl
    except ImportError:
        absent("pyigtl is not installed")
    return pyigtl


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
        sent, deadline, wanted = 0, time.monotonic() + WAIT_S, (True, "abdomen", "Upper abdomen, transverse")
        while True:  # again: on a loaded machine what is to be seen may be over when it is looked at
            stream(pyigtl, client, RATE_HZ * SECONDS)
            sent, view = sent + RATE_HZ * SECONDS, service.view()
            told = json.loads(client.wait_for_message("PlaneCheck", WAIT_S).string)
            shown = (told["ai_on"], told["answer"], told["en"])
            if view["source"]["signal"] == "running" and set(captured(view)) == {"abdomen"} and shown == wanted:
                break
            assert time.monotonic() < deadline, (view, told)
        time.sleep(1.0)  # what is under way when pyigtl hangs up is lost
        client.stop()
        service.wait_view(lambda view: view["engine"]["cause"] == "No OpenIGTLink peer is connected.")
        bridge.process.terminate()
        counts = bridge.wait(lambda line: line["event"] == "ended")
    balance.check(counts, sent)


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


def test_the_patient_of_the_metadata_opens_its_own_exam_and_a_killed_bridge_does_not_end_it(
    service: Serving, pyigtl: Any
) -> None:
    with bridging("igtl", "--listen", 0, "--socket", service.ready["socket"]) as bridge:
        client = patient(pyigtl.OpenIGTLinkClient("127.0.0.1", bridge.ready["port"]))
        names = {"PatientID": "P-igtl", "StudyInstanceUID": "1.2.3"}
        stream(pyigtl, client, 30, SMALL, header_version=2, metadata=names)
        view = service.wait_view(lambda view: view if view["exam"]["patient"] == "P-igtl" else None)
        bridge.process.kill()
        client.stop()
    assert view["exam"]["study"] == "1.2.3"
    assert view["exam"]["is_changed"]
    after = service.wait_view(lambda view: view if view["source"]["signal"] == "lost" else None)
    assert after["exam"]["checklist"]["exam"] == view["exam"]["checklist"]["exam"]


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
